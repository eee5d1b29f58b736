// Every placement on every machine of tests/machines: the CPUs that it gives, or its refusal.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "topology/placement.h"

namespace flushwalk::topology {
namespace {

// A file of tests/machines: hwloc's XML or its synthetic text.
Machine recorded(const std::string& file) {
  std::ifstream in(std::string(FLUSHWALK_MACHINES) + "/" + file);
  std::stringstream text;
  text << in.rdbuf();
  Result<Machine> machine =
      file.ends_with(".xml") ? Machine::from_xml(text.str()) : Machine::from_synthetic(text.str());
  EXPECT_TRUE(machine.ok()) << file << ": " << machine.error();
  return std::move(machine).value();
}

// "0 + 3: 1 2 3": the initiator, how many responders, and the first ten of them; or the refusal.
std::string widest(const Machine& machine, std::string_view name) {
  const Result<Placement> placement = widest_placement(machine, name);
  if (!placement.ok()) {
    return placement.error();
  }
  std::string text =
      fmt::format("{} + {}:", placement.value().initiator, placement.value().responders.size());
  for (std::size_t i = 0; i < placement.value().responders.size() && i < 10; ++i) {
    text += fmt::format(" {}", placement.value().responders[i]);
  }
  return text;
}

struct Expected {
  const char* machine;
  const char* placement;
  const char* cpus;
};

std::ostream& operator<<(std::ostream& out, const Expected& expected) {
  return out << expected.placement << " on " << expected.machine;
}

class PlacementsOnMachines : public ::testing::TestWithParam<Expected> {};

TEST_P(PlacementsOnMachines, GiveTheseCpus) {
  const auto& [machine, placement, cpus] = GetParam();
  EXPECT_EQ(widest(recorded(machine), placement), cpus);
}

// Two packages of two NUMA nodes of 16 cores, each node with an L3 cache; CPU n + 64 is the sibling
// of CPU n.
constexpr const char* kTwoSockets = "two-sockets.synthetic";
INSTANTIATE_TEST_SUITE_P(
    TwoSockets, PlacementsOnMachines,
    ::testing::Values(Expected{kTwoSockets, "compact", "0 + 63: 1 2 3 4 5 6 7 8 9 10"},
                      // The other package, then each one's other node, then all four again.
                      Expected{kTwoSockets, "scatter", "0 + 63: 32 16 48 1 33 17 49 2 34 18"},
                      Expected{kTwoSockets, "smt", "0 + 1: 64"},
                      Expected{kTwoSockets, "same_l2",
                               "same_l2: no room for 1 responder: needed are other cores with one "
                               "L2 cache, of which this machine has none"},
                      Expected{kTwoSockets, "same_l3", "0 + 15: 1 2 3 4 5 6 7 8 9 10"},
                      Expected{kTwoSockets, "cross_l3", "0 + 16: 16 17 18 19 20 21 22 23 24 25"},
                      Expected{kTwoSockets, "cross_numa", "0 + 16: 16 17 18 19 20 21 22 23 24 25"},
                      Expected{kTwoSockets, "cross_package",
                               "0 + 32: 32 33 34 35 36 37 38 39 40 41"},
                      Expected{kTwoSockets, "cpus:3,67,32", "3 + 2: 67 32"}));

// One package, 8 L3 caches of 8 cores; CPU n + 64 is the sibling of CPU n.
constexpr const char* kEightCcx = "eight-ccx.synthetic";
INSTANTIATE_TEST_SUITE_P(
    EightCcx, PlacementsOnMachines,
    ::testing::Values(Expected{kEightCcx, "compact", "0 + 63: 1 2 3 4 5 6 7 8 9 10"},
                      Expected{kEightCcx, "scatter", "0 + 63: 8 16 24 32 40 48 56 1 9 17"},
                      Expected{kEightCcx, "smt", "0 + 1: 64"},
                      Expected{kEightCcx, "same_l2",
                               "same_l2: no room for 1 responder: needed are other cores with one "
                               "L2 cache, of which this machine has none"},
                      Expected{kEightCcx, "same_l3", "0 + 7: 1 2 3 4 5 6 7"},
                      Expected{kEightCcx, "cross_l3", "0 + 56: 8 9 10 11 12 13 14 15 16 17"},
                      Expected{kEightCcx, "cross_numa",
                               "cross_numa: no room for 1 responder: needed are cores of another "
                               "NUMA node, of which this machine has none"},
                      Expected{kEightCcx, "cross_package",
                               "cross_package: no room for 1 responder: needed are cores of "
                               "another package, of which this machine has none"},
                      Expected{kEightCcx, "cpus:0-2", "0 + 2: 1 2"}));

// CPUs 0-7: four performance cores of two threads; 8-15: efficiency cores, four with one L2 cache.
constexpr const char* kHybrid = "hybrid-laptop.xml";
INSTANTIATE_TEST_SUITE_P(
    Hybrid, PlacementsOnMachines,
    ::testing::Values(
        Expected{kHybrid, "compact", "0 + 3: 2 4 6"}, Expected{kHybrid, "scatter", "0 + 3: 2 4 6"},
        Expected{kHybrid, "smt", "0 + 1: 1"},
        Expected{
            kHybrid, "same_l2",
            "same_l2: no room for 1 responder: needed are other cores with one L2 cache, of which "
            "this machine has none; CPUs 8-15 are of another kind, which is not mixed in"},
        Expected{kHybrid, "same_l3", "0 + 3: 2 4 6"},
        Expected{
            kHybrid, "cross_l3",
            "cross_l3: no room for 1 responder: needed are cores with another L3 cache, of which "
            "this machine has none; CPUs 8-15 are of another kind, which is not mixed in"},
        Expected{
            kHybrid, "cross_numa",
            "cross_numa: no room for 1 responder: needed are cores of another NUMA node, of which "
            "this machine has none; CPUs 8-15 are of another kind, which is not mixed in"},
        Expected{
            kHybrid, "cross_package",
            "cross_package: no room for 1 responder: needed are cores of another package, of which "
            "this machine has none; CPUs 8-15 are of another kind, which is not mixed in"},
        Expected{kHybrid, "cpus:0,8", "0 + 1: 8"}));

constexpr const char* kArm = "arm-96.synthetic";
INSTANTIATE_TEST_SUITE_P(
    Arm96, PlacementsOnMachines,
    ::testing::Values(Expected{kArm, "compact", "0 + 95: 1 2 3 4 5 6 7 8 9 10"},
                      Expected{kArm, "scatter", "0 + 95: 1 2 3 4 5 6 7 8 9 10"},
                      Expected{kArm, "smt",
                               "smt: no room for 1 responder: needed are other threads of one "
                               "core, of which this machine has none"},
                      Expected{kArm, "same_l2",
                               "same_l2: no room for 1 responder: needed are other cores with one "
                               "L2 cache, of which this machine has none"},
                      Expected{kArm, "same_l3", "0 + 95: 1 2 3 4 5 6 7 8 9 10"},
                      Expected{kArm, "cross_l3",
                               "cross_l3: no room for 1 responder: needed are cores with another "
                               "L3 cache, of which this machine has none"},
                      Expected{kArm, "cross_numa",
                               "cross_numa: no room for 1 responder: needed are cores of another "
                               "NUMA node, of which this machine has none"},
                      Expected{kArm, "cross_package",
                               "cross_package: no room for 1 responder: needed are cores of "
                               "another package, of which this machine has none"},
                      Expected{kArm, "cpus:95,0", "95 + 1: 0"}));

// What needs no responder runs.
constexpr const char* kOneCpu = "one-cpu.synthetic";
INSTANTIATE_TEST_SUITE_P(
    OneCpu, PlacementsOnMachines,
    ::testing::Values(Expected{kOneCpu, "compact", "0 + 0:"},
                      Expected{kOneCpu, "scatter", "0 + 0:"},
                      Expected{kOneCpu, "smt",
                               "smt: no room for 1 responder: needed are other threads of one "
                               "core, of which this machine has none"},
                      Expected{kOneCpu, "same_l2",
                               "same_l2: no room for 1 responder: needed are other cores with one "
                               "L2 cache, of which this machine has none"},
                      Expected{kOneCpu, "same_l3",
                               "same_l3: no room for 1 responder: needed are other cores with one "
                               "L3 cache, but not one L2, of which this machine has none"},
                      Expected{kOneCpu, "cross_l3",
                               "cross_l3: no room for 1 responder: needed are cores with another "
                               "L3 cache, of which this machine has none"},
                      Expected{kOneCpu, "cross_numa",
                               "cross_numa: no room for 1 responder: needed are cores of another "
                               "NUMA node, of which this machine has none"},
                      Expected{kOneCpu, "cross_package",
                               "cross_package: no room for 1 responder: needed are cores of "
                               "another package, of which this machine has none"},
                      Expected{kOneCpu, "cpus:0", "0 + 0:"},
                      Expected{
                          kOneCpu, "cpus:0,1",
                          "cpus:0,1: CPU 1 does not exist or is offline; this machine has CPU 0"}));

// Cores 0-3 with one L3 cache, 4-7 with another; CPU n + 8 is the sibling of CPU n. Usable: both
// threads of cores 1 and 5, one of 3, 6 and 7.
constexpr const char* kHoles = "cpuset-with-holes.xml";
INSTANTIATE_TEST_SUITE_P(
    CpusetWithHoles, PlacementsOnMachines,
    ::testing::Values(Expected{kHoles, "compact", "1 + 4: 11 5 6 15"},
                      Expected{kHoles, "scatter", "1 + 4: 5 11 6 15"},
                      Expected{kHoles, "smt", "1 + 1: 9"},
                      Expected{kHoles, "same_l2",
                               "same_l2: no room for 1 responder: needed are other cores with one "
                               "L2 cache, of which this machine has none"},
                      // Where there is room for most.
                      Expected{kHoles, "same_l3", "5 + 2: 6 15"},
                      Expected{kHoles, "cross_l3", "1 + 3: 5 6 15"},
                      Expected{kHoles, "cross_numa",
                               "cross_numa: no room for 1 responder: needed are cores of another "
                               "NUMA node, of which this machine has none"},
                      Expected{kHoles, "cross_package",
                               "cross_package: no room for 1 responder: needed are cores of "
                               "another package, of which this machine has none"},
                      Expected{kHoles, "cpus:15,1", "15 + 1: 1"},
                      Expected{kHoles, "cpus:1,2",
                               "cpus:1,2: CPU 2 is outside the cpuset or taskset of this process, "
                               "which may use CPUs 1,5-6,9,11,13,15"}));

// Eight packages of one NUMA node, 8 L3 caches and 64 cores; CPU n + 512 is the sibling of CPU n.
constexpr const char* k1024 = "cpus-1024.synthetic";
INSTANTIATE_TEST_SUITE_P(
    Cpus1024, PlacementsOnMachines,
    ::testing::Values(Expected{k1024, "compact", "0 + 511: 1 2 3 4 5 6 7 8 9 10"},
                      Expected{k1024, "scatter", "0 + 511: 64 128 192 256 320 384 448 8 72 136"},
                      Expected{k1024, "smt", "0 + 1: 512"},
                      Expected{k1024, "same_l2",
                               "same_l2: no room for 1 responder: needed are other cores with one "
                               "L2 cache, of which this machine has none"},
                      Expected{k1024, "same_l3", "0 + 7: 1 2 3 4 5 6 7"},
                      Expected{k1024, "cross_l3", "0 + 56: 8 9 10 11 12 13 14 15 16 17"},
                      // A node is a package here.
                      Expected{k1024, "cross_numa", "0 + 448: 64 65 66 67 68 69 70 71 72 73"},
                      Expected{k1024, "cross_package", "0 + 448: 64 65 66 67 68 69 70 71 72 73"},
                      Expected{k1024, "cpus:1023", "1023 + 0:"}));

TEST(PlacementsWithFewerCpus, ATasksetAsksForAnotherKind) {
  const Machine machine = recorded(kHybrid);
  const std::vector<int> efficient{8, 9, 10, 11, 12, 13, 14, 15};
  const Machine rest = machine.restricted_to(efficient).value();
  EXPECT_EQ(widest(rest, "compact"), "8 + 7: 9 10 11 12 13 14 15");
  EXPECT_EQ(widest(rest, "same_l2"), "8 + 3: 9 10 11");
  EXPECT_EQ(widest(rest, "same_l3"), "8 + 4: 12 13 14 15");
}

TEST(PlacementsWithFewerCpus, TheRefusalTellsWhatTheCpusetTakes) {
  const Machine machine = recorded(kTwoSockets).restricted_to(std::vector<int>{0, 1, 2}).value();
  EXPECT_EQ(choose_placement(machine, "cross_package", 3).error(),
            "cross_package: no room for 3 responders: needed are cores of another package, of "
            "which the machine has 32, but the cpuset or taskset (CPUs 0-2) leaves none");
  EXPECT_EQ(
      choose_placement(machine, "same_l3", 3).error(),
      "same_l3: no room for 3 responders: needed are other cores with one L3 cache, but not one "
      "L2, of which the machine has 15, but the cpuset or taskset (CPUs 0-2) leaves 2 (CPUs 1-2)");
}

// Its name would say what is not so.
TEST(PlacementsWithFewerCpus, WithoutRoomForAnyoneThereIsNoneForNobody) {
  EXPECT_FALSE(choose_placement(recorded(kArm), "cross_package", 0).ok());
  EXPECT_TRUE(choose_placement(recorded(kOneCpu), "compact", 0).ok());
}

// Else figures by number of responders would compare different CPUs.
TEST(PlacementsWithFewerCpus, MoreRespondersOnlyAddCpus) {
  const Machine machine = recorded(kHoles);
  for (const PlacementFacts& placement : named_placements()) {
    const Result<Placement> most = widest_placement(machine, placement.name);
    for (std::size_t n = 0; most.ok() && n <= most.value().responders.size(); ++n) {
      const Placement some = choose_placement(machine, placement.name, static_cast<int>(n)).value();
      EXPECT_EQ(some.initiator, most.value().initiator) << placement.name;
      EXPECT_EQ(some.responders,
                std::vector(most.value().responders.begin(),
                            most.value().responders.begin() + static_cast<std::ptrdiff_t>(n)))
          << placement.name;
    }
  }
}

TEST(Kinds, AreToldApart) {
  const Machine machine = recorded(kHybrid);
  ASSERT_EQ(machine.kinds().size(), 2U);
  EXPECT_EQ(machine.kinds()[0].core_type, "IntelAtom");
  EXPECT_LT(machine.kinds()[0].efficiency, machine.kinds()[1].efficiency);
  EXPECT_EQ(machine.find(7)->kind, 1);
  EXPECT_EQ(machine.find(8)->kind, 0);
  EXPECT_EQ(recorded(kArm).find(0)->kind, kNoGroup);
}

}  // namespace
}  // namespace flushwalk::topology
