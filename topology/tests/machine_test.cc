#include "topology/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <string>
#include <thread>
#include <vector>

#include "topology/cpu_list.h"

namespace flushwalk::topology {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kTwoSocketsOf16 = "package:2 numa:2 core:16 pu:2";

std::vector<int> affinity_mask() {
  cpu_set_t mask;
  EXPECT_EQ(sched_getaffinity(0, sizeof(mask), &mask), 0);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &mask)) {
      cpus.push_back(cpu);
    }
  }
  return cpus;
}

TEST(MachineDiscover, IsThisSystem) {
  const Result<Machine> machine = Machine::discover();
  ASSERT_TRUE(machine.ok()) << machine.error();
  EXPECT_TRUE(machine.value().is_this_system());
  EXPECT_GE(machine.value().cores(), 1);
  EXPECT_GE(machine.value().pus().size(), static_cast<std::size_t>(machine.value().cores()));
  EXPECT_THAT(machine.value().hwloc_version(), testing::MatchesRegex("[0-9]+\\.[0-9]+.*"));
  EXPECT_THAT(machine.value().summary(), testing::Not(HasSubstr("not this system")));
}

// Whatever taskset or cpuset this test runs under: the kernel's mask holds both.
TEST(MachineDiscover, UsableAreTheCpusOfTheAffinityMask) {
  const Result<Machine> machine = Machine::discover();
  ASSERT_TRUE(machine.ok()) << machine.error();
  EXPECT_EQ(machine.value().usable_cpus(), affinity_mask());
}

TEST(MachineDiscover, RespectsTaskset) {
  const std::vector<int> before = affinity_mask();
  if (before.size() < 2) {
    GTEST_SKIP() << "needs 2 CPUs to leave one out; this process may use " << describe_cpus(before);
  }
  // In a thread of its own, so that the mask of the others stays as it is.
  std::thread([&before] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(before.back()), &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    const Result<Machine> machine = Machine::discover();
    ASSERT_TRUE(machine.ok()) << machine.error();
    EXPECT_THAT(machine.value().usable_cpus(), ElementsAre(before.back()));
    EXPECT_GE(machine.value().pus().size(), before.size()) << "the others exist all the same";
    EXPECT_THAT(machine.value().check_usable(before.front()).error(),
                HasSubstr("outside the cpuset or taskset"));
    EXPECT_EQ(affinity_mask(), std::vector<int>{before.back()}) << "discovery leaves it alone";
  }).join();
}

TEST(MachineSynthetic, CountsTwoSockets) {
  const Machine machine = Machine::from_synthetic(kTwoSocketsOf16).value();
  EXPECT_FALSE(machine.is_this_system());
  EXPECT_EQ(machine.summary(),
            "2 packages, 4 NUMA nodes, 64 cores, 128 PUs; usable 0-127; not this system");
}

TEST(MachineSynthetic, TellsWhereEachPuIs) {
  const Machine machine = Machine::from_synthetic(kTwoSocketsOf16).value();
  const Pu* pu = machine.find(67);  // the second thread of core 33, the second core of package 1
  ASSERT_NE(pu, nullptr);
  EXPECT_EQ(pu->os_index, 67);
  EXPECT_EQ(pu->logical_index, 67);
  EXPECT_EQ(pu->core, 33);
  EXPECT_EQ(pu->numa_node, 2);
  EXPECT_EQ(pu->package, 1);
  EXPECT_EQ(pu->smt_rank, 1);
  EXPECT_EQ(pu->l2, kNoGroup);
  EXPECT_EQ(pu->l3, kNoGroup);
  EXPECT_TRUE(pu->usable);
  EXPECT_EQ(machine.find(66)->smt_rank, 0);
  EXPECT_EQ(machine.find(128), nullptr);
}

