#include "bench/flush_walk/walk_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace flushwalk {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A walk's flushes with two responders, of which nothing bad can be said: 200 flushes of one call.
WalkResult good_result() {
  WalkResult result(200);
  for (Ticks i = 0; i < 200; ++i) {
    result.walk.push(1000 + i);
    result.shootdown.push(20'000 + 10 * i);
    result.flush.push(21'000 + 11 * i);
  }
  result.report.visited = 64;
  result.report.block_locks = 65;
  result.report.dirty_blocks = 6;
  result.ranges = 3;
  result.hull_pages = 70'000;
  result.calls = 1;
  result.stale_slots = 12;
  result.expected = 400;
  result.migrations = 0;
  for (const int cpu : {4, 6}) {
    ResponderResult& responder = result.responders.emplace_back();
    responder.cpu = cpu;
    responder.proven = 200;
    responder.stalls = {9000, 7000, 8000};
    responder.tlb_interrupts = 200;
  }
  return result;
}

TEST(WhyInvalid, NothingIsWrongWithAGoodResult) {
  EXPECT_THAT(why_invalid(good_result(), true), IsEmpty());
}

TEST(WhyInvalid, TheInitiatorWasDisturbed) {
  WalkResult switched = good_result();
  switched.context_switches = 1;
  EXPECT_EQ(why_invalid(switched, true), "1 context switch in the timed part");
  WalkResult migrated = good_result();
  migrated.migrations = 2;
  EXPECT_EQ(why_invalid(migrated, true), "2 migrations in the timed part");
  WalkResult faulted = good_result();
  faulted.page_faults = 3;
  EXPECT_EQ(why_invalid(faulted, true), "3 page faults in the timed part");
}

TEST(WhyInvalid, AResponderThatMovedWasNotWhereTheRowSays) {
  WalkResult result = good_result();
  result.responders[0].counts.migrations = 4;
  EXPECT_THAT(why_invalid(result, true),
              ::testing::HasSubstr("4 migrations of the responder of CPU "));
}

TEST(WhyInvalid, WhatDisturbsTheInitiatorCountsWithoutInterruptsToo) {
  for (const bool interrupts : {false, true}) {
    WalkResult result(1);
    result.context_switches = 5;
    result.migrations = 6;
    result.page_faults = 7;
    EXPECT_EQ(why_invalid(result, interrupts),
              "5 context switches in the timed part; 6 migrations in the timed part; 7 page faults "
              "in the timed part");
  }
}

TEST(WhyInvalid, AKernelThatDoesNotTellMigrationsIsNotHeldAgainstTheRow) {
  WalkResult result = good_result();
  result.migrations.reset();
  EXPECT_THAT(why_invalid(result, true), IsEmpty());
}

// 99 % of 200 is 198.
TEST(WhyInvalid, NinetyNinePercentOfEachRespondersShootdownsMustBeProven) {
  WalkResult result = good_result();
  result.responders[0].proven = 198;
  result.responders[1].proven = 198;
  EXPECT_THAT(why_invalid(result, true), IsEmpty());
  result.responders[1].proven = 197;
  EXPECT_EQ(why_invalid(result, true), "197 of 200 shootdowns proven by gaps on CPU 6");
  result.responders[0].proven = 0;
  EXPECT_EQ(why_invalid(result, true),
            "0 of 200 shootdowns proven by gaps on CPU 4; "
            "197 of 200 shootdowns proven by gaps on CPU 6");
}

// 99 % of 150 is 148.5.
TEST(WhyInvalid, TheShareIsNotRounded) {
  WalkResult result = good_result();
  result.expected = 300;
  for (ResponderResult& responder : result.responders) {
    responder.proven = 149;
  }
  EXPECT_THAT(why_invalid(result, true), IsEmpty());
  result.responders[0].proven = 148;
  EXPECT_EQ(why_invalid(result, true), "148 of 150 shootdowns proven by gaps on CPU 4");
}

TEST(WhyInvalid, OneRespondersSurplusDoesNotHideTheOthersLack) {
  WalkResult result = good_result();
  result.responders[0].proven = 300;
  result.responders[1].proven = 100;
  EXPECT_EQ(why_invalid(result, true), "100 of 200 shootdowns proven by gaps on CPU 6");
}

TEST(WhyInvalid, TheKernelsOwnCountMustSayTheSame) {
  WalkResult result = good_result();
  result.responders[0].tlb_interrupts = 198;
  EXPECT_THAT(why_invalid(result, true), IsEmpty());
  result.responders[0].tlb_interrupts = 197;
  EXPECT_EQ(why_invalid(result, true), "197 TLB interrupts for 200 shootdowns on CPU 4");
  // Others' shootdowns count too: more than enough is nothing bad.
  result.responders[0].tlb_interrupts = 5000;
  EXPECT_THAT(why_invalid(result, true), IsEmpty());
}

TEST(WhyInvalid, AKernelWithoutTheTlbRowIsNotHeldAgainstTheRow) {
  WalkResult result = good_result();
  for (ResponderResult& responder : result.responders) {
    responder.tlb_interrupts.reset();
  }
  EXPECT_THAT(why_invalid(result, true), IsEmpty());
  result.responders[0].proven = 5;
  EXPECT_EQ(why_invalid(result, true), "5 of 200 shootdowns proven by gaps on CPU 4");
}

TEST(WhyInvalid, LostGapsProveNothing) {
  WalkResult result = good_result();
  result.responders[1].lost_gaps = 17;
  EXPECT_EQ(why_invalid(result, true), "17 gaps of CPU 6 did not fit");
}

TEST(WhyInvalid, WhatInterruptsNobodyNeedsNoProof) {
  WalkResult result = good_result();
  result.expected = 0;
  for (ResponderResult& responder : result.responders) {
    responder.proven = 0;
    responder.tlb_interrupts = 0;
    responder.lost_gaps = 4;
  }
  EXPECT_THAT(why_invalid(result, false), IsEmpty());
  // Nor does a shootdown when nobody is there to be interrupted.
  result.responders.clear();
  EXPECT_THAT(why_invalid(result, true), IsEmpty());
}

// The free-list walk over full blocks finds nothing to flush.
TEST(WhyInvalid, AFlushThatMakesNoCallNeedsNoProof) {
  WalkResult result = good_result();
  result.expected = 0;
  for (ResponderResult& responder : result.responders) {
    responder.proven = 0;
    responder.tlb_interrupts = 0;
  }
  EXPECT_THAT(why_invalid(result, true), IsEmpty());
}

class MakeRows : public ::testing::Test {
 protected:
  std::vector<MeasurementRow> rows(ShootdownKind kind, WalkResult* result, std::size_t walk = 1) {
    group.axes.shootdown = kind;
    group.axes.responders = static_cast<unsigned>(result->responders.size());
    placement.responders.clear();
    for (const ResponderResult& responder : result->responders) {
      placement.responders.push_back(responder.cpu);
    }
    return make_rows({group, placement, clock, 32, 9}, walk, 5, result);
  }

  WalkGroup group{{{64, 50, 15, 2, 3}, ShootdownKind::none, 0}, {Walk::free_list, Walk::xarray}};
  topology::Placement placement{"compact", 2, {}};
  // Two ticks a nanosecond.
  Clock clock{ClockDescription{.frequency_hz = 2e9}};
};

std::vector<std::string> roles_and_metrics(const std::vector<MeasurementRow>& rows) {
  std::vector<std::string> texts;
  for (const MeasurementRow& row : rows) {
    texts.push_back(row.role + " " + row.metric);
  }
  return texts;
}

TEST_F(MakeRows, AWalkAloneIsOneRow) {
  WalkResult result = good_result();
  result.responders.clear();
  EXPECT_THAT(roles_and_metrics(rows(ShootdownKind::none, &result)),
              ElementsAre("initiator flush_time"));
}

TEST_F(MakeRows, AShootdownIsShownInPartsAndEachResponderHasItsRow) {
  WalkResult result = good_result();
  EXPECT_THAT(roles_and_metrics(rows(ShootdownKind::mprotect_range, &result)),
              ElementsAre("initiator flush_time", "initiator walk_time", "initiator shootdown_time",
                          "responder stall", "responder stall"));
}

TEST_F(MakeRows, EachMetricHasItsOwnSamplesInNanoseconds) {
  WalkResult result = good_result();
  const std::vector<MeasurementRow> made = rows(ShootdownKind::mprotect, &result);
  ASSERT_THAT(made, SizeIs(5));
  const auto expect = [](const MeasurementRow& row, double min, double max, std::uint64_t samples) {
    ASSERT_TRUE(row.statistics) << row.metric;
    EXPECT_DOUBLE_EQ(row.statistics->min, min) << row.metric;
    EXPECT_DOUBLE_EQ(row.statistics->max, max) << row.metric;
    EXPECT_EQ(row.statistics->samples, samples) << row.metric;
    EXPECT_EQ(row.unit, "ns");
  };
  expect(made[0], 10'500, (21'000 + 11 * 199) / 2.0, 200);
  expect(made[1], 500, 1199 / 2.0, 200);
  expect(made[2], 10'000, 21'990 / 2.0, 200);
  expect(made[3], 3500, 4500, 3);
  EXPECT_DOUBLE_EQ(made[3].statistics->p50, 4000);
}

TEST_F(MakeRows, AResponderThatWasNeverInterruptedHasARowWithoutSamples) {
  WalkResult result = good_result();
  result.responders[1].stalls.clear();
  const std::vector<MeasurementRow> made = rows(ShootdownKind::noop, &result);
  ASSERT_THAT(made, SizeIs(5));
  EXPECT_TRUE(made[3].statistics);
  EXPECT_FALSE(made[4].statistics);
}

TEST_F(MakeRows, TheInitiatorsRowsTellTheSumAndTheRespondersTheirOwn) {
  WalkResult result = good_result();
  result.responders[0].proven = 199;
  result.responders[1].proven = 198;
  result.responders[0].tlb_interrupts = 201;
  result.responders[1].tlb_interrupts = 210;
  result.responders[1].counts.voluntary_switches = 1;
  result.responders[1].counts.involuntary_switches = 2;
  result.responders[1].counts.minor_faults = 4;
  result.responders[1].counts.major_faults = 8;
  result.responders[1].counts.migrations = 16;
  result.context_switches = 31;
  result.page_faults = 32;
  result.migrations = 33;
  const std::vector<MeasurementRow> made = rows(ShootdownKind::munmap, &result);
  ASSERT_THAT(made, SizeIs(5));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(made[i].cpu, 2U);
    EXPECT_EQ(made[i].shootdowns_expected, 400U);
    EXPECT_EQ(made[i].shootdowns_proven, 397U);
    EXPECT_EQ(made[i].tlb_interrupts, 411U);
    EXPECT_EQ(made[i].context_switches, 31U);
    EXPECT_EQ(made[i].page_faults, 32U);
    EXPECT_EQ(made[i].migrations, 33U);
  }
  EXPECT_EQ(made[3].cpu, 4U);
  EXPECT_EQ(made[3].shootdowns_expected, 200U);
  EXPECT_EQ(made[3].shootdowns_proven, 199U);
  EXPECT_EQ(made[3].tlb_interrupts, 201U);
  EXPECT_EQ(made[3].context_switches, 0U);
  EXPECT_EQ(made[3].page_faults, 0U);
  EXPECT_EQ(made[3].migrations, std::nullopt);
  EXPECT_EQ(made[4].cpu, 6U);
  EXPECT_EQ(made[4].shootdowns_expected, 200U);
  EXPECT_EQ(made[4].shootdowns_proven, 198U);
  EXPECT_EQ(made[4].tlb_interrupts, 210U);
  EXPECT_EQ(made[4].context_switches, 3U);
  EXPECT_EQ(made[4].page_faults, 12U);
  EXPECT_EQ(made[4].migrations, 16U);
}

