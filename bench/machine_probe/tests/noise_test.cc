#include "bench/machine_probe/noise.h"

#include <gtest/gtest.h>

namespace flushwalk {
namespace {

// A tick is half a nanosecond.
Clock clock_of_2_ghz() {
  return Clock({.source = ClockSource::clock_monotonic_raw, .frequency_hz = 2e9});
}

TEST(GapCounter, CountsEachGapUnderEveryLimitItExceeds) {
  GapCounter gaps(clock_of_2_ghz());
  gaps.add(1'000, 3'000);     // 1 us: not over it
  gaps.add(3'000, 5'002);     // 1.001 us
  gaps.add(5'002, 25'002);    // 10 us
  gaps.add(25'002, 45'004);   // 10.001 us
  gaps.add(45'004, 345'004);  // 150 us
  EXPECT_EQ(gaps.over(0), 4U);
  EXPECT_EQ(gaps.over(1), 2U);
  EXPECT_EQ(gaps.over(2), 1U);
  EXPECT_EQ(gaps.longest(), 300'000U);
  EXPECT_EQ(gaps.lost(), 2'002U + 20'000U + 20'002U + 300'000U);
}

TEST(WatchNoise, WatchesEachCpuForTheTimeGiven) {
  const auto machine = topology::Machine::discover();
  ASSERT_TRUE(machine.ok());
  const std::vector<int> usable = machine.value().usable_cpus();
  const auto noise = watch_noise(machine.value(), usable, make_clock(), 0.02);
  ASSERT_EQ(noise.size(), usable.size());
  for (std::size_t i = 0; i < noise.size(); ++i) {
    EXPECT_EQ(noise[i].error, "");
    EXPECT_EQ(noise[i].cpu, usable[i]);
    EXPECT_GE(noise[i].seconds, 0.02 - 1e-7) << "whole ticks of the clock, rounded";
    EXPECT_LE(noise[i].lost_percent, 100);
    EXPECT_GE(noise[i].gaps_over[0], noise[i].gaps_over[1]);
  }
}

// hwloc would pin to such a CPU with success and do nothing.
TEST(WatchNoise, ACpuThatCannotBePinnedIsAnErrorAndNoQuietOne) {
  const auto other = topology::Machine::from_synthetic("pu:1");
  ASSERT_TRUE(other.ok());
  const auto noise = watch_noise(other.value(), {0}, make_clock(), 0.01);
  ASSERT_EQ(noise.size(), 1U);
  EXPECT_NE(noise[0].error, "");
  EXPECT_EQ(noise[0].seconds, 0);
}

}  // namespace
}  // namespace flushwalk
