#include "bench/flush_range/by_hand.h"

#include <fmt/core.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "allocator/vectored_advice.h"

namespace flushwalk {
namespace {

template <class Call>
int for_each(std::span<const Range> ranges, Call&& call) {
  for (const Range& range : ranges) {
    if (call(reinterpret_cast<void*>(range.start), range.end - range.start) != 0) {
      return errno;
    }
  }
  return 0;
}

int protect_each(std::span<const Range> ranges, int protection) {
  return for_each(ranges,
                  [=](void* at, std::size_t bytes) { return mprotect(at, bytes, protection); });
}

int barrier(int command) { return syscall(SYS_membarrier, command, 0, 0) == 0 ? 0 : errno; }

}  // namespace

std::string why_not_by_hand(ShootdownKind kind) {
  if (kind == ShootdownKind::none) {
    return "none makes no call: there is nothing to do by hand";
  }
  if (kind == ShootdownKind::guard || kind == ShootdownKind::dontneed) {
    return fmt::format("{} has one call for many ranges where the kernel has it: by_hand is a loop",
                       name_of(kind));
  }
  return {};
}

ByHand::ByHand(ShootdownKind kind, const Arena& arena) : kind_(kind), arena_(arena) {
  if (kind == ShootdownKind::membarrier) {
    barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);  // a failure shows in each flush
  }
}

int ByHand::flush(std::span<const Range> ranges) {
  switch (kind_) {
    case ShootdownKind::noop:
      return protect_each(ranges, PROT_READ | PROT_WRITE);
    case ShootdownKind::membarrier:
      return barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    case ShootdownKind::mprotect_range:
      executable_ = !executable_;
      return protect_each(ranges, PROT_READ | PROT_WRITE | (executable_ ? PROT_EXEC : 0));
    case ShootdownKind::cold_range:
      return for_each(ranges,
                      [](void* at, std::size_t bytes) { return madvise(at, bytes, kAdviceCold); });
    case ShootdownKind::mprotect:
      revoked_ = true;
      return protect_each(ranges, PROT_NONE);
    case ShootdownKind::munmap:
      revoked_ = true;
      return for_each(ranges, [](void* at, std::size_t bytes) { return munmap(at, bytes); });
    case ShootdownKind::none:
    case ShootdownKind::guard:
    case ShootdownKind::dontneed:
      break;
  }
  return EINVAL;
}

int ByHand::restore(std::span<const Range> ranges) {
  if (!revoked_) {
    return 0;
  }
  int error = 0;
  if (kind_ == ShootdownKind::mprotect) {
    error = protect_each(ranges, PROT_READ | PROT_WRITE);
  } else {
    for (std::size_t i = 0; error == 0 && i < ranges.size(); ++i) {
      error = arena_.map_again(ranges[i]);
    }
  }
  revoked_ = error != 0;
  return error;
}

int ByHand::settle(std::span<const Range> ranges) { return executable_ ? flush(ranges) : 0; }

}  // namespace flushwalk