TEST_F(MakeRows, WithoutATlbRowTheCellsAreEmpty) {
  WalkResult result = good_result();
  for (ResponderResult& responder : result.responders) {
    responder.tlb_interrupts.reset();
  }
  for (const MeasurementRow& row : rows(ShootdownKind::mprotect_range, &result)) {
    EXPECT_EQ(row.tlb_interrupts, std::nullopt);
  }
}

TEST_F(MakeRows, AReasonStandsInEveryRowOfTheWalk) {
  WalkResult result = good_result();
  result.responders[0].proven = 10;
  for (const MeasurementRow& row : rows(ShootdownKind::mprotect_range, &result)) {
    EXPECT_FALSE(row.valid()) << row.role << " " << row.metric;
    EXPECT_EQ(row.invalid_reason, "10 of 200 shootdowns proven by gaps on CPU 4");
  }
}

// The control interrupts nobody: the same result is good there.
TEST_F(MakeRows, OnlyABackendThatInterruptsIsAskedForProof) {
  for (const ShootdownKind kind : kShootdownKinds) {
    WalkResult result = good_result();
    result.responders[0].proven = 10;
    const bool interrupting = kind != ShootdownKind::none && kind != ShootdownKind::noop;
    for (const MeasurementRow& row : rows(kind, &result)) {
      EXPECT_EQ(row.valid(), !interrupting) << name_of(kind);
    }
  }
}

