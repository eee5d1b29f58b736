// Measures for real, in short. What the machine does meanwhile is not this test's to say: that a
// row is valid is asserted nowhere.
#include "bench/patch_series/series_measurement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "bench/support/tests/initiator_test.h"

namespace flushwalk {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class SeriesMeasuring : public InitiatorTest {
 protected:
  SeriesGroup group_of(const std::string& workload, ShootdownKind kind, unsigned responders) {
    EXPECT_TRUE(place_beside(responders));
    SeriesGroup group{find_workload(workload), kind, responders, {}};
    for (const Behaviors& revision : revisions()) {
      group.revisions.push_back(&revision);
    }
    return group;
  }

  std::vector<SeriesResult> sample(const SeriesGroup& group, unsigned samples) {
    std::vector<SeriesResult> results;
    on_initiator([&] {
      std::string error;
      const auto measurement =
          SeriesMeasurement::prepare(group, {clock, machine, placement, samples, stop}, &error);
      ASSERT_NE(measurement, nullptr) << error;
      results = measurement->sample(&error);
      EXPECT_EQ(results.empty(), !error.empty()) << error;
    });
    return results;
  }
};

TEST_F(SeriesMeasuring, EveryRoundOfEveryWorkloadDoesTheSurveysWork) {
  for (const Workload& workload : workloads()) {
    const SeriesGroup group = group_of(std::string(workload.name), ShootdownKind::none, 0);
    const std::vector<SeriesResult> results = sample(group, 5);
    ASSERT_THAT(results, SizeIs(8));
    for (const SeriesResult& result : results) {
      EXPECT_EQ(result.unlike, 0U) << workload.name;
      EXPECT_EQ(result.round.size(), 5U);
      EXPECT_EQ(result.flush.size(), workload.name == "crowded_list" ? 0U : 5U);
      EXPECT_EQ(result.calls, 0U);
      EXPECT_EQ(result.expected, 0U);
      EXPECT_THAT(result.responders, IsEmpty());
    }
  }
}

TEST_F(SeriesMeasuring, AShootdownTakesOneCallForEachFlushThatHasARange) {
  if (!why_unsupported(ShootdownKind::mprotect_range).empty()) {
    GTEST_SKIP() << why_unsupported(ShootdownKind::mprotect_range);
  }
  for (const Workload& workload : workloads()) {
    const SeriesGroup group =
        group_of(std::string(workload.name), ShootdownKind::mprotect_range, 0);
    for (const SeriesResult& result : sample(group, 3)) {
      EXPECT_EQ(result.unlike, 0U) << workload.name;
      EXPECT_EQ(result.calls, result.counts.flushes) << workload.name;
    }
  }
}

TEST_F(SeriesMeasuring, ARespondersShootdownsAreThoseOfTheRevisionsThatFlush) {
  if (machine.usable_cpus().size() < 2) {
    GTEST_SKIP() << "a responder needs a second CPU";
  }
  if (!why_unsupported(ShootdownKind::mprotect_range).empty()) {
    GTEST_SKIP() << why_unsupported(ShootdownKind::mprotect_range);
  }
  const SeriesGroup group = group_of("second_flush", ShootdownKind::mprotect_range, 1);
  const std::vector<SeriesResult> results = sample(group, 25);
  ASSERT_THAT(results, SizeIs(8));
  for (std::size_t i = 0; i < results.size(); ++i) {
    // From p3 on there is nothing left to flush.
    EXPECT_EQ(results[i].expected, i < 3 ? 25U : 0U) << revisions()[i].name;
    ASSERT_THAT(results[i].responders, SizeIs(1));
    EXPECT_EQ(results[i].responders[0].cpu, placement.responders[0]);
    EXPECT_LE(results[i].responders[0].proven, results[i].expected);
  }
}

TEST_F(SeriesMeasuring, CountsAreTheSameWithMemoryAndWithout) {
  if (!why_unsupported(ShootdownKind::noop).empty()) {
    GTEST_SKIP() << why_unsupported(ShootdownKind::noop);
  }
  for (const std::string workload : {"sparse_cpus", "many_cpus"}) {
    const auto alone = sample(group_of(workload, ShootdownKind::none, 0), 1);
    const auto with_memory = sample(group_of(workload, ShootdownKind::noop, 0), 1);
    ASSERT_EQ(alone.size(), with_memory.size());
    for (std::size_t i = 0; i < alone.size(); ++i) {
      EXPECT_TRUE(alone[i].counts == with_memory[i].counts) << workload;
      EXPECT_EQ(alone[i].stale_slots, with_memory[i].stale_slots) << workload;
    }
  }
}

TEST_F(SeriesMeasuring, ASetStopEndsItWithoutAResult) {
  stop = true;
  EXPECT_THAT(sample(group_of("churn", ShootdownKind::none, 0), 2), IsEmpty());
}

}  // namespace
}  // namespace flushwalk
