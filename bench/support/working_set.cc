#include "bench/support/working_set.h"

#include <fmt/core.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>

namespace flushwalk {

std::unique_ptr<WorkingSet> WorkingSet::create(std::size_t pages, std::string* error) {
  constexpr std::size_t kLine = 64;
  std::unique_ptr<WorkingSet> set(new WorkingSet);
  if (pages == 0) {
    return set;
  }
  const std::size_t length = pages * kPageSize;
  void* const memory =
      mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    *error = fmt::format("a working set of {} pages: mmap: {}", pages, std::strerror(errno));
    return nullptr;
  }
  set->memory_ = memory;
  set->length_ = length;
  // EINVAL: the kernel has no huge pages.
  madvise(memory, length, MADV_NOHUGEPAGE);
  for (std::size_t page = 0; page < pages; ++page) {
    const Address byte =
        reinterpret_cast<Address>(memory) + page * kPageSize + page * kLine % kPageSize;
    *reinterpret_cast<volatile unsigned char*>(byte) = 1;
    set->bytes_.push_back(byte);
  }
  return set;
}

WorkingSet::~WorkingSet() {
  if (memory_ != nullptr) {
    munmap(memory_, length_);
  }
}

}  // namespace flushwalk
