// Measures for real, in small. What the machine does meanwhile is not this test's to say: no time
// is judged, and no row must be valid.
#include "bench/xarray/xarray_measurement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/xarray/xarray_rows.h"

namespace flushwalk {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class MeasuringXArray : public ::testing::Test {
 protected:
  MeasuringXArray() : clock(make_clock()), machine(topology::Machine::discover().value()) {
    for (const ContainerKind kind : kContainerKinds) {
      if (why_absent(kind).empty()) {
        kinds.push_back(kind);
      }
    }
  }

  std::unique_ptr<XArrayMeasurement> prepare(const XArrayGroup& of, unsigned samples) {
    std::string error;
    auto made = XArrayMeasurement::prepare(of, {clock, machine, placement, samples, stop}, &error);
    if (made == nullptr) {
      ADD_FAILURE() << error;
      throw std::runtime_error(error);
    }
    return made;
  }

  XArrayGroup group(IndexOperation operation, std::size_t entries) const {
    XArrayGroup made{{KeySet::every_64th, entries}, {}};
    for (const ContainerKind kind : kinds) {
      if (has_operation(kind, operation)) {
        made.rivals.push_back({kind, operation});
      }
    }
    return made;
  }

  Clock clock;
  topology::Machine machine;
  topology::Placement placement{"compact", 3, {}};
  std::atomic<bool> stop{false};
  std::vector<ContainerKind> kinds;
};

TEST_F(MeasuringXArray, EveryOperationLeavesTheContainerAsItWas) {
  for (const IndexOperation operation : kIndexOperations) {
    for (const std::size_t entries : {16UL, 3000UL}) {
      const XArrayGroup measured = group(operation, entries);
      const auto measurement = prepare(measured, 12);
      // Sorted: not every container has an order.
      const auto visited = [&](std::size_t rival) {
        std::vector<void*> found = measurement->container(rival).visited(IndexOperation::iterate);
        std::sort(found.begin(), found.end());
        return found;
      };
      const std::vector<void*> before = visited(0);
      std::string error;
      const std::vector<XArrayResult> results = measurement->measure(&error);
      ASSERT_THAT(results, SizeIs(measured.rivals.size())) << error;
      for (std::size_t rival = 0; rival < results.size(); ++rival) {
        EXPECT_EQ(results[rival].times.size(), 12U);
        EXPECT_EQ(results[rival].times.refused(), 0U);
        EXPECT_GT(results[rival].bytes_per_entry, 8);
        EXPECT_EQ(visited(rival), before) << name_of(operation);
      }
    }
  }
}

TEST_F(MeasuringXArray, ASampleHasAsManyOperationsAsItSays) {
  const auto operations = [&](IndexOperation operation, std::size_t entries) {
    std::string error;
    const auto results = prepare(group(operation, entries), 1)->measure(&error);
    return results.empty() ? 0 : results[0].operations;
  };
  EXPECT_EQ(operations(IndexOperation::insert, 16), 16U);
  EXPECT_EQ(operations(IndexOperation::erase, 4096), 1024U);
  EXPECT_EQ(operations(IndexOperation::set_mark, 100), 100U);
  EXPECT_EQ(operations(IndexOperation::load, 16), 1024U);
  EXPECT_EQ(operations(IndexOperation::load, 4096), 1024U);
  EXPECT_EQ(operations(IndexOperation::iterate, 16), 1024U);
  EXPECT_EQ(operations(IndexOperation::iterate, 100), 1000U);
  EXPECT_EQ(operations(IndexOperation::iterate, 4096), 4096U);
  EXPECT_EQ(operations(IndexOperation::iterate_marked, 4096), 409U);
  EXPECT_EQ(operations(IndexOperation::iterate_marked, 100), 100U);
}

TEST_F(MeasuringXArray, AllIterationsAreOfOneXArray) {
  const XArrayGroup all{{KeySet::dense, 256},
                        {{ContainerKind::xarray, IndexOperation::iterate},
                         {ContainerKind::xarray, IndexOperation::iterate_marked},
                         {ContainerKind::std_map, IndexOperation::iterate}}};
  const auto measurement = prepare(all, 1);
  EXPECT_EQ(&measurement->container(0), &measurement->container(1));
  EXPECT_NE(&measurement->container(0), &measurement->container(2));
  EXPECT_THAT(measurement->container(0).visited(IndexOperation::iterate_marked), SizeIs(25));
}

TEST_F(MeasuringXArray, ALostEntryIsAnErrorWhateverIsMeasured) {
  for (const IndexOperation operation : kIndexOperations) {
    if (operation == IndexOperation::insert) {
      continue;  // what is to be inserted is taken out before: an entry that is lost comes back
    }
    const auto measurement = prepare(group(operation, 64), 3);
    const Population population(KeySet::every_64th, 64);
    EXPECT_EQ(measurement->container(0).erase(population.marked().first(1)), 1U);
    std::string error;
    EXPECT_THAT(measurement->measure(&error), IsEmpty()) << name_of(operation);
    EXPECT_EQ(error, std::string(name_of(operation)) + " lost or invented an entry");
  }
}

TEST_F(MeasuringXArray, SamplesTakeOneWindowAfterTheOther) {
  const Population population(KeySet::every_64th, 4096);
  for (std::size_t window = 0; window < population.windows(); ++window) {
    const auto measurement = prepare(group(IndexOperation::load, 4096), 4);
    EXPECT_EQ(measurement->container(0).erase(population.window(window).first(1)), 1U);
    std::string error;
    EXPECT_THAT(measurement->measure(&error), IsEmpty()) << window;
  }
}

TEST_F(MeasuringXArray, StopEndsARepetition) {
  const auto measurement = prepare(group(IndexOperation::load, 16), 5);
  stop = true;
  std::string error;
  EXPECT_THAT(measurement->measure(&error), IsEmpty());
  EXPECT_EQ(error, "interrupted");
}

Clock clock_of_2_ghz() {
  ClockDescription description;
  description.frequency_hz = 2e9;
  return Clock(description);
}

TEST(XArrayRows, ATimeIsOfOneOperation) {
  const XArrayGroup of{{KeySet::random, 4096}, {{ContainerKind::lfht, IndexOperation::load}}};
  const topology::Placement placement{"compact", 3, {}};
  const Clock clock = clock_of_2_ghz();
  XArrayResult result(3);
  for (const Ticks ticks : {30'000U, 10'000U, 20'000U}) {
    result.times.push(ticks);
  }
  result.operations = 1000;
  result.bytes_per_entry = 48.5;
  result.migrations = 0;
  const std::vector<MeasurementRow> rows = make_rows({of, placement, clock}, 0, 4, &result);
  ASSERT_THAT(rows, SizeIs(2));
  for (const MeasurementRow& row : rows) {
    EXPECT_EQ(row.bench, "xarray_bench");
    EXPECT_EQ(row.case_name, "xarray/container:lfht/operation:load/entries:4096/keys:random");
    EXPECT_EQ(row.repetition, 4U);
    EXPECT_EQ(row.role, "initiator");
    EXPECT_EQ(row.cpu, 3U);
    EXPECT_EQ(row.placement, "compact");
    EXPECT_EQ(row.container, "lfht");
    EXPECT_EQ(row.operation, "load");
    EXPECT_EQ(row.keys, "random");
    EXPECT_EQ(row.entries, 4096U);
    EXPECT_EQ(row.blocks, std::nullopt);
    EXPECT_TRUE(row.valid());
  }
  EXPECT_EQ(rows[0].metric, "operation_time");
  EXPECT_EQ(rows[0].unit, "ns");
  EXPECT_EQ(rows[0].operations, 1000U);
  EXPECT_DOUBLE_EQ(rows[0].statistics->min, 5);
  EXPECT_DOUBLE_EQ(rows[0].statistics->p50, 10);
  EXPECT_DOUBLE_EQ(rows[0].statistics->max, 15);
  EXPECT_EQ(rows[0].statistics->samples, 3U);
  EXPECT_EQ(rows[0].context_switches, 0U);
  EXPECT_EQ(rows[1].metric, "bytes_per_entry");
  EXPECT_EQ(rows[1].unit, "bytes");
  EXPECT_EQ(rows[1].operations, std::nullopt);
  EXPECT_DOUBLE_EQ(rows[1].statistics->p50, 48.5);
  EXPECT_EQ(rows[1].statistics->samples, 1U);
  EXPECT_EQ(rows[1].context_switches, std::nullopt);
}

TEST(XArrayRows, WhatDisturbedTheTimeSpoilsTheTimeAlone) {
  const XArrayGroup of{{KeySet::dense, 64}, {{ContainerKind::xarray, IndexOperation::erase}}};
  const topology::Placement placement{"compact", 0, {}};
  const Clock clock = clock_of_2_ghz();
  XArrayResult result(1);
  result.times.push(100);
  result.operations = 64;
  result.context_switches = 2;
  result.page_faults = 1;
  const std::vector<MeasurementRow> rows = make_rows({of, placement, clock}, 0, 0, &result);
  EXPECT_EQ(rows[0].invalid_reason,
            "2 context switches in the timed part; 1 page fault in the timed part");
  EXPECT_TRUE(rows[1].valid());
}

}  // namespace
}  // namespace flushwalk
