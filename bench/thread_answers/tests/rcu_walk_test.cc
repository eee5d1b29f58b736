// The demonstration of what RCU is for shows it.
#include "bench/thread_answers/rcu_walk.h"

#include <gtest/gtest.h>

namespace flushwalk {
namespace {

TEST(RcuWalk, MeetsNothingFreedInsideOfAReadSection) {
  const RcuWalk seen = walk_beside_writer(true, 0.2);
  EXPECT_GT(seen.walks, 0U);
  EXPECT_GT(seen.erased, 0U);
  EXPECT_EQ(seen.dead, 0U);
}

TEST(RcuWalk, MeetsFreedEntriesOutsideOfOne) { EXPECT_GT(walk_beside_writer(false, 0.5).dead, 0U); }

}  // namespace
}  // namespace flushwalk
