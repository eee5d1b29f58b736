#include "allocator/arena.h"

#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace flushwalk {
namespace {

#if defined(__SANITIZE_THREAD__)
#define FLUSHWALK_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FLUSHWALK_TSAN 1
#endif
#endif

#if defined(FLUSHWALK_TSAN)
// ThreadSanitizer takes what is between for itself: low memory ends at 512 GiB.
constexpr Address kLowestBase = Address{1} << 36;
constexpr Address kHighestBase = Address{7} << 36;
constexpr Address kBaseStep = Address{1} << 35;
constexpr Address kEnd = Address{1} << 39;
#else
constexpr Address kLowestBase = Address{1} << 44;  // 16 TiB
constexpr Address kHighestBase = Address{1} << 46;
constexpr Address kBaseStep = Address{1} << 43;
// Above lies the program, from two thirds of 128 TiB on.
constexpr Address kEnd = Address{80} << 40;
#endif

// fd: -1 for anonymous memory.
void* try_map(int fd, Address at, std::uint64_t bytes, std::uint64_t offset) {
  const int memory = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
  return mmap(reinterpret_cast<void*>(at), bytes, PROT_READ | PROT_WRITE,
              memory | MAP_NORESERVE | MAP_FIXED_NOREPLACE, fd, static_cast<off_t>(offset));
}

// Maps the memory at the first base from *hint on that is free; 0 with errno on failure.
Address map_low(int fd, std::uint64_t bytes, Address hint) {
  for (Address base = hint; base <= kHighestBase; base += kBaseStep) {
    void* const mapped = try_map(fd, base, bytes, 0);
    if (mapped == reinterpret_cast<void*>(base)) {
      return base;
    }
    if (mapped != MAP_FAILED) {
      // A kernel before 4.17 takes the flag for a hint and maps elsewhere.
      munmap(mapped, bytes);
      errno = EEXIST;
    } else if (errno != EEXIST) {
      return 0;
    }
  }
  return 0;
}

// ftruncate beyond RLIMIT_FSIZE raises SIGXFSZ, which kills: so ask before.
bool file_size_allowed(std::uint64_t bytes) {
  rlimit limit{};
  return getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
         bytes <= limit.rlim_cur;
}

}  // namespace

// Each mapping begins at the lowest base behind the one before.
std::uint64_t Arena::most_bytes(unsigned arenas, Memory memory) {
  const std::uint64_t mappings = std::uint64_t{arenas} * (memory == Memory::shared ? 2 : 1);
  std::uint64_t steps = (kEnd - kLowestBase) / kBaseStep / mappings;
  if (mappings > 1) {
    steps = std::min(steps, (kHighestBase - kLowestBase) / kBaseStep / (mappings - 1));
  }
  return steps * kBaseStep;
}

std::unique_ptr<Arena> Arena::create(std::uint64_t bytes, std::uint64_t align, std::string* error,
                                     Memory memory) {
  const auto fail = [&](const char* what, int fd) -> std::unique_ptr<Arena> {
    *error = fmt::format("arena of {} MiB: {}: {}", bytes >> 20, what, std::strerror(errno));
    if (fd >= 0) {
      close(fd);
    }
    return nullptr;
  };
  if (align > kBaseStep) {
    errno = EINVAL;
    return fail("alignment", -1);
  }
  int fd = -1;
  if (memory == Memory::shared) {
    if (!file_size_allowed(bytes)) {
      errno = EFBIG;
      return fail("RLIMIT_FSIZE (ulimit -f)", -1);
    }
    fd = memfd_create("flushwalk", MFD_CLOEXEC);
    if (fd < 0) {
      return fail("memfd_create", -1);
    }
    if (ftruncate(fd, static_cast<off_t>(bytes)) != 0) {
      return fail("ftruncate", fd);
    }
  }
  const Address base = map_low(fd, bytes, kLowestBase);
  if (base == 0) {
    return fail("mmap", fd);
  }
  if (memory == Memory::anonymous) {
    // A touched page is to be one page, as it is in a memfd. EINVAL: the kernel has no huge ones.
    madvise(reinterpret_cast<void*>(base), bytes, MADV_NOHUGEPAGE);
    return std::unique_ptr<Arena>(new Arena(-1, base, 0, bytes));
  }
  const Address owner_base = map_low(fd, bytes, base + kBaseStep);
  if (owner_base == 0) {
    const int saved = errno;
    munmap(reinterpret_cast<void*>(base), bytes);
    errno = saved;
    return fail("mmap of the next owner's view", fd);
  }
  return std::unique_ptr<Arena>(new Arena(fd, base, owner_base, bytes));
}

Arena::~Arena() {
  munmap(reinterpret_cast<void*>(base_), bytes_);
  if (memory() == Memory::shared) {
    munmap(reinterpret_cast<void*>(owner_base_), bytes_);
    close(fd_);
  }
}

int Arena::map_again(const Range& range) const {
  void* const wanted = reinterpret_cast<void*>(range.start);
  void* const mapped = try_map(fd_, range.start, range.end - range.start, range.start - base_);
  if (mapped == MAP_FAILED) {
    return errno;
  }
  if (mapped != wanted) {
    munmap(mapped, range.end - range.start);
    return EEXIST;
  }
  return 0;
}

}  // namespace flushwalk
