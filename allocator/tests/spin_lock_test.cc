#include "allocator/spin_lock.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace flushwalk {
namespace {

TEST(SpinLock, ExcludesOthers) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 20000;
  SpinLock lock;
  int counter = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        lock.lock();
        ++counter;
        lock.unlock();
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(counter, kThreads * kRounds);
  EXPECT_FALSE(lock.is_locked());
}

// A clock that a waiter reads twice: as it begins to wait, and when it has the lock.
std::atomic<std::uint64_t> readings{0};

std::uint64_t read_clock() { return 100 * ++readings; }

TEST(SpinLock, AThreadThatAsksIsToldWhereAndHowLongItWaited) {
  readings = 0;
  SpinLockOf<LockKind::queue> lock;
  lock.lock();
  LockWaits waited;
  std::thread waiter([&] {
    lock_waits.now = read_clock;
    const std::lock_guard guard(lock);
    waited = lock_waits;
  });
  while (readings == 0) {
    std::this_thread::yield();
  }
  lock.unlock();
  waiter.join();
  for (std::size_t kind = 0; kind < kLockKinds; ++kind) {
    const bool queue = static_cast<LockKind>(kind) == LockKind::queue;
    EXPECT_EQ(waited.of[kind].count, queue ? 1U : 0U) << name_of(static_cast<LockKind>(kind));
    EXPECT_EQ(waited.of[kind].ticks, queue ? 100U : 0U);
  }
}

TEST(SpinLock, AFreeLockIsNoWait) {
  readings = 0;
  std::thread([] {
    lock_waits.now = read_clock;
    SpinLockOf<LockKind::block> lock;
    for (int i = 0; i < 3; ++i) {
      const std::lock_guard guard(lock);
    }
    EXPECT_EQ(lock_waits[LockKind::block].count, 0U);
  }).join();
  EXPECT_EQ(readings, 0U);
}

TEST(LockKind, EachHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (std::size_t kind = 0; kind < kLockKinds; ++kind) {
    names.insert(name_of(static_cast<LockKind>(kind)));
  }
  EXPECT_EQ(names.size(), kLockKinds);
}

}  // namespace
}  // namespace flushwalk
