// What each patch changes in each workload, in counts. The expected numbers are worked out from the
// workloads' shapes, not recorded.
#include "bench/patch_series/round.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace flushwalk {
namespace {

using ::testing::IsEmpty;

constexpr Address kBase = 0xffffc90000000000;
constexpr std::uint64_t kBlocks = 256;

const Workload& workload_of(const std::string& name) {
  const Workload* const workload = find_workload(name);
  EXPECT_NE(workload, nullptr) << name;
  return *workload;
}

Survey survey_of(const std::string& name, std::string_view revision) {
  const Workload& workload = workload_of(name);
  const Sequence sequence = workload.make(workload, Geometry(kBase, workload.block_slots));
  std::string error;
  Survey found = survey(workload, sequence, *find_revision(revision), kBase, &error);
  EXPECT_THAT(error, IsEmpty());
  return found;
}

bool same(const Survey& one, const Survey& other) {
  return one.counts == other.counts && one.stale_slots == other.stale_slots &&
         one.ranges == other.ranges;
}

// Every step of the history whose patch changes something in a workload.
TEST(PatchSeries, EachSmallWorkloadChangesWithItsPatchesAlone) {
  const std::map<std::string, std::set<std::string_view>> changes = {
      {"full_blocks", {"p1"}},
      // A second walk is what p2 does away with, wherever there is something on the lists.
      {"purgeable_blocks", {"p2"}},
      {"second_flush", {"p2", "p3"}},
      {"crowded_list", {"p4"}},
      {"drained_block", {"p2", "p6"}},
      {"sparse_cpus", {"p1", "v6.12"}},
  };
  for (const auto& [name, patches] : changes) {
    for (std::size_t i = 1; i < revisions().size(); ++i) {
      const std::string_view before = revisions()[i - 1].name;
      const std::string_view after = revisions()[i].name;
      EXPECT_EQ(same(survey_of(name, before), survey_of(name, after)), !patches.contains(after))
          << name << " from " << before << " to " << after;
    }
  }
}

TEST(PatchSeries, PatchOneFindsFullBlocks) {
  const Survey before = survey_of("full_blocks", "v6.4");
  EXPECT_EQ(before.counts.visited, 0U);
  EXPECT_EQ(before.counts.flushes, 0U);
  EXPECT_EQ(before.stale_slots, 64 * kBlocks);
  const Survey after = survey_of("full_blocks", "p1");
  EXPECT_EQ(after.counts.visited, kBlocks);
  EXPECT_EQ(after.counts.block_locks, kBlocks);
  EXPECT_EQ(after.counts.dirty_blocks, kBlocks);
  EXPECT_EQ(after.counts.flushes, 1U);
  // From slot 64 of the first block to the end of the last.
  EXPECT_EQ(after.counts.flushed_pages, 128 * kBlocks - 64);
  EXPECT_EQ(after.stale_slots, 0U);
}

TEST(PatchSeries, PatchTwoWalksOnceAndFlushesTheSame) {
  const Survey before = survey_of("purgeable_blocks", "p1");
  const Survey after = survey_of("purgeable_blocks", "p2");
  EXPECT_EQ(before.counts.visited, 2 * kBlocks);
  EXPECT_EQ(after.counts.visited, kBlocks);
  EXPECT_EQ(before.counts.block_locks, kBlocks + kBlocks / 8);
  EXPECT_EQ(after.counts.block_locks, kBlocks);
  // A purged block's range is not collected any more: its area is flushed.
  EXPECT_EQ(before.counts.dirty_blocks, kBlocks);
  EXPECT_EQ(after.counts.dirty_blocks, kBlocks - kBlocks / 8);
  for (const Survey* const found : {&before, &after}) {
    EXPECT_EQ(found->counts.purged, kBlocks / 8);
    EXPECT_EQ(found->counts.flushes, 1U);
    EXPECT_EQ(found->stale_slots, 0U);
  }
  EXPECT_EQ(before.ranges, after.ranges);
}

TEST(PatchSeries, PatchThreeFlushesOnce) {
  const Survey before = survey_of("second_flush", "p2");
  EXPECT_EQ(before.counts.dirty_blocks, kBlocks);
  EXPECT_EQ(before.counts.flushes, 1U);
  EXPECT_EQ(before.counts.flushed_pages, 128 * kBlocks - 96);
  const Survey after = survey_of("second_flush", "p3");
  EXPECT_EQ(after.counts.visited, kBlocks);
  EXPECT_EQ(after.counts.dirty_blocks, 0U);
  EXPECT_EQ(after.counts.flushes, 0U);
  EXPECT_EQ(after.counts.flushed_pages, 0U);
  EXPECT_EQ(after.stale_slots, 0U);
}

TEST(PatchSeries, PatchFourTakesNoLockOfABlockThatIsSkipped) {
  const Survey before = survey_of("crowded_list", "p3");
  EXPECT_EQ(before.counts.visited, 32 * 64U);
  EXPECT_EQ(before.counts.block_locks, 32 * 64U);
  EXPECT_EQ(before.counts.created, 0U);
  EXPECT_EQ(before.counts.failed_allocs, 0U);
  const Survey after = survey_of("crowded_list", "p4");
  EXPECT_EQ(after.counts.visited, 32 * 64U);
  EXPECT_EQ(after.counts.block_locks, 32U);
}

TEST(PatchSeries, PatchFiveChangesNothingAnywhere) {
  for (const Workload& workload : workloads()) {
    const std::string name(workload.name);
    EXPECT_TRUE(same(survey_of(name, "p4"), survey_of(name, "p5"))) << name;
  }
}

TEST(PatchSeries, PatchSixKeepsADrainedBlock) {
  const Survey before = survey_of("drained_block", "p5");
  EXPECT_EQ(before.counts.purged, 12U);
  EXPECT_EQ(before.counts.created, 12U);
  EXPECT_EQ(before.counts.flushed_pages, 12U * 128);
  const Survey after = survey_of("drained_block", "p6");
  EXPECT_EQ(after.counts.purged, 0U);
  EXPECT_EQ(after.counts.created, 1U);
  EXPECT_EQ(after.counts.flushed_pages, 12U * 8);
  EXPECT_EQ(before.counts.flushes, 12U);
  EXPECT_EQ(after.counts.flushes, 12U);
}

TEST(PatchSeries, LaterFixesFindTheBlocksOfACpuThatIsNotPossible) {
  const Survey first = survey_of("sparse_cpus", "v6.4");
  EXPECT_GT(first.stale_slots, 0U);
  const Survey before = survey_of("sparse_cpus", "p6");
  // Of a third of the upper half of the blocks, each with 64 pages freed.
  EXPECT_GE(before.stale_slots, 64 * (kBlocks / 6));
  EXPECT_LE(before.stale_slots, 64 * (kBlocks / 6 + 1));
  EXPECT_LT(before.counts.visited, kBlocks);
  const Survey after = survey_of("sparse_cpus", "v6.12");
  EXPECT_EQ(after.counts.visited, kBlocks);
  EXPECT_EQ(after.stale_slots, 0U);
}

TEST(Mixed, OnlyTheFirstRevisionLeavesAnythingStale) {
  for (const std::string name : {"churn", "nearly_full", "many_cpus"}) {
    for (const Behaviors& revision : revisions().subspan(1)) {
      EXPECT_EQ(survey_of(name, revision.name).stale_slots, 0U) << name << revision.name;
    }
  }
  EXPECT_GT(survey_of("churn", "v6.4").stale_slots, 0U);
}

TEST(Mixed, EachDoesWhatItIsFor) {
  for (const Behaviors& revision : revisions()) {
    const RoundCounts full = survey_of("nearly_full", revision.name).counts;
    EXPECT_GT(full.failed_allocs, 0U) << revision.name;
    EXPECT_GT(full.purged, 0U) << revision.name;
    EXPECT_EQ(survey_of("churn", revision.name).counts.failed_allocs, 0U) << revision.name;
    EXPECT_EQ(survey_of("many_cpus", revision.name).counts.failed_allocs, 0U) << revision.name;
  }
  EXPECT_GT(survey_of("churn", "p2").counts.flushed_pages,
            survey_of("churn", "p3").counts.flushed_pages);
  EXPECT_GT(survey_of("churn", "p3").counts.block_locks,
            survey_of("churn", "p4").counts.block_locks);
  EXPECT_GT(survey_of("many_cpus", "p5").counts.purged, survey_of("many_cpus", "p6").counts.purged);
}

TEST(Rounds, EachIsAsTheFirst) {
  const Clock clock{ClockDescription{}};
  for (const Workload& workload : workloads()) {
    const Sequence sequence = workload.make(workload, Geometry(kBase, workload.block_slots));
    for (const Behaviors& revision : revisions()) {
      const Survey expected = survey_of(std::string(workload.name), revision.name);
      Rounds rounds(workload, sequence, revision, kBase, nullptr, nullptr);
      for (int i = 0; i < 3; ++i) {
        RoundCounts counts;
        ASSERT_TRUE(rounds.prepare());
        const RoundTimes times = rounds.run(clock, nullptr, &counts);
        EXPECT_TRUE(counts == expected.counts) << workload.name << " " << revision.name;
        EXPECT_EQ(times.flush != 0, has_flushes(sequence)) << workload.name;
        EXPECT_LE(times.flush, times.round);
        EXPECT_EQ(rounds.allocator().broken_invariant(), "");
        rounds.finish();
        EXPECT_THAT(rounds.allocator().state().blocks, IsEmpty());
      }
    }
  }
}

// A backend that counts, and settles at leisure.
class Counting : public Shootdown {
 public:
  int flush(std::span<const Range> ranges) override {
    calls_ += ranges.size();
    return failure;
  }
  int map(const Range& /*range*/) override { return 0; }
  int settle() override {
    ++settled;
    return 0;
  }

