// Measures for real, in short. What the machine does meanwhile is not this test's to say: that a
// row is valid is asserted nowhere.
#include "bench/flush_range/range_measurement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "bench/support/tests/initiator_test.h"

namespace flushwalk {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class RangeMeasuring : public InitiatorTest {
 protected:
  RangeGroup group_of(ShootdownKind kind, unsigned responders, unsigned working_set = 0) {
    EXPECT_TRUE(place_beside(responders));
    return {{4, 8, 1024}, kind, working_set, responders, {}};
  }

  std::vector<RangeResult> sample(const RangeGroup& group, unsigned samples,
                                  unsigned repetitions = 1) {
    std::vector<RangeResult> results;
    on_initiator([&] {
      std::string error;
      const auto measurement =
          RangeMeasurement::prepare(group, {clock, machine, placement, samples, stop}, &error);
      ASSERT_NE(measurement, nullptr) << error;
      for (unsigned i = 0; i < repetitions; ++i) {
        results = measurement->sample(&error);
        EXPECT_EQ(results.empty(), !error.empty()) << error;
      }
    });
    return results;
  }
};

TEST_F(RangeMeasuring, EveryBackendCanBeMeasuredAgainAndAgainByBothCodes) {
  for (const ShootdownKind kind : kShootdownKinds) {
    if (!why_unsupported(kind).empty()) {
      continue;
    }
    RangeGroup group = group_of(kind, 0);
    for (const Gather gather : kGathers) {
      for (const Code code : kCodes) {
        if (why_senseless(gather, kind).empty() &&
            (code == Code::suite || why_not_by_hand(kind).empty())) {
          group.rivals.push_back({gather, code});
        }
      }
    }
    const std::vector<RangeResult> results = sample(group, 12, 3);
    ASSERT_THAT(results, SizeIs(group.rivals.size())) << name_of(kind);
    for (std::size_t i = 0; i < results.size(); ++i) {
      EXPECT_THAT(results[i].shootdown.values(), SizeIs(12));
      EXPECT_EQ(results[i].shootdown.refused(), 0U);
      EXPECT_EQ(results[i].expected, 0U) << "nobody to interrupt";
      EXPECT_THAT(results[i].read.values(), IsEmpty());
    }
  }
}

TEST_F(RangeMeasuring, AHullIsOneCallAndAnArrayOneARangeByBothCodes) {
  RangeGroup group = group_of(ShootdownKind::mprotect_range, 0);
  for (const Code code : kCodes) {
    group.rivals.push_back({Gather::hull, code});
    group.rivals.push_back({Gather::runs, code});
    group.rivals.push_back({Gather::full, code});
  }
  const std::vector<RangeResult> results = sample(group, 5);
  ASSERT_THAT(results, SizeIs(6));
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(results[i].calls, i % 3 == 1 ? 4U : 1U) << i;
  }
}

TEST_F(RangeMeasuring, TheWorkingSetIsReadTwiceAfterEachFlush) {
  RangeGroup group = group_of(ShootdownKind::noop, 0, 64);
  group.rivals = {{Gather::hull, Code::suite}};
  const std::vector<RangeResult> results = sample(group, 15);
  ASSERT_THAT(results, SizeIs(1));
  EXPECT_THAT(results[0].read.values(), SizeIs(15));
  EXPECT_THAT(results[0].again.values(), SizeIs(15));
}

TEST_F(RangeMeasuring, EachCallShouldInterruptEachResponder) {
  if (machine.usable_cpus().size() < 2) {
    GTEST_SKIP() << "one CPU";
  }
  RangeGroup group = group_of(ShootdownKind::mprotect_range, 1, 64);
  group.rivals = {{Gather::hull, Code::suite}, {Gather::runs, Code::by_hand}};
  const std::vector<RangeResult> results = sample(group, 20);
  ASSERT_THAT(results, SizeIs(2));
  EXPECT_EQ(results[0].expected, 20U);
  EXPECT_EQ(results[1].expected, 80U);
  for (const RangeResult& result : results) {
    ASSERT_THAT(result.responders, SizeIs(1));
    const ResponderResult& responder = result.responders[0];
    EXPECT_EQ(responder.cpu, placement.responders[0]);
    EXPECT_LE(responder.proven, result.expected);
    EXPECT_LE(responder.exact, 20U);
    EXPECT_LE(responder.stalls.size(), 20U);
    EXPECT_LE(responder.first_rounds.size(), responder.stalls.size());
    EXPECT_EQ(responder.first_rounds.size(), responder.second_rounds.size());
  }
}

