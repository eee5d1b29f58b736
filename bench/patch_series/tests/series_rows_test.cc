#include "bench/patch_series/series_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace flushwalk {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Rounds of one flush with a responder, of which nothing bad can be said.
SeriesResult good_result() {
  SeriesResult result(100);
  for (Ticks i = 0; i < 100; ++i) {
    result.round.push(4000 + i);
    result.flush.push(2000 + i);
  }
  result.counts = {.operations = 1,
                   .visited = 2,
                   .block_locks = 3,
                   .dirty_blocks = 4,
                   .purged = 5,
                   .created = 6,
                   .failed_allocs = 7,
                   .flushes = 8,
                   .flushed_pages = 9};
  result.stale_slots = 10;
  result.calls = 1;
  result.expected = 100;
  result.migrations = 0;
  ResponderResult& responder = result.responders.emplace_back();
  responder.cpu = 3;
  responder.proven = 100;
  responder.stalls = {500};
  responder.tlb_interrupts = 200;
  return result;
}

class SeriesRows : public ::testing::Test {
 protected:
  std::vector<MeasurementRow> rows(SeriesResult* result) {
    return make_series_rows({group, placement, clock}, *find_revision("p3"), 4, result);
  }

  SeriesGroup group{
      find_workload("drained_block"), ShootdownKind::mprotect_range, 1, {find_revision("p3")}};
  topology::Placement placement{"compact", 2, {3}};
  // Two ticks a nanosecond.
  Clock clock{ClockDescription{.frequency_hz = 2e9}};
};

TEST_F(SeriesRows, RoundAndFlushAndAStallOfEachResponder) {
  SeriesResult result = good_result();
  const std::vector<MeasurementRow> made = rows(&result);
  ASSERT_THAT(made, SizeIs(3));
  EXPECT_EQ(made[0].role + " " + made[0].metric, "initiator round_time");
  EXPECT_EQ(made[1].role + " " + made[1].metric, "initiator flush_time");
  EXPECT_EQ(made[2].role + " " + made[2].metric, "responder stall");
  EXPECT_DOUBLE_EQ(made[0].statistics->min, 2000);
  EXPECT_DOUBLE_EQ(made[1].statistics->min, 1000);
  EXPECT_DOUBLE_EQ(made[2].statistics->p50, 250);
  EXPECT_EQ(made[2].cpu, 3U);
}

TEST_F(SeriesRows, AWorkloadThatDoesNotFlushHasNoFlushTime) {
  SeriesResult result = good_result();
  result.flush.clear();
  result.responders.clear();
  EXPECT_THAT(rows(&result), SizeIs(1));
}

TEST_F(SeriesRows, EveryRowTellsAxesWorkAndProof) {
  SeriesResult result = good_result();
  for (const MeasurementRow& row : rows(&result)) {
    EXPECT_EQ(row.bench, "patch_series_bench");
    EXPECT_EQ(row.case_name,
              "patch_series/workload:drained_block/revision:p3/shootdown:mprotect_range/"
              "responders:1");
    EXPECT_EQ(row.repetition, 4U);
    EXPECT_EQ(row.workload, "drained_block");
    EXPECT_EQ(row.revision, "p3");
    EXPECT_EQ(row.gather, "hull");
    EXPECT_EQ(row.shootdown, "mprotect_range");
    EXPECT_EQ(row.queues, 1U);
    EXPECT_EQ(row.pages, 8U);
    EXPECT_EQ(row.responders, 1U);
    EXPECT_EQ(row.placement, "compact");
    EXPECT_EQ(row.initiator_cpu, 2U);
    EXPECT_THAT(row.responder_cpus, ElementsAre(3U));
    EXPECT_EQ(row.block_slots, 128U);
    EXPECT_EQ(row.operations, 1U);
    EXPECT_EQ(row.visited_blocks, 2U);
    EXPECT_EQ(row.block_locks, 3U);
    EXPECT_EQ(row.dirty_blocks, 4U);
    EXPECT_EQ(row.purged_blocks, 5U);
    EXPECT_EQ(row.created_blocks, 6U);
    EXPECT_EQ(row.failed_allocs, 7U);
    EXPECT_EQ(row.flushes, 8U);
    EXPECT_EQ(row.flushed_pages, 9U);
    EXPECT_EQ(row.stale_slots, 10U);
    EXPECT_EQ(row.shootdown_calls, 1U);
    EXPECT_EQ(row.shootdowns_expected, 100U);
    EXPECT_EQ(row.shootdowns_proven, 100U);
    EXPECT_EQ(row.tlb_interrupts, 200U);
    EXPECT_THAT(row.invalid_reason, IsEmpty());
  }
}

TEST_F(SeriesRows, RoundsThatDidOtherWorkMakeThemInvalid) {
  SeriesResult result = good_result();
  result.unlike = 3;
  result.page_faults = 2;
  for (const MeasurementRow& row : rows(&result)) {
    EXPECT_EQ(row.invalid_reason,
              "2 page faults in the timed part; 3 of 100 rounds did other work");
  }
}

TEST_F(SeriesRows, AnUnprovenShootdownMakesThemInvalid) {
  SeriesResult result = good_result();
  result.responders[0].proven = 98;
  for (const MeasurementRow& row : rows(&result)) {
    EXPECT_EQ(row.invalid_reason, "98 of 100 shootdowns proven by gaps on CPU 3");
  }
}

TEST_F(SeriesRows, TheOutcomeHasTheTimesOfAllRounds) {
  SeriesResult result = good_result();
  const CaseOutcome outcome =
      make_series_outcome({group, placement, clock}, *find_revision("p3"), 0, &result);
  ASSERT_THAT(outcome.times_ns, SizeIs(100));
  EXPECT_DOUBLE_EQ(outcome.times_ns[1] - outcome.times_ns[0], 0.5);
}

}  // namespace
}  // namespace flushwalk