  int failure = 0;
  unsigned settled = 0;
};

TEST(RoundShootdowns, AreRealInTheTimedPartOnly) {
  const Clock clock{ClockDescription{}};
  const Workload& workload = workload_of("second_flush");
  const Sequence sequence = workload.make(workload, Geometry(kBase, workload.block_slots));
  Counting backend;
  RoundShootdown shootdown(clock, backend);
  Rounds rounds(workload, sequence, *find_revision("p2"), kBase, &shootdown, nullptr);
  std::vector<ShootdownWindow> windows;
  windows.reserve(4);
  RoundCounts counts;
  ASSERT_TRUE(rounds.prepare());
  EXPECT_EQ(backend.calls(), 0U);
  shootdown.arm(&windows);
  rounds.run(clock, &shootdown, &counts);
  shootdown.disarm();
  rounds.finish();
  EXPECT_EQ(backend.calls(), 1U);
  EXPECT_EQ(backend.settled, 1U);
  ASSERT_EQ(windows.size(), 1U);
  EXPECT_LE(windows[0].begin, windows[0].end);
  EXPECT_EQ(windows[0].calls, 1U);
  EXPECT_EQ(rounds.system_errno(), 0);
}

TEST(RoundShootdowns, AFailureIsTold) {
  const Clock clock{ClockDescription{}};
  const Workload& workload = workload_of("full_blocks");
  const Sequence sequence = workload.make(workload, Geometry(kBase, workload.block_slots));
  Counting backend;
  backend.failure = 12;
  RoundShootdown shootdown(clock, backend);
  Rounds rounds(workload, sequence, *find_revision("p1"), kBase, &shootdown, nullptr);
  std::vector<ShootdownWindow> windows;
  windows.reserve(4);
  RoundCounts counts;
  ASSERT_TRUE(rounds.prepare());
  shootdown.arm(&windows);
  rounds.run(clock, &shootdown, &counts);
  shootdown.disarm();
  EXPECT_EQ(rounds.system_errno(), 12);
  rounds.finish();
}

}  // namespace
}  // namespace flushwalk
