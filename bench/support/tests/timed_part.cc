#include "bench/support/tests/timed_part.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstdlib>
#include <new>

#include "allocator/tests/memory_probe.h"
#include "bench/support/clock.h"

namespace {

thread_local std::size_t allocated = 0;

}  // namespace

extern "C" {
void* __real_malloc(std::size_t size);
void* __real_calloc(std::size_t count, std::size_t size);
void* __real_realloc(void* memory, std::size_t size);
void* __real_aligned_alloc(std::size_t alignment, std::size_t size);

void* __wrap_malloc(std::size_t size) {
  ++allocated;
  return __real_malloc(size);
}
void* __wrap_calloc(std::size_t count, std::size_t size) {
  ++allocated;
  return __real_calloc(count, size);
}
void* __wrap_realloc(void* memory, std::size_t size) {
  ++allocated;
  return __real_realloc(memory, size);
}
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t size) {
  ++allocated;
  return __real_aligned_alloc(alignment, size);
}
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FLUSHWALK_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FLUSHWALK_SANITIZED 1
#endif

#if !defined(FLUSHWALK_SANITIZED)
// The C++ library's other forms (arrays, nothrow) end in these two.
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (void* const memory = std::malloc(size == 0 ? 1 : size)) {
    return memory;
  }
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  const auto align = static_cast<std::size_t>(alignment);
  if (void* const memory = std::aligned_alloc(align, (size + align - 1) / align * align)) {
    return memory;
  }
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
#endif

namespace flushwalk {
namespace {

bool allow_only(const std::vector<long>& calls) {
  std::vector<sock_filter> filter = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const long call : calls) {
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 1));
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// Leaving, and reading the clock.
std::vector<long> calls_of_all() {
  std::vector<long> calls = {SYS_exit_group};
  if (counter::kSource == ClockSource::clock_monotonic_raw) {
    calls.push_back(SYS_clock_gettime);
  }
  return calls;
}

std::vector<long> calls_of(ShootdownKind kind) {
  std::vector<long> calls = calls_of_all();
  switch (kind) {
    case ShootdownKind::none:
      break;
    case ShootdownKind::membarrier:
      calls.push_back(SYS_membarrier);
      break;
    case ShootdownKind::cold_range:
      calls.push_back(SYS_madvise);
      break;
    case ShootdownKind::guard:
    case ShootdownKind::dontneed:
      calls.push_back(advises_vectors() ? SYS_process_madvise : SYS_madvise);
      break;
    case ShootdownKind::noop:
    case ShootdownKind::mprotect_range:
    case ShootdownKind::mprotect:
      calls.push_back(SYS_mprotect);
      break;
    case ShootdownKind::munmap:
      calls.push_back(SYS_munmap);
      break;
  }
  return calls;
}

}  // namespace

std::size_t allocations() { return allocated; }

void allocate_new() { delete new volatile int(1); }
void allocate_malloc() {
  void* volatile memory = std::malloc(100);
  std::free(memory);
}
void ask_for_the_process() { syscall(SYS_getpid); }

bool allow_calls_of_only(ShootdownKind kind) { return allow_only(calls_of(kind)); }

bool allow_calls_of_only(SystemCall call) {
  std::vector<long> calls = calls_of_all();
  calls.push_back(call.number);
  return allow_only(calls);
}

}  // namespace flushwalk
