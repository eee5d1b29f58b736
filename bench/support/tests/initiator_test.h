// What the tests share that measure for real: this machine, a placement on it, and a thread that is
// pinned to the initiator's CPU.
#ifndef FLUSHWALK_BENCH_SUPPORT_TESTS_INITIATOR_TEST_H_
#define FLUSHWALK_BENCH_SUPPORT_TESTS_INITIATOR_TEST_H_

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

#include "allocator/rcu.h"
#include "bench/support/clock.h"
#include "topology/machine.h"
#include "topology/pinned_thread.h"
#include "topology/placement.h"

namespace flushwalk {

class InitiatorTest : public ::testing::Test {
 protected:
  InitiatorTest() : clock(make_clock()), machine(topology::Machine::discover().value()) {}

  // The first usable CPU for the initiator, the next ones for the others. False, and no change,
  // where there are too few.
  bool place_beside(std::size_t others) {
    const std::vector<int> cpus = machine.usable_cpus();
    if (cpus.size() <= others) {
      return false;
    }
    const auto first = cpus.begin() + 1;
    placement = {"compact", cpus[0], {first, first + static_cast<std::ptrdiff_t>(others)}};
    return true;
  }

  // On a thread of its own: the pin ends with it. Who waits for it must not hold up the grace
  // periods of its work.
  template <class Work>
  void on_initiator(Work&& work) {
    const rcu::Offline offline;
    std::thread([&] {
      const auto pinned = topology::pin_this_thread(machine, placement.initiator);
      ASSERT_TRUE(pinned.ok()) << pinned.error();
      work();
    }).join();
  }

  Clock clock;
  topology::Machine machine;
  topology::Placement placement{"compact", 0, {}};
  std::atomic<bool> stop{false};
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_TESTS_INITIATOR_TEST_H_
