// The suite's spinlock: what block and queue locks are made of. It is part of what is measured, so
// it is small: uncontended, one atomic exchange to take it and one store to drop it, as the
// kernel's on x86.
//
// The exchange is acquire and pairs with the release store in unlock(). A waiter only reads, so
// that the line stays shared until it is dropped, and yields the CPU after a while: in userspace
// the holder may be preempted, which the kernel's spinlocks forbid. Timed threads have a CPU each
// and do not come to that.
#ifndef FLUSHWALK_ALLOCATOR_SPIN_LOCK_H_
#define FLUSHWALK_ALLOCATOR_SPIN_LOCK_H_

#include <sched.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace flushwalk {

inline void cpu_relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

// What a lock guards, for those who ask where a thread has waited.
enum class LockKind : std::uint8_t { block, queue, xarray, memory, address_space, other };
inline constexpr std::size_t kLockKinds = 6;

// "block", "queue", ...
std::string_view name_of(LockKind kind);

// How often and how long a thread found locks taken. A thread that wants to know sets `now`, a
// clock that needs no lock; only a waiter looks here, so an uncontended lock costs the same.
struct LockWaits {
  struct Waits {
    std::uint64_t count = 0;
    std::uint64_t ticks = 0;  // of `now`
  };

  std::uint64_t (*now)() = nullptr;
  std::array<Waits, kLockKinds> of{};

  Waits& operator[](LockKind kind) { return of[static_cast<std::size_t>(kind)]; }
};
inline thread_local constinit LockWaits lock_waits{};

// Meets BasicLockable: use with std::lock_guard.
template <LockKind kind>
class SpinLockOf {
 public:
  void lock() {
    if (held_.exchange(1, std::memory_order_acquire) != 0) [[unlikely]] {
      lock_after_waiting();
    }
  }
  void unlock() { held_.store(0, std::memory_order_release); }
  bool is_locked() const { return held_.load(std::memory_order_relaxed) != 0; }

 private:
  [[gnu::noinline]] void lock_after_waiting() {
    const auto now = lock_waits.now;
    const std::uint64_t begin = now == nullptr ? 0 : now();
    do {
      wait();
    } while (held_.exchange(1, std::memory_order_acquire) != 0);
    if (now != nullptr) {
      LockWaits::Waits& waits = lock_waits[kind];
      ++waits.count;
      waits.ticks += now() - begin;
    }
  }

  void wait() const {
    constexpr unsigned kSpinsBeforeYield = 1000;
    unsigned spins = 0;
    while (held_.load(std::memory_order_relaxed) != 0) {
      if (++spins < kSpinsBeforeYield) {
        cpu_relax();
      } else {
        sched_yield();
      }
    }
  }

  std::atomic<std::uint32_t> held_{0};
};

using SpinLock = SpinLockOf<LockKind::other>;

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_SPIN_LOCK_H_
