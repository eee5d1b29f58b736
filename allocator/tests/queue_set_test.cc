// The set of queues that have something: each taken once, in order, and none lost that comes during
// the walk, or from another thread at any moment.
#include "allocator/queue_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "allocator/spin_lock.h"

namespace flushwalk {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<unsigned> taken_from(QueueSet* set) {
  std::vector<unsigned> taken;
  set->take_each([&](unsigned queue) { taken.push_back(queue); });
  return taken;
}

TEST(QueueSet, GivesEachThatWasAddedOnceInOrder) {
  const unsigned all[] = {0, 1, 63, 64, 129};
  QueueSet set(130, all);
  EXPECT_THAT(taken_from(&set), IsEmpty());
  for (const unsigned queue : {129U, 63U, 64U, 0U, 63U}) {
    set.add(queue);
    EXPECT_TRUE(set.has(queue));
  }
  EXPECT_FALSE(set.has(1));
  EXPECT_THAT(taken_from(&set), ElementsAre(0, 63, 64, 129));
  EXPECT_THAT(taken_from(&set), IsEmpty());
}

TEST(QueueSet, WhatIsAddedWhileItIsTakenIsThereTheNextTime) {
  const unsigned all[] = {0, 1, 2};
  QueueSet set(3, all);
  set.add(1);
  std::vector<unsigned> taken;
  set.take_each([&](unsigned queue) {
    EXPECT_FALSE(set.has(queue)) << "cleared before it is taken";
    taken.push_back(queue);
    for (const unsigned again : all) {
      set.add(again);
    }
  });
  EXPECT_THAT(taken, ElementsAre(1));
  EXPECT_THAT(taken_from(&set), ElementsAre(0, 1, 2));
}

TEST(QueueSet, LeavesOutWhatIsNotWalked) {
  const unsigned possible[] = {0, 3};
  QueueSet set(4, possible);
  set.add(2);
  set.add(3);
  EXPECT_THAT(taken_from(&set), ElementsAre(3));
}

// One puts things into queues, one takes them: at the end none is left in a queue that is not
// named.
TEST(QueueSet, NothingIsLeftInAQueueThatItDoesNotName) {
  constexpr int kPuts = 200'000;
  struct Queue {
    SpinLock lock;
    int things = 0;
  };
  const unsigned all[] = {0, 1};
  QueueSet set(2, all);
  std::array<Queue, 2> queues;
  int taken = 0;
  const auto take = [&](unsigned number) {
    const std::lock_guard guard(queues[number].lock);
    taken += std::exchange(queues[number].things, 0);
  };
  std::atomic<bool> over{false};
  std::thread putter([&] {
    for (int i = 0; i < kPuts; ++i) {
      const unsigned number = static_cast<unsigned>(i) % 2;
      {
        const std::lock_guard guard(queues[number].lock);
        ++queues[number].things;
      }
      set.add(number);
    }
    over.store(true);
  });
  while (!over.load()) {
    set.take_each(take);
  }
  putter.join();
  set.take_each(take);
  EXPECT_EQ(taken, kPuts);
}

}  // namespace
}  // namespace flushwalk
