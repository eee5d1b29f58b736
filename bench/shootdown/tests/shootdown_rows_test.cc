#include "bench/shootdown/shootdown_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "bench/shootdown/shootdown_measurement.h"
#include "bench/shootdown/throughput_measurement.h"
#include "bench/shootdown/throughput_rows.h"

namespace flushwalk {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;
using ::testing::SizeIs;

constexpr std::size_t kOperations = 200;

class ShootdownRows : public ::testing::Test {
 protected:
  ShootdownRows() {
    group.operation = Operation::munmap;
    group.pages = 33;
    group.activity = Activity::read;
    group.working_set = 64;
    group.rate = 5000;
    group.responders = 1;
    group.arms = {Arm::operation};
  }

  // Two hundred operations, all proven but the first so many, which took a tenth of the time.
  ArmResult result_with(std::size_t unproven) const {
    ArmResult result(kOperations);
    for (std::size_t i = 0; i < kOperations; ++i) {
      const Ticks time = i < unproven ? 4000 : 40'000;
      result.times.push(time);
      result.operations.push_back({1'000'000 * i, 1'000'000 * i + time, 1});
      result.proven.push_back(i >= unproven);
    }
    // Ten operations in 4 ms.
    result.batches = {{0, 8'000'000, 10}};
    result.calls = 1;
    result.expected = kOperations;
    result.migrations = 0;
    ResponderResult& responder = result.responders.emplace_back();
    responder.cpu = 3;
    responder.proven = kOperations - unproven;
    responder.exact = responder.proven;
    responder.stalls = {20'000};
    responder.first_rounds = {1000};
    responder.second_rounds = {500};
    ArmResult::Seen& seen = result.seen.emplace_back();
    seen.unproven = seen.away = unproven;
    seen.why_unproven = unproven != 0 ? "all found CPU 3 away" : "";
    seen.cpu_lost = {5.5};
    return result;
  }
  // Of an arm that interrupts nobody.
  ArmResult quiet_result(std::uint64_t stray) const {
    ArmResult result = result_with(0);
    result.expected = 0;
    result.proven.clear();
    result.responders[0] = ResponderResult{.cpu = 3};
    result.seen[0].stray = stray;
    return result;
  }

  std::vector<MeasurementRow> rows(ArmResult result, Arm arm = Arm::operation) const {
    return make_shootdown_rows({group, placement, clock}, arm, 4, &result);
  }
  static std::vector<std::string> metrics(const std::vector<MeasurementRow>& rows) {
    std::vector<std::string> names;
    for (const MeasurementRow& row : rows) {
      names.push_back(row.role + " " + row.metric);
    }
    return names;
  }

  ShootdownGroup group;
  topology::Placement placement{"compact", 2, {3}};
  // Two ticks a nanosecond.
  Clock clock{ClockDescription{.frequency_hz = 2e9}};
};

TEST_F(ShootdownRows, TheTimesOfProvenAndUnprovenOperationsAreNeverInOneDistribution) {
  const auto made = rows(result_with(2));
  EXPECT_THAT(metrics(made),
              ElementsAre("initiator operation_time", "initiator unproven_operation_time",
                          "initiator operation_rate", "responder stall", "responder cpu_lost",
                          "responder read_time", "responder reread_time"));
  EXPECT_DOUBLE_EQ(made[0].statistics->min, 20'000);
  EXPECT_EQ(made[0].statistics->samples, 198U);
  EXPECT_DOUBLE_EQ(made[1].statistics->max, 2000);
  EXPECT_EQ(made[1].statistics->samples, 2U);
  EXPECT_DOUBLE_EQ(made[2].statistics->p50, 2500);
  EXPECT_EQ(made[2].unit, "operations/s");
  EXPECT_DOUBLE_EQ(made[3].statistics->p50, 10'000);
  EXPECT_EQ(made[4].unit, "percent");
  EXPECT_DOUBLE_EQ(made[5].statistics->p50, 500);
  EXPECT_DOUBLE_EQ(made[6].statistics->p50, 250);
  for (const MeasurementRow& row : made) {
    EXPECT_TRUE(row.valid()) << "99 % are enough: " << row.invalid_reason;
    EXPECT_THAT(row.unproven_operations, Optional(2U));
    EXPECT_THAT(row.unproven_away, Optional(2U));
    EXPECT_THAT(row.unproven_ran_on, Optional(0U));
    EXPECT_EQ(row.stray_gaps, std::nullopt);
    EXPECT_EQ(row.shootdowns_expected, 200U);
    EXPECT_EQ(row.shootdowns_proven, 198U);
  }
}

// Nor what Google Benchmark shows.
TEST_F(ShootdownRows, ShownAreTheProvenOnes) {
  ArmResult result = result_with(100);
  const CaseOutcome outcome =
      make_shootdown_outcome({group, placement, clock}, Arm::operation, 0, &result);
  ASSERT_THAT(outcome.times_ns, SizeIs(kOperations));
  for (const double time : outcome.times_ns) {
    EXPECT_DOUBLE_EQ(time, 20'000);
  }
}

TEST_F(ShootdownRows, Under99PercentProvenIsInvalidAndSaysWhatIsKnown) {
  for (const MeasurementRow& row : rows(result_with(3))) {
    EXPECT_THAT(row.invalid_reason,
                HasSubstr("3 of 200 operations not proven: all found CPU 3 away"));
  }
}

// Each responder saw 99 %, but not of the same operations.
TEST_F(ShootdownRows, AnOperationIsProvenByAllResponders) {
  ArmResult result = result_with(2);
  group.responders = 2;
  placement.responders = {3, 4};
  result.responders.push_back(result.responders[0]);
  result.responders[1].cpu = 4;
  result.seen.push_back(result.seen[0]);
  result.expected = 2 * kOperations;
  result.proven[100] = result.proven[101] = false;
  const auto made = rows(std::move(result));
  EXPECT_THAT(made[0].unproven_operations, Optional(4U));
  EXPECT_THAT(made[0].unproven_away, Optional(4U));
  EXPECT_THAT(made[0].invalid_reason, HasSubstr("4 of 200 operations not proven"));
  EXPECT_THAT(made[3].unproven_operations, Optional(2U)) << "of the responder alone";
}

TEST_F(ShootdownRows, WhatShouldInterruptNobodyHasAllItsTimesAndTheStrays) {
  const auto made = rows(quiet_result(20), Arm::noop);
  EXPECT_THAT(metrics(made), ElementsAre("initiator operation_time", "initiator operation_rate",
                                         "responder cpu_lost"));
  EXPECT_EQ(made[0].statistics->samples, 200U);
  EXPECT_THAT(made[0].stray_gaps, Optional(20U));
  EXPECT_EQ(made[0].unproven_operations, std::nullopt);
  EXPECT_TRUE(made[0].valid()) << made[0].invalid_reason;
  EXPECT_THAT(rows(quiet_result(21), Arm::noop)[0].invalid_reason,
              HasSubstr("CPU 3 stopped in 21 of 200 operations that should interrupt nobody"));
}

TEST_F(ShootdownRows, TheShareLostIsInvalidWhereAnotherTaskRan) {
  ArmResult result = result_with(0);
  result.batches = {{0, 8'000'000, 10}, {9'000'000, 17'000'000, 10}};
  const auto made = rows(std::move(result));
  EXPECT_TRUE(made[0].valid());
  EXPECT_EQ(made[3].metric, "cpu_lost");
  EXPECT_THAT(made[3].invalid_reason, HasSubstr("another ran on CPU 3 in 1 of 2 batches"));
}

TEST_F(ShootdownRows, OfThoseAsleepAndOfOtherProcessesThereIsNoStall) {
  for (const Activity activity : {Activity::sleep, Activity::another_process}) {
    group.activity = activity;
    const auto made = rows(quiet_result(0));
    EXPECT_THAT(metrics(made), ElementsAre("initiator operation_time", "initiator operation_rate"));
    EXPECT_EQ(made[0].stray_gaps.has_value(), activity == Activity::another_process);
  }
}

TEST_F(ShootdownRows, EveryRowTellsItsAxes) {
  for (const MeasurementRow& row : rows(result_with(1), Arm::operation)) {
    EXPECT_EQ(row.bench, "shootdown_bench");
    EXPECT_EQ(row.case_name, case_name(group, Arm::operation));
    EXPECT_EQ(row.repetition, 4U);
    EXPECT_EQ(row.operation, "munmap");
    EXPECT_EQ(row.arm, "operation");
    EXPECT_EQ(row.pages, 33U);
    EXPECT_EQ(row.page_size, "4k");
    EXPECT_EQ(row.responder_does, "read");
    EXPECT_EQ(row.working_set_pages, 64U);
    EXPECT_EQ(row.rate, 5000U);
    EXPECT_EQ(row.initiators, 1U);
    EXPECT_EQ(row.responders, 1U);
    EXPECT_EQ(row.shootdown, "");
  }
}

// --- Threads that initiate at once.

TEST(ThroughputOf, CountsWhatLiesWhereAllWereAtWork) {
  const Clock clock(ClockDescription{.frequency_hz = 1e9});
  const std::vector<OperationTimes> first = {{110, 200}, {210, 300}, {310, 400}, {410, 500}};
  const std::vector<OperationTimes> second = {{220, 320}, {330, 500}, {510, 600}};
  const std::vector<ThreadWindow> both = {{100, first}, {205, second}};
  // From 205 to 500: three of the first, two of the second.
  EXPECT_DOUBLE_EQ(*throughput_of(both, clock), 5e9 / 295);
  const std::vector<ThreadWindow> apart = {{100, first}, {600, second}};
  EXPECT_EQ(throughput_of(apart, clock), std::nullopt);
  const std::vector<ThreadWindow> idle = {{100, first}, {205, {}}};
  EXPECT_EQ(throughput_of(idle, clock), std::nullopt);
}

TEST_F(ShootdownRows, OfInitiatorsThereIsARowOfAllAndOneOfEach) {
  group.activity = Activity::none;
  group.initiators = 2;
  group.responders = group.rate = group.working_set = 0;
  ThroughputResult result;
  result.throughput = {100, 300, 200};
  result.times = {{2000}, {4000}};
  result.counts.resize(2);
  result.counts[1].voluntary_switches = 5;
  result.counts[1].migrations = 0;
  result.responders = {ResponderResult{.cpu = 2}, ResponderResult{.cpu = 3}};
  result.responders[1].tlb_interrupts = 9;
  const auto made = make_throughput_rows({group, placement, clock}, Arm::untouched, 1, &result);
  EXPECT_THAT(metrics(made), ElementsAre("all throughput", "initiator contended_operation_time",
                                         "initiator contended_operation_time"));
  EXPECT_DOUBLE_EQ(made[0].statistics->p50, 200);
  EXPECT_EQ(made[0].unit, "operations/s");
  EXPECT_EQ(made[0].initiators, 2U);
  EXPECT_EQ(made[0].arm, "untouched");
  EXPECT_THAT(made[0].tlb_interrupts, Optional(9U));
  EXPECT_THAT(made[0].context_switches, Optional(5U));
  EXPECT_TRUE(made[0].valid()) << "a wait for a lock: " << made[0].invalid_reason;
  EXPECT_EQ(made[2].cpu, 3U);
  EXPECT_DOUBLE_EQ(made[2].statistics->p50, 2000);
  EXPECT_EQ(made[1].tlb_interrupts, std::nullopt);
  result.counts[1].migrations = 1;
  EXPECT_THAT(
      make_throughput_rows({group, placement, clock}, Arm::untouched, 1, &result)[1].invalid_reason,
      HasSubstr("1 migration of the thread on CPU 3"));
}

// A virtual CPU that did not run was not interrupted, and the other's calls look cheap.
TEST_F(ShootdownRows, ThreadsThatWereNotInterruptedMakeThroughputInvalid) {
  group.activity = Activity::none;
  group.initiators = 2;
  group.responders = group.rate = group.working_set = 0;
  ThroughputResult result;
  result.calls = 1;
  result.times = {std::vector<Ticks>(100, 2000), std::vector<Ticks>(100, 2000)};
  result.counts.resize(2);
  result.responders = {ResponderResult{.cpu = 2}, ResponderResult{.cpu = 3}};
  const auto why = [&](Arm arm, std::uint64_t taken) {
    result.responders[0].tlb_interrupts = 100;
    result.responders[1].tlb_interrupts = taken;
    return make_throughput_rows({group, placement, clock}, arm, 1, &result)[0].invalid_reason;
  };
  EXPECT_EQ(why(Arm::operation, 99), "");
  EXPECT_EQ(why(Arm::operation, 98), "98 TLB interrupts for 100 shootdowns on CPU 3");
  EXPECT_EQ(why(Arm::untouched, 0), "");
}

}  // namespace
}  // namespace flushwalk
