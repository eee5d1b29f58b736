// The set of queues that have something: each taken once, in order, and none lost that comes during
// the walk. What two threads do to it is in allocator_stress_test.cc.
#include "allocator/queue_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

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

}  // namespace
}  // namespace flushwalk
