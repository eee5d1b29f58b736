// What the tests that measure flushes for real share: a small load, its placement on this machine,
// and a pinned thread to measure on.
#ifndef FLUSHWALK_BENCH_FLUSH_WALK_TESTS_MEASURING_H_
#define FLUSHWALK_BENCH_FLUSH_WALK_TESTS_MEASURING_H_

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/flush_walk/walk_measurement.h"
#include "bench/flush_walk/walk_rows.h"
#include "topology/pinned_thread.h"

namespace flushwalk {

class Measuring : public ::testing::Test {
 protected:
  Measuring() : clock(make_clock()), machine(topology::Machine::discover().value()) {}

  // Measures on a thread of its own: the pin ends with it.
  template <class Work>
  void on_initiator(Work&& work) {
    std::thread([&] {
      const auto pinned = topology::pin_this_thread(machine, placement.initiator);
      ASSERT_TRUE(pinned.ok()) << pinned.error();
      work();
    }).join();
  }

  // Skips where responders cannot have CPUs of their own, or the backend does not work.
  void place(unsigned responders, ShootdownKind kind) {
    const std::vector<int> cpus = machine.usable_cpus();
    if (cpus.size() <= responders) {
      GTEST_SKIP() << responders << " responders need " << responders + 1 << " CPUs";
    }
    if (const std::string reason = why_unsupported(kind); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
    placement = {"compact", cpus[0], {cpus.begin() + 1, cpus.begin() + 1 + responders}};
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

  Clock clock;
  topology::Machine machine;
  topology::Placement placement{"compact", 0, {}};
  std::atomic<bool> stop{false};
  ShootdownMechanism mechanism = ShootdownMechanism::unknown;
  std::unique_ptr<Counters> counters;  // null: nothing is counted
  // 32 blocks are listed, of which 8 are dirty, as of the other 32.
  WalkGroup group{{{64, 50, 25, 4, 3}, ShootdownKind::none, 0}, {Walk::free_list, Walk::xarray}};
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_FLUSH_WALK_TESTS_MEASURING_H_
