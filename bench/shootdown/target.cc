#include "bench/shootdown/target.h"

#include <fmt/core.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "bench/shootdown/own_pages.h"
#include "bench/support/kernel_tables.h"

namespace flushwalk {
namespace {

constexpr int kMapPrivate = MAP_PRIVATE | MAP_ANONYMOUS;
// NORESERVE also keeps it from being joined with the pages' mapping.
constexpr int kMapReserved = kMapPrivate | MAP_NORESERVE;
constexpr int kReadWrite = PROT_READ | PROT_WRITE;

int result_of(long returned) { return returned == 0 ? 0 : errno; }
int barrier(int command) { return result_of(syscall(SYS_membarrier, command, 0, 0)); }
int map_at(Address at, std::size_t bytes, int permissions, int flags) {
  return mmap(pointer(at), bytes, permissions, flags, -1, 0) == pointer(at) ? 0 : errno;
}

bool is_whole_mapping(Operation operation) {
  return operation == Operation::munmap_whole || operation == Operation::mremap;
}

// Bytes of transparent huge pages in the mappings that `range` has a part in.
std::uint64_t huge_bytes_in(const Range& range, std::string_view smaps) {
  std::uint64_t kib = 0;
  bool inside = false;
  while (!smaps.empty()) {
    const std::string_view line = smaps.substr(0, smaps.find('\n'));
    smaps.remove_prefix(std::min(line.size() + 1, smaps.size()));
    if (const auto mapping = mapping_of(line)) {
      inside = mapping->start < range.end && range.start < mapping->end;
    } else if (const auto value = keyed_value(line, "AnonHugePages"); inside && value) {
      kib += parse_unsigned(value->substr(0, value->find(' '))).value_or(0);
    }
  }
  return kib * 1024;
}

}  // namespace

Target::Target(const TargetShape& shape)
    : shape_(shape),
      unit_(bytes_of(shape.page_size)),
      bytes_(unit_ *
             (takes_every_other_page(shape.operation) ? 2 * shape.pages - 1 : shape.pages)) {}

std::unique_ptr<Target> Target::build(const TargetShape& shape, std::string* error) {
  std::unique_ptr<Target> target(new Target(shape));
  *error = target->map();
  if (error->empty() && shape.operation == Operation::membarrier) {
    // Of a kernel without, the first operation tells.
    barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
  }
  if (error->empty() && shape.touched) {
    target->touch();
    *error = target->why_not_huge();
  }
  return error->empty() ? std::move(target) : nullptr;
}

Target::~Target() {
  if (reserved_ != 0) {
    ::munmap(pointer(reserved_), reserved_bytes_);
  }
}

// Empty, or what failed.
std::string Target::map() {
  const std::size_t place = bytes_ + 2 * unit_;
  reserved_bytes_ = (shape_.operation == Operation::mremap ? 2 : 1) * place + unit_;
  void* const reserved = mmap(nullptr, reserved_bytes_, PROT_NONE, kMapReserved, -1, 0);
  if (reserved == MAP_FAILED) {
    return fmt::format("{} pages of {}: mmap: {}", shape_.pages, name_of(shape_.page_size),
                       std::strerror(errno));
  }
  reserved_ = reinterpret_cast<Address>(reserved);
  const Address first = (reserved_ + unit_ - 1) / unit_ * unit_;
  at_ = first + unit_;
  other_ = at_ + place;
  if (takes_every_other_page(shape_.operation)) {
    for (std::size_t i = 0; i < shape_.pages; ++i) {
      ranges_.push_back({at_ + 2 * i * unit_, at_ + (2 * i + 1) * unit_});
    }
    calls_ = ranges_.size();
  }
  if (shape_.operation == Operation::dontneed_vectored) {
    vectored_ = std::make_unique<VectoredAdvice>(kAdviceDontneed);
    calls_ = 1;
    if (!vectored_->vectored()) {
      return "the kernel has no process_madvise(DONTNEED) of the own process (Linux 6.13)";
    }
  }
  if (shape_.operation == Operation::none) {
    calls_ = 0;
  }
  // The margins too, where there are some.
  const Address from = is_whole_mapping(shape_.operation) ? at_ : first;
  const std::size_t length = is_whole_mapping(shape_.operation) ? bytes_ : place;
  int failed = map_at(from, length, kReadWrite, kMapPrivate | MAP_FIXED);
  if (failed == 0) {
    failed = advise_pages({from, from + length});
  }
  return failed == 0 ? std::string()
                     : fmt::format("{} pages of {}: {}", shape_.pages, name_of(shape_.page_size),
                                   std::strerror(failed));
}

// EINVAL: the kernel has no huge pages; of small ones that is what is wanted.
int Target::advise_pages(const Range& range) const {
  const bool huge = shape_.page_size == PageSize::huge;
  const int failed = advise(range, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  return !huge && failed == EINVAL ? 0 : failed;
}

std::size_t Target::bytes_to_next_page() const {
  return takes_every_other_page(shape_.operation) ? 2 * unit_ : unit_;
}

std::vector<Address> Target::page_addresses() const {
  std::vector<Address> addresses;
  for (std::size_t at = 0; shape_.touched && at < bytes_; at += bytes_to_next_page()) {
    addresses.push_back(at_ + at);
  }
  return addresses;
}

int Target::make_ready() {
  if (ready_) {
    return 0;
  }
  int failed = operated_ ? undo() : 0;
  if (failed == 0 && shape_.touched) {
    touch();
  }
  if (failed == 0 && shape_.operation == Operation::none_to_rw) {
    failed = protect(PROT_NONE);
  }
  ready_ = failed == 0;
  return failed;
}

// Nobody else maps anything into a hole: the threads of a measurement map nothing meanwhile. If
// somebody does, it is EEXIST.
int Target::undo() {
  switch (shape_.operation) {
    case Operation::mprotect:
      return protect(kReadWrite);
    case Operation::munmap:
    case Operation::munmap_whole: {
      const int failed = map_at(at_, bytes_, kReadWrite, kMapPrivate | MAP_FIXED_NOREPLACE);
      return failed != 0 ? failed : advise_pages(pages());
    }
    case Operation::mremap:
      return map_at(other_, bytes_, PROT_NONE, kMapReserved | MAP_FIXED_NOREPLACE);
    case Operation::guard:
      return advise(pages(), kAdviceGuardRemove);
    case Operation::none:
    case Operation::noop:
    case Operation::none_to_rw:
    case Operation::membarrier:
    case Operation::mprotect_range:
    case Operation::cold_range:
    case Operation::dontneed:
    case Operation::dontneed_loop:
    case Operation::dontneed_vectored:
      break;
  }
  return 0;
}

int Target::operate() {
  ready_ = false;
  operated_ = true;
  switch (shape_.operation) {
    case Operation::none:
      return 0;
    case Operation::noop:
    case Operation::none_to_rw:
      return protect(kReadWrite);
    case Operation::membarrier:
      return barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    case Operation::mprotect_range:
      executable_ = !executable_;
      return protect(kReadWrite | (executable_ ? PROT_EXEC : 0));
    case Operation::cold_range:
      return advise(pages(), kAdviceCold);
    case Operation::mprotect:
      return protect(PROT_NONE);
    case Operation::munmap:
    case Operation::munmap_whole:
      return result_of(::munmap(pointer(at_), bytes_));
    case Operation::mremap:
      return move();
    case Operation::guard:
      return advise(pages(), kAdviceGuardInstall);
    case Operation::dontneed:
      return advise(pages(), kAdviceDontneed);
    case Operation::dontneed_loop:
      return advise_each(kAdviceDontneed);
    case Operation::dontneed_vectored: {
      std::uint64_t calls = 0;
      return (*vectored_)(ranges_, &calls);
    }
  }
  return EINVAL;
}

int Target::protect(int permissions) const {
  return result_of(::mprotect(pointer(at_), bytes_, permissions));
}

int Target::move() {
  if (::mremap(pointer(at_), bytes_, bytes_, MREMAP_MAYMOVE | MREMAP_FIXED, pointer(other_)) ==
      MAP_FAILED) {
    return errno;
  }
  std::swap(at_, other_);
  return 0;
}

int Target::advise_each(int advice) const {
  for (const Range& range : ranges_) {
    if (const int failed = advise(range, advice); failed != 0) {
      return failed;
    }
  }
  return 0;
}

void Target::touch() const {
  for (std::size_t at = 0; at < bytes_; at += bytes_to_next_page()) {
    *reinterpret_cast<volatile unsigned char*>(at_ + at) = 1;
  }
}

std::string Target::why_not_huge() const {
  if (shape_.page_size == PageSize::small || !shape_.touched) {
    return {};
  }
  const std::optional<std::string> smaps = read_kernel_file("/proc/self/smaps");
  if (!smaps) {
    return "2m: /proc/self/smaps, which tells huge pages, cannot be read";
  }
  const std::uint64_t huge = huge_bytes_in(pages(), *smaps) / unit_;
  return huge >= shape_.pages ? std::string()
                              : fmt::format(
                                    "2m: {} of {} pages became huge (none may be left, or "
                                    "/sys/kernel/mm/transparent_hugepage/enabled is never)",
                                    huge, shape_.pages);
}

std::string why_unsupported(Operation operation) {
  std::string error;
  const auto target = Target::build({operation, 1, PageSize::small, true}, &error);
  if (target == nullptr) {
    return error;
  }
  // Twice: what toggles, or cannot be undone, tells the second time.
  for (int i = 0; i < 2; ++i) {
    int failed = target->make_ready();
    failed = failed != 0 ? failed : target->operate();
    if (failed != 0) {
      return fmt::format("the kernel refuses {}: {}", call_of(operation), std::strerror(failed));
    }
  }
  return {};
}

std::string why_unsupported(PageSize size) {
  std::string error;
  Target::build({Operation::noop, 1, size, true}, &error);
  return error;
}

}  // namespace flushwalk
