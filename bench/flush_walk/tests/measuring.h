// What the tests that measure flushes for real share: a small load, and how it is measured.
#ifndef FLUSHWALK_BENCH_FLUSH_WALK_TESTS_MEASURING_H_
#define FLUSHWALK_BENCH_FLUSH_WALK_TESTS_MEASURING_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "bench/flush_walk/walk_measurement.h"
#include "bench/flush_walk/walk_rows.h"
#include "bench/support/tests/initiator_test.h"

namespace flushwalk {

class Measuring : public InitiatorTest {
 protected:
  // Skips where responders cannot have CPUs of their own, or the backend does not work.
  void place(unsigned responders, ShootdownKind kind) {
    if (!place_beside(responders)) {
      GTEST_SKIP() << responders << " responders need " << responders + 1 << " CPUs";
    }
    if (const std::string reason = why_unsupported(kind); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
    group.axes.shootdown = kind;
    group.axes.responders = responders;
  }

  std::unique_ptr<WalkMeasurement> prepare(unsigned samples) {
    std::string error;
    auto made = WalkMeasurement::prepare(
        group, {clock, machine, placement, samples, stop, mechanism, counters.get()}, &error);
    EXPECT_NE(made, nullptr) << error;
    return made;
  }

  static std::vector<WalkResult> measure(WalkMeasurement& measurement) {
    std::string error;
    std::vector<WalkResult> results = measurement.measure(&error);
    EXPECT_FALSE(results.empty()) << error;
    return results;
  }

  std::vector<MeasurementRow> rows(const WalkMeasurement& measurement, std::size_t walk,
                                   WalkResult* result) const {
    return make_rows(
        {group, placement, clock, measurement.listed_blocks(), measurement.dirty_blocks()}, walk, 0,
        result);
  }

  ShootdownMechanism mechanism = ShootdownMechanism::unknown;
  std::unique_ptr<Counters> counters;  // null: nothing is counted
  // 32 blocks are listed, of which 8 are dirty, as of the other 32.
  WalkGroup group{{{64, 50, 25, 4, 3}, ShootdownKind::none, 0}, {Walk::free_list, Walk::xarray}};
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_FLUSH_WALK_TESTS_MEASURING_H_
