// How long a page is deferred, in flushes, against what follows from the sequence by hand.
#include "bench/thread_answers/deferral.h"

#include <gtest/gtest.h>

namespace flushwalk {
namespace {

// X and Y fill a block; Y is freed, two flushes; X is freed, a flush.
Sequence story(const Workload& /*workload*/, const Geometry& /*geometry*/) {
  Sequence sequence;
  sequence.prepare = {{Action::new_block, 0, 64, 0, 0}, {Action::same_block, 0, 64, 1, 0}};
  sequence.timed = {{Action::free, 0, 0, 1, 0},
                    {Action::unmap_aliases},
                    {Action::unmap_aliases},
                    {Action::free, 0, 0, 0, 0},
                    {Action::unmap_aliases}};
  sequence.buffers = 2;
  return sequence;
}

Workload workload_of(Sequence (*make)(const Workload&, const Geometry&)) {
  return {"story", "", 128, 4, {0}, 0, make};
}

TEST(Deferral, IsOneFlushWithACompleteWalk) {
  const Deferrals seen = count_deferrals(workload_of(story), *find_revision("p1"));
  EXPECT_EQ(seen.freed_pages, 128U);
  ASSERT_EQ(seen.of_full_blocks.size(), 1U) << "X was the block's last: that is not deferred";
  EXPECT_EQ(seen.of_full_blocks[0].flushes, 1U);
  EXPECT_EQ(seen.of_full_blocks[0].pages, 64U);
  EXPECT_TRUE(seen.of_full_blocks[0].ended);
}

TEST(Deferral, IsUntilXIsFreedWithTheFreeListWalk) {
  const Deferrals seen = count_deferrals(workload_of(story), *find_revision("v6.4"));
  ASSERT_EQ(seen.of_full_blocks.size(), 1U);
  EXPECT_EQ(seen.of_full_blocks[0].flushes, 3U);
  EXPECT_TRUE(seen.of_full_blocks[0].ended);
}

TEST(Deferral, HasNoEndWhereXIsNeverFreed) {
  const auto cut = [](const Workload& workload, const Geometry& geometry) {
    Sequence sequence = story(workload, geometry);
    sequence.timed.resize(3);
    return sequence;
  };
  const Deferrals seen = count_deferrals(workload_of(cut), *find_revision("v6.4"));
  EXPECT_EQ(seen.freed_pages, 64U);
  ASSERT_EQ(seen.of_full_blocks.size(), 1U);
  EXPECT_EQ(seen.of_full_blocks[0].flushes, 2U);
  EXPECT_FALSE(seen.of_full_blocks[0].ended);
}

// From patch 1 on every freed page is covered by the next flush, in any load.
TEST(Deferral, NoLoadDefersAPageWithACompleteWalk) {
  for (const char* const name : {"churn", "nearly_full", "many_cpus"}) {
    for (const Deferral& one :
         count_deferrals(*find_workload(name), *find_revision("p1")).of_full_blocks) {
      EXPECT_LE(one.flushes, 1U) << name;
    }
  }
}

}  // namespace
}  // namespace flushwalk