// On x86 the kernel numbers the siblings last (cores 0-3, then again 4-7).
TEST(MachineSynthetic, KeepsTheKernelsNumbersApartFromTheOrder) {
  const Machine machine = Machine::from_synthetic("core:4 pu:2(indexes=0,4,1,5,2,6,3,7)").value();
  EXPECT_EQ(machine.pus()[1].os_index, 4);
  EXPECT_EQ(machine.find(4)->logical_index, 1);
  EXPECT_EQ(machine.find(4)->core, 0);
  EXPECT_EQ(machine.find(4)->smt_rank, 1);
  EXPECT_EQ(machine.find(1)->core, 1);
  EXPECT_EQ(machine.find(1)->smt_rank, 0);
  EXPECT_THAT(machine.usable_cpus(), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_LT(machine.distance(0, 4), machine.distance(0, 1));
}

TEST(MachineSynthetic, TellsOfCaches) {
  const Machine machine =
      Machine::from_synthetic(
          "package:1 l3:2(size=33554432) l2:4(size=1048576) l1d:1(size=49152) core:1 pu:2")
          .value();
  ASSERT_EQ(machine.caches().size(), 3U);
  EXPECT_EQ(machine.caches()[0].level, 1);
  EXPECT_EQ(machine.caches()[1].level, 2);
  const Cache& l3 = machine.caches()[2];
  EXPECT_EQ(l3.level, 3);
  EXPECT_EQ(l3.size_bytes, 32U << 20);
  EXPECT_EQ(l3.shared_by, 8);
  EXPECT_EQ(l3.count, 2);
  EXPECT_EQ(machine.caches()[1].count, 8);
  EXPECT_EQ(machine.find(8)->l3, 1);
  EXPECT_EQ(machine.find(7)->l2, 3);
}

TEST(MachineSynthetic, NearnessFollowsWhatIsShared) {
  // PUs: 2 a core, 4 an L2, 8 an L3, 16 a NUMA node, 32 a package, 64 in all.
  const Machine machine = Machine::from_synthetic("package:2 numa:2 l3:2 l2:2 core:2 pu:2").value();
  const std::vector<int> further{0, 1, 2, 4, 8, 16, 32};
  for (std::size_t i = 1; i < further.size(); ++i) {
    EXPECT_LT(machine.distance(0, further[i - 1]), machine.distance(0, further[i])) << further[i];
  }
  EXPECT_EQ(machine.distance(0, 0), 0);
  EXPECT_EQ(machine.distance(0, 32), machine.distance(0, 63));
  EXPECT_EQ(machine.distance(0, 32), machine.distance(32, 0));
}

TEST(MachineSynthetic, WithoutCoresEachPuIsOne) {
  const Machine machine = Machine::from_synthetic("pu:4").value();
  EXPECT_EQ(machine.cores(), 4);
  EXPECT_EQ(machine.find(3)->core, 3);
  EXPECT_EQ(machine.find(3)->smt_rank, 0);
}

TEST(MachineSynthetic, OneOfEachIsSingular) {
  const Machine machine = Machine::from_synthetic("package:1 core:1 pu:1").value();
  EXPECT_EQ(machine.summary(), "1 package, 1 NUMA node, 1 core, 1 PU; usable 0; not this system");
}

TEST(MachineText, MalformedIsAnError) {
  EXPECT_THAT(Machine::from_synthetic("sockets: many").error(),
              HasSubstr("hwloc can't read the synthetic topology"));
  EXPECT_FALSE(Machine::from_synthetic("").ok());
  EXPECT_THAT(Machine::from_xml("<topology").error(), HasSubstr("the XML topology"));
  EXPECT_FALSE(Machine::from_xml("").ok());
}

TEST(MachineXml, RecordsMachineAndWhatIsUsable) {
  const std::vector<int> some{0, 2, 40, 127};
  const Machine machine =
      Machine::from_synthetic(kTwoSocketsOf16).value().restricted_to(some).value();
  const Result<std::string> xml = machine.xml();
  ASSERT_TRUE(xml.ok()) << xml.error();
  const Result<Machine> again = Machine::from_xml(xml.value());
  ASSERT_TRUE(again.ok()) << again.error();
  EXPECT_EQ(again.value().summary(), machine.summary());
  EXPECT_EQ(again.value().usable_cpus(), some);
  EXPECT_EQ(machine.hwloc_version(), again.value().hwloc_version());
}

TEST(MachineXml, ARecordingOfThisSystemIsNotThisSystem) {
  const Machine here = Machine::discover().value();
  const Result<std::string> xml = here.xml();
  ASSERT_TRUE(xml.ok()) << xml.error();
  const Machine recorded = Machine::from_xml(xml.value()).value();
  EXPECT_FALSE(recorded.is_this_system());
  EXPECT_EQ(recorded.usable_cpus(), here.usable_cpus());
  EXPECT_EQ(recorded.summary(), here.summary() + "; not this system");
}

TEST(MachineRestricted, OnlyEverTakesAway) {
  const Machine machine = Machine::from_synthetic("core:4 pu:2").value();
  const Machine narrow = machine.restricted_to(std::vector<int>{1, 2, 3}).value();
  EXPECT_THAT(narrow.usable_cpus(), ElementsAre(1, 2, 3));
  EXPECT_EQ(machine.usable_cpus().size(), 8U) << "the machine it was made from stays as it was";
  EXPECT_THAT(narrow.restricted_to(std::vector<int>{3, 4}).value().usable_cpus(), ElementsAre(3));
}

TEST(MachineRestricted, RefusesToLeaveNothingOrToNameWhatIsNotThere) {
  const Machine machine = Machine::from_synthetic("core:2 pu:1").value();
  EXPECT_EQ(machine.restricted_to({}).error(),
            "no CPU left of CPUs 0-1, which this process may use");
  EXPECT_EQ(machine.restricted_to(std::vector<int>{0, 9}).error(),
            "CPU 9 does not exist or is offline; this machine has CPUs 0-1");
}

TEST(MachineUsable, AnErrorSaysWhyAndWhatIsAllowed) {
  const Machine machine = Machine::from_synthetic("core:4 pu:1")
                              .value()
                              .restricted_to(std::vector<int>{0, 1, 3})
                              .value();
  EXPECT_TRUE(machine.check_usable(3).ok());
  EXPECT_EQ(machine.check_usable(2).error(),
            "CPU 2 is outside the cpuset or taskset of this process, which may use CPUs 0-1,3");
  EXPECT_EQ(machine.check_usable(4).error(),
            "CPU 4 does not exist or is offline; this machine has CPUs 0-3");
  EXPECT_FALSE(machine.check_usable(-1).ok());
}

}  // namespace
}  // namespace flushwalk::topology
