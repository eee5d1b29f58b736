#include "bench/flush_range/range_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace flushwalk {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// A hundred flushes with a responder, of which nothing bad can be said.
RangeResult good_result() {
  RangeResult result(100);
  for (Ticks i = 0; i < 100; ++i) {
    result.shootdown.push(4000 + i);
    result.read.push(600 + i);
    result.again.push(200 + i);
  }
  result.calls = 3;
  result.ranges = 3;
  result.flushed_pages = 24;
  result.hull_pages = 2072;
  result.blocks = 3;
  result.expected = 300;
  result.migrations = 0;
  ResponderResult& responder = result.responders.emplace_back();
  responder.cpu = 3;
  responder.proven = 299;
  responder.exact = 98;
  responder.stalls = {500};
  responder.first_rounds = {80, 90};
  responder.second_rounds = {40, 50};
  responder.tlb_interrupts = 300;
  return result;
}

class RangeRows : public ::testing::Test {
 protected:
  std::vector<MeasurementRow> rows(RangeResult* result) {
    return make_range_rows({group, placement, clock}, group.rivals[0], 4, result);
  }
  std::vector<std::string> metrics(RangeResult result) {
    std::vector<std::string> names;
    for (const MeasurementRow& row : rows(&result)) {
      names.push_back(row.role + " " + row.metric);
    }
    return names;
  }

  RangeGroup group{
      {3, 8, 1024}, ShootdownKind::mprotect_range, 64, 1, {{Gather::runs, Code::suite}}};
  topology::Placement placement{"compact", 2, {3}};
  // Two ticks a nanosecond.
  Clock clock{ClockDescription{.frequency_hz = 2e9}};
};

TEST_F(RangeRows, TheFlushAndTheWorkingSetOfInitiatorAndResponder) {
  RangeResult result = good_result();
  EXPECT_THAT(metrics(result), ElementsAre("initiator shootdown_time", "initiator read_time",
                                           "initiator reread_time", "responder stall",
                                           "responder read_time", "responder reread_time"));
  const std::vector<MeasurementRow> made = rows(&result);
  EXPECT_DOUBLE_EQ(made[0].statistics->min, 2000);
  EXPECT_DOUBLE_EQ(made[1].statistics->min, 300);
  EXPECT_DOUBLE_EQ(made[2].statistics->min, 100);
  EXPECT_DOUBLE_EQ(made[3].statistics->p50, 250);
  EXPECT_DOUBLE_EQ(made[4].statistics->max, 45);
  EXPECT_DOUBLE_EQ(made[5].statistics->max, 25);
  EXPECT_EQ(made[5].cpu, 3U);
}

TEST_F(RangeRows, WithoutAWorkingSetNothingIsRead) {
  group.working_set = 0;
  RangeResult result = good_result();
  result.read.clear();
  result.again.clear();
  EXPECT_THAT(metrics(result), ElementsAre("initiator shootdown_time", "responder stall"));
}

// A call that interrupts nobody has no gap that a round could follow.
TEST_F(RangeRows, AResponderThatNothingShouldInterruptHasNoReadingRows) {
  group.shootdown = ShootdownKind::noop;
  RangeResult result = good_result();
  result.expected = 0;
  EXPECT_THAT(metrics(result), ElementsAre("initiator shootdown_time", "initiator read_time",
                                           "initiator reread_time", "responder stall"));
  EXPECT_EQ(rows(&result)[0].exact_flushes, std::nullopt);
}

TEST_F(RangeRows, EveryRowTellsAxesWorkAndProof) {
  RangeResult result = good_result();
  for (const MeasurementRow& row : rows(&result)) {
    EXPECT_EQ(row.bench, "flush_range_bench");
    EXPECT_EQ(row.case_name, case_name(group, group.rivals[0]));
    EXPECT_EQ(row.repetition, 4U);
    EXPECT_EQ(row.gather, "runs");
    EXPECT_EQ(row.shootdown, "mprotect_range");
    EXPECT_EQ(row.code, "suite");
    EXPECT_EQ(row.ranges, 3U);
    EXPECT_EQ(row.pages, 8U);
    EXPECT_EQ(row.gap_pages, 1024U);
    EXPECT_EQ(row.working_set_pages, 64U);
    EXPECT_EQ(row.responders, 1U);
    EXPECT_EQ(row.flushed_pages, 24U);
    EXPECT_EQ(row.flush_ranges, 3U);
    EXPECT_EQ(row.hull_pages, 2072U);
    EXPECT_EQ(row.shootdown_calls, 3U);
    EXPECT_EQ(row.dirty_blocks, 3U);
    EXPECT_EQ(row.exact_flushes, 98U);
    EXPECT_EQ(row.shootdowns_expected, 300U);
    EXPECT_EQ(row.shootdowns_proven, 299U);
    EXPECT_TRUE(row.valid()) << row.invalid_reason;
    EXPECT_EQ(row.walk, "");
  }
}

TEST_F(RangeRows, WhatCannotBeProvenIsInvalid) {
  RangeResult result = good_result();
  result.responders[0].proven = 296;
  for (const MeasurementRow& row : rows(&result)) {
    EXPECT_THAT(row.invalid_reason, HasSubstr("296 of 300 shootdowns proven"));
  }
}

}  // namespace
}  // namespace flushwalk
