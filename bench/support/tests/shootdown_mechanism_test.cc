// What a round shows is decided by figures alone; the real probe is held to what must be true on
// any machine.
#include "bench/support/shootdown_mechanism.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "topology/pinned_thread.h"

namespace flushwalk {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

MechanismRound quiet_round(std::uint64_t gaps, std::optional<std::uint64_t> tlb_interrupts) {
  return {.shootdowns = 50,
          .gaps = gaps,
          .controls = 50,
          .control_gaps = 0,
          .in_calls = 1'000'000,
          .stopped = gaps * 10'000,
          .tlb_interrupts = tlb_interrupts};
}

TEST(MechanismOf, AnInterruptIsCountedAndStopsTheCpu) {
  EXPECT_EQ(mechanism_of(quiet_round(50, 50)), ShootdownMechanism::ipi);
  EXPECT_EQ(mechanism_of(quiet_round(47, 46)), ShootdownMechanism::ipi);
}

TEST(MechanismOf, AHypervisorsFlushStopsTheCpuAndIsNotCounted) {
  EXPECT_EQ(mechanism_of(quiet_round(50, 0)), ShootdownMechanism::paravirtual);
  EXPECT_EQ(mechanism_of(quiet_round(48, 2)), ShootdownMechanism::paravirtual);
  // arm64 in a guest: there is no row.
  EXPECT_EQ(mechanism_of(quiet_round(50, std::nullopt)), ShootdownMechanism::paravirtual);
}

TEST(MechanismOf, ABroadcastStopsNobody) {
  EXPECT_EQ(mechanism_of(quiet_round(0, 0)), ShootdownMechanism::broadcast);
  EXPECT_EQ(mechanism_of(quiet_round(1, std::nullopt)), ShootdownMechanism::broadcast);
}

// The thread was not on the CPU in half of the calls: gaps that began before them.
TEST(MechanismOf, AnAbsentThreadIsNoBroadcast) {
  MechanismRound round = quiet_round(0, 0);
  round.stopped = 500'000;
  EXPECT_EQ(mechanism_of(round), ShootdownMechanism::unknown);
}

TEST(MechanismOf, WhatIsInBetweenDecidesNothing) {
  EXPECT_EQ(mechanism_of(quiet_round(25, 25)), ShootdownMechanism::unknown);
  EXPECT_EQ(mechanism_of(quiet_round(50, 25)), ShootdownMechanism::unknown);
  EXPECT_EQ(mechanism_of(quiet_round(0, 50)), ShootdownMechanism::unknown);
  EXPECT_EQ(mechanism_of({}), ShootdownMechanism::unknown);
}

// Gaps that come without a flush too are of something else.
TEST(MechanismOf, GapsInTheControlDecideNothing) {
  MechanismRound round = quiet_round(50, 0);
  round.control_gaps = 20;
  EXPECT_EQ(mechanism_of(round), ShootdownMechanism::unknown);
}

TEST(TlbRow, CountsWhereInterruptsAre) {
  EXPECT_TRUE(tlb_row_counts(ShootdownMechanism::ipi));
  EXPECT_TRUE(tlb_row_counts(ShootdownMechanism::unknown));
  EXPECT_FALSE(tlb_row_counts(ShootdownMechanism::paravirtual));
  EXPECT_FALSE(tlb_row_counts(ShootdownMechanism::broadcast));
}

TEST(FindShootdownMechanism, SaysHowItKnows) {
  const auto machine = topology::Machine::discover();
  ASSERT_TRUE(machine.ok());
  const std::vector<int> cpus = machine.value().usable_cpus();
  if (cpus.size() < 2) {
    GTEST_SKIP() << "one CPU";
  }
  MechanismFinding finding;
  std::thread([&] {
    ASSERT_TRUE(topology::pin_this_thread(machine.value(), cpus[0]).ok());
    finding = find_shootdown_mechanism(machine.value(), cpus[1], make_clock());
  }).join();
  EXPECT_THAT(finding.how, HasSubstr("CPU " + std::to_string(cpus[1]) + " stopped in "));
  if (finding.mechanism == ShootdownMechanism::ipi) {
    EXPECT_THAT(finding.how, Not(HasSubstr("moved by 0")));
  }
}

TEST(FindShootdownMechanism, ACpuThatIsNotThereIsUnknown) {
  const auto machine = topology::Machine::discover();
  ASSERT_TRUE(machine.ok());
  const MechanismFinding finding = find_shootdown_mechanism(machine.value(), 65'535, make_clock());
  EXPECT_EQ(finding.mechanism, ShootdownMechanism::unknown);
  EXPECT_THAT(finding.how, HasSubstr("65535"));
}

}  // namespace
}  // namespace flushwalk