TEST_F(MakeRows, EveryRowTellsAxesAndWork) {
  WalkResult result = good_result();
  const std::vector<MeasurementRow> made = rows(ShootdownKind::mprotect_range, &result);
  ASSERT_THAT(made, SizeIs(5));
  for (const MeasurementRow& row : made) {
    EXPECT_EQ(row.bench, "flush_walk_bench");
    EXPECT_EQ(row.case_name, case_name(group.axes, Walk::xarray));
    EXPECT_EQ(row.repetition, 5U);
    EXPECT_EQ(row.walk, "xarray");
    EXPECT_EQ(row.check, "locked");
    EXPECT_EQ(row.gather, "hull");
    EXPECT_EQ(row.shootdown, "mprotect_range");
    EXPECT_EQ(row.blocks, 64U);
    EXPECT_EQ(row.full_percent, 50U);
    EXPECT_EQ(row.dirty_percent, 15U);
    EXPECT_EQ(row.dirty_slots, 2U);
    EXPECT_EQ(row.queues, 3U);
    EXPECT_EQ(row.responders, 2U);
    EXPECT_EQ(row.placement, "compact");
    EXPECT_EQ(row.initiator_cpu, 2U);
    EXPECT_THAT(row.responder_cpus, ElementsAre(4U, 6U));
    EXPECT_EQ(row.block_slots, 1024U);
    EXPECT_EQ(row.visited_blocks, 64U);
    EXPECT_EQ(row.listed_blocks, 32U);
    EXPECT_EQ(row.block_locks, 65U);
    EXPECT_EQ(row.dirty_blocks, 6U);
    EXPECT_EQ(row.dirty_blocks_total, 9U);
    EXPECT_EQ(row.stale_slots, 12U);
    EXPECT_EQ(row.flush_ranges, 3U);
    EXPECT_EQ(row.hull_pages, 70'000U);
    EXPECT_EQ(row.shootdown_calls, 1U);
  }
  WalkResult other = good_result();
  EXPECT_EQ(rows(ShootdownKind::mprotect, &other, 0).front().walk, "free_list");
  EXPECT_EQ(rows(ShootdownKind::mprotect, &other, 0).front().gather, "runs");
  group.axes.asked_gather = Gather::per_block;
  const MeasurementRow row = rows(ShootdownKind::cold_range, &other, 0).front();
  EXPECT_EQ(row.gather, "per_block");
  EXPECT_EQ(row.shootdown, "cold_range");
  EXPECT_EQ(row.case_name, case_name(group.axes, Walk::free_list));
}

}  // namespace
}  // namespace flushwalk
