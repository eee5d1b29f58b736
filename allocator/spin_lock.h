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

#include <atomic>
#include <cstdint>

namespace flushwalk {

inline void cpu_relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

// Meets BasicLockable: use with std::lock_guard.
class SpinLock {
 public:
  void lock() {
    while (held_.exchange(1, std::memory_order_acquire) != 0) [[unlikely]] {
        wait();
      }
  }
  void unlock() { held_.store(0, std::memory_order_release); }
  bool is_locked() const { return held_.load(std::memory_order_relaxed) != 0; }

 private:
  [[gnu::noinline]] void wait() const {
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

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_SPIN_LOCK_H_
