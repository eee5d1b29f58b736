#include "topology/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

namespace flushwalk::topology {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Machine synthetic(const std::string& text) { return Machine::from_synthetic(text).value(); }

Machine synthetic(const std::string& text, const std::vector<int>& usable) {
  return synthetic(text).restricted_to(usable).value();
}

Result<Placement> choose_compact(const Machine& machine, int responders) {
  return choose_placement(machine, "compact", responders);
}

Result<Placement> choose_listed(const Machine& machine, const std::string& list, int responders) {
  return choose_placement(machine, "cpus:" + list, responders);
}

// Two packages of two NUMA nodes of 16 cores; the siblings are 0 and 1, 2 and 3, ...
Machine two_sockets() { return synthetic("package:2 numa:2 core:16 pu:2"); }

TEST(Compact, OneThreadACoreNearestFirst) {
  const Placement placement = choose_compact(two_sockets(), 3).value();
  EXPECT_EQ(placement.name, "compact");
  EXPECT_EQ(placement.initiator, 0);
  EXPECT_THAT(placement.responders, ElementsAre(2, 4, 6));
}

TEST(Compact, NoResponderNeedsOneCore) {
  const Placement placement = choose_compact(synthetic("core:1 pu:1"), 0).value();
  EXPECT_EQ(placement.initiator, 0);
  EXPECT_THAT(placement.responders, IsEmpty());
}

TEST(Compact, FillsTheWholeMachineAndNoMore) {
  const Machine machine = two_sockets();
  const Placement all = choose_compact(machine, 63).value();
  ASSERT_EQ(all.responders.size(), 63U);
  for (std::size_t i = 0; i < 63; ++i) {
    EXPECT_EQ(all.responders[i], static_cast<int>(2 * (i + 1)));
  }
  EXPECT_EQ(
      choose_compact(machine, 64).error(),
      "compact: no room for 64 responders: needed are other cores, of which this machine has 63");
}

// As x86 kernels mostly number them.
TEST(Compact, SiblingsNumberedLastAreLeftOut) {
  const Machine machine =
      synthetic("package:2 l3:2 core:2 pu:2(indexes=0,8,1,9,2,10,3,11,4,12,5,13,6,14,7,15)");
  EXPECT_THAT(choose_compact(machine, 7).value().responders, ElementsAre(1, 2, 3, 4, 5, 6, 7));
}

// Many kernels number across the packages: neighbours by number are far from each other.
TEST(Compact, NearnessCountsAndNotNumbers) {
  // 2 cores an L2, 4 an L3, 8 a package; package 0 has the even CPUs.
  const Machine machine =
      synthetic("package:2 l3:2 l2:2 core:2 pu:1(indexes=0,2,4,6,8,10,12,14,1,3,5,7,9,11,13,15)",
                {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15});
  const Placement placement = choose_compact(machine, 14).value();
  EXPECT_EQ(placement.initiator, 2);
  EXPECT_THAT(placement.responders, ElementsAre(4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15));
}

TEST(Compact, PassesNumaNodesBeforePackages) {
  const Machine machine =
      synthetic("package:2 numa:2 core:2 pu:1(indexes=6,7,0,1,4,5,2,3)", {0, 1, 2, 4, 5, 6, 7});
  EXPECT_THAT(choose_compact(machine, 6).value().responders, ElementsAre(1, 6, 7, 2, 4, 5));
}

TEST(Compact, TakesUsableCpusOnly) {
  // Core 0 is out, of core 1 only the second thread is in, a hole at core 3.
  const Machine machine = synthetic("core:6 pu:2", {3, 4, 5, 8, 9, 11});
  const Placement placement = choose_compact(machine, 3).value();
  EXPECT_EQ(placement.initiator, 3);
  EXPECT_THAT(placement.responders, ElementsAre(4, 8, 11));
  EXPECT_EQ(choose_compact(machine, 4).error(),
            "compact: no room for 4 responders: needed are other cores, of which the machine has "
            "5, but the cpuset or "
            "taskset (CPUs 3-5,8-9,11) leaves 3 (CPUs 4,8,11)");
}

TEST(Compact, SiblingsAreNotTwoCores) {
  EXPECT_EQ(
      choose_compact(synthetic("core:1 pu:2"), 1).error(),
      "compact: no room for 1 responder: needed are other cores, of which this machine has none");
}

TEST(Compact, RefusesWhatNoMachineHolds) {
  const Machine machine = synthetic("core:2 pu:1");
  EXPECT_EQ(choose_compact(machine, 3).error(),
            "compact: no room for 3 responders: needed are other cores, of which this machine has "
            "1 (CPU 1)");
  EXPECT_EQ(choose_compact(machine, std::numeric_limits<int>::max()).error(),
            "compact: no room for 2147483647 responders: needed are other cores, of which this "
            "machine has 1 (CPU 1)");
  EXPECT_EQ(choose_compact(machine, -1).error(), "-1 responders; at least 0 are allowed");
}

// Else figures by number of responders would compare different initiators.
TEST(Compact, MoreRespondersOnlyAddCpus) {
  const Machine machine = synthetic("package:2 numa:2 l3:2 core:4 pu:2",
                                    {3, 6, 9, 11, 16, 17, 20, 30, 31, 33, 40, 52, 63});
  const Placement most = widest_placement(machine, kCompact).value();
  const int room = static_cast<int>(most.responders.size());
  for (int responders = 0; responders <= room; ++responders) {
    const Placement placement = choose_compact(machine, responders).value();
    EXPECT_EQ(placement.initiator, most.initiator);
    ASSERT_EQ(placement.responders.size(), static_cast<std::size_t>(responders));
    EXPECT_TRUE(std::equal(placement.responders.begin(), placement.responders.end(),
                           most.responders.begin()));
  }
}

TEST(Compact, WorksOnThisSystem) {
  const Machine machine = Machine::discover().value();
  const Placement placement = widest_placement(machine, kCompact).value();
  std::vector<int> cores{machine.find(placement.initiator)->core};
  EXPECT_TRUE(machine.check_usable(placement.initiator).ok());
  for (const int cpu : placement.responders) {
    EXPECT_TRUE(machine.check_usable(cpu).ok());
    cores.push_back(machine.find(cpu)->core);
  }
  std::sort(cores.begin(), cores.end());
  EXPECT_EQ(std::adjacent_find(cores.begin(), cores.end()), cores.end()) << "a core was used twice";
  EXPECT_FALSE(choose_compact(machine, static_cast<int>(cores.size())).ok());
}

TEST(Listed, FirstIsTheInitiatorAndTheOrderIsKept) {
  const Placement placement = choose_listed(two_sockets(), "8,0,4", 2).value();
  EXPECT_EQ(placement.name, "cpus:8,0,4");
  EXPECT_EQ(placement.initiator, 8);
  EXPECT_THAT(placement.responders, ElementsAre(0, 4));
}

TEST(Listed, RangesAndSiblingsAreTakenAsAsked) {
  const Placement placement = choose_listed(two_sockets(), "0-3", 3).value();
  EXPECT_EQ(placement.initiator, 0);
  EXPECT_THAT(placement.responders, ElementsAre(1, 2, 3));
}

TEST(Listed, LeavesTheRestUnused) {
  EXPECT_THAT(choose_listed(two_sockets(), "0-7", 1).value().responders, ElementsAre(1));
  EXPECT_THAT(choose_listed(two_sockets(), "5", 0).value().responders, IsEmpty());
}

TEST(Listed, RefusesAListThatIsTooShort) {
  EXPECT_EQ(choose_listed(two_sockets(), "0,4,8", 3).error(),
            "cpus:0,4,8: no room for 3 responders: beside the initiator's 2 are listed");
  EXPECT_EQ(choose_listed(two_sockets(), "0", 1).error(),
            "cpus:0: no room for 1 responder: beside the initiator's 0 are listed");
  EXPECT_FALSE(choose_listed(two_sockets(), "0", -1).ok());
}

TEST(Listed, NamesTheCpuThatCantBeUsed) {
  const Machine machine = synthetic("core:4 pu:1", {0, 1, 3});
  EXPECT_THAT(choose_listed(machine, "0,7", 1).error(), HasSubstr("CPU 7 does not exist"));
  EXPECT_THAT(choose_listed(machine, "0,2", 1).error(),
              HasSubstr("CPU 2 is outside the cpuset or taskset"));
  EXPECT_FALSE(choose_listed(machine, "0,1,2", 1).ok()) << "a CPU that is left over counts too";
}

TEST(Listed, RefusesWhatTheListReaderRefuses) {
  EXPECT_EQ(choose_listed(two_sockets(), "0,4,0", 2).error(), "cpus: CPU 0 is listed twice");
  EXPECT_THAT(choose_listed(two_sockets(), "0;4", 1).error(), HasSubstr("\"0;4\" is not a CPU"));
  EXPECT_FALSE(choose_listed(two_sockets(), "", 0).ok());
}

TEST(Widest, HasAllThatThereIsRoomFor) {
  const Machine machine = synthetic("package:2 core:2 pu:2");
  EXPECT_THAT(widest_placement(machine, "compact").value().responders, ElementsAre(2, 4, 6));
  EXPECT_THAT(widest_placement(machine, "cpus:5,1,3").value().responders, ElementsAre(1, 3));
  EXPECT_FALSE(widest_placement(machine, "same_l2").ok());
}

TEST(Named, AnUnknownNameIsToldAllNames) {
  const std::string error = choose_placement(two_sockets(), "far", 0).error();
  EXPECT_THAT(error, HasSubstr("far is not one of compact, scatter, smt, same_l2, same_l3, "));
  EXPECT_THAT(error, HasSubstr("cross_package, cpus:LIST"));
}

}  // namespace
}  // namespace flushwalk::topology