TEST_F(RangeMeasuring, StopsBetweenSamples) {
  RangeGroup group = group_of(ShootdownKind::noop, 0);
  group.rivals = {{Gather::hull, Code::suite}};
  on_initiator([&] {
    std::string error;
    const auto measurement =
        RangeMeasurement::prepare(group, {clock, machine, placement, 5, stop}, &error);
    ASSERT_NE(measurement, nullptr) << error;
    stop = true;
    EXPECT_THAT(measurement->sample(&error), IsEmpty());
    EXPECT_EQ(error, "interrupted");
  });
}

TEST_F(RangeMeasuring, OutcomesTellWhatAFlushCovers) {
  RangeGroup group = group_of(ShootdownKind::mprotect_range, 0);
  group.rivals = {{Gather::hull, Code::suite}, {Gather::runs, Code::suite}};
  on_initiator([&] {
    std::string error;
    const auto measurement =
        RangeMeasurement::prepare(group, {clock, machine, placement, 3, stop}, &error);
    ASSERT_NE(measurement, nullptr) << error;
    const std::vector<CaseOutcome> outcomes = measurement->measure(2, &error);
    ASSERT_THAT(outcomes, SizeIs(2));
    EXPECT_THAT(outcomes[0].times_ns, SizeIs(3));
    const MeasurementRow& hull = outcomes[0].rows.front();
    EXPECT_EQ(hull.repetition, 2U);
    EXPECT_EQ(hull.flush_ranges, 1U);
    EXPECT_EQ(hull.flushed_pages, 4U * 8 + 3 * 1024);
    EXPECT_EQ(hull.hull_pages, hull.flushed_pages);
    const MeasurementRow& array = outcomes[1].rows.front();
    EXPECT_EQ(array.flush_ranges, 4U);
    EXPECT_EQ(array.flushed_pages, 32U);
    EXPECT_EQ(array.hull_pages, hull.hull_pages);
    EXPECT_EQ(array.dirty_blocks, 4U);
  });
}

// Each thread's own counters, of the flushes and of what is read after them: what is done between
// two of them faults (munmap's ranges are mapped and touched again), and is nobody's.
TEST_F(RangeMeasuring, CountsTheTimedPartsOfEachThread) {
  RangeGroup group = group_of(ShootdownKind::munmap, machine.usable_cpus().size() > 1 ? 1 : 0, 16);
  group.rivals = {{Gather::runs, Code::suite}, {Gather::runs, Code::by_hand}};
  auto made = Counters::make({.events = "page-faults:u", .rotation = false, .threads = 2});
  ASSERT_TRUE(std::holds_alternative<std::unique_ptr<Counters>>(made));
  const auto& counters = std::get<std::unique_ptr<Counters>>(made);
  on_initiator([&] {
    std::string error;
    const auto measurement = RangeMeasurement::prepare(
        group, {clock, machine, placement, 20, stop, ShootdownMechanism::unknown, counters.get()},
        &error);
    ASSERT_NE(measurement, nullptr) << error;
    for (unsigned repetition = 0; repetition < 2; ++repetition) {
      const std::vector<CaseOutcome> outcomes = measurement->measure(repetition, &error);
      ASSERT_THAT(outcomes, SizeIs(2)) << error;
      for (const CaseOutcome& outcome : outcomes) {
        ASSERT_THAT(outcome.counter_rows, SizeIs(1 + group.responders));
        const CounterRow& own = outcome.counter_rows.front();
        EXPECT_EQ(own.role, "initiator");
        EXPECT_EQ(own.repetition, repetition);
        EXPECT_EQ(own.operations, 20U);
        if (own.raw) {
          // That the thread's usage is read a little outside of: a sanitizer faults there.
          EXPECT_LE(*own.raw, outcome.rows.front().page_faults.value());
        }
      }
    }
  });
}

}  // namespace
}  // namespace flushwalk
