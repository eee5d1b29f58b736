#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/machine/machine_facts.h"
#include "bench/machine/tests/recorded_root.h"

namespace flushwalk {
namespace {

using Json = nlohmann::ordered_json;

TEST(MachineFacts, UnreadableNumbersAreNull) {
  const Folder root;
  root.put("proc/sys/vm/max_map_count", "many\n");
  root.put("proc/sys/kernel/perf_event_paranoid", "\n");
  root.put("sys/kernel/mm/transparent_hugepage/enabled", "always\n");
  root.put("proc/meminfo", "MemTotal: lots kB\n");
  root.put("proc/loadavg", "none\n");
  EXPECT_EQ(describe_vm(root.path())["max_map_count"], nullptr);
  EXPECT_EQ(describe_vm(root.path())["thp"], nullptr);
  EXPECT_EQ(describe_perf(root.path())["event_paranoid"], nullptr);
  EXPECT_EQ(describe_memory(root.path())["total_kib"], nullptr);
  EXPECT_EQ(describe_load(root.path())["average_1min"], nullptr);
}

TEST(MachineFacts, Arm64NamesItsCpuByNumbers) {
  const Folder root;
  root.put("proc/cpuinfo",
           "processor\t: 0\nFeatures\t: fp asimd atomics\nCPU implementer\t: 0x41\n"
           "CPU architecture: 8\nCPU variant\t: 0x3\nCPU part\t: 0xd0c\nCPU revision\t: 1\n");
  EXPECT_EQ(describe_cpu(root.path()).dump(),
            R"({"model":null,"vendor":"0x41","family":8,"model_number":"0xd0c","stepping":1,)"
            R"("microcode":null,"flags_of_interest":["atomics"]})");
}

Json pmu_of(const std::vector<std::string>& devices) {
  const Folder root;
  for (const std::string& device : devices) {
    root.put("sys/bus/event_source/devices/" + device + "/type", "1\n");
  }
  return describe_perf(root.path())["hardware_pmu"];
}

TEST(MachineFacts, HardwarePmuIsNamedDifferentlyByMachines) {
  EXPECT_EQ(pmu_of({"software", "tracepoint", "breakpoint", "msr", "cpufreq"}), false);
  EXPECT_EQ(pmu_of({"software", "cpu"}), true);
  EXPECT_EQ(pmu_of({"cpu_atom", "cpu_core"}), true);
  EXPECT_EQ(pmu_of({"armv8_pmuv3_0"}), true);
  EXPECT_EQ(pmu_of({}), nullptr);
}

const std::string kCpus = "sys/devices/system/cpu/";

TEST(MachineFacts, PoliciesThatDifferAreAllNamed) {
  const Folder root;
  root.put(kCpus + "cpufreq/policy0/scaling_governor", "powersave\n");
  root.put(kCpus + "cpufreq/policy4/scaling_governor", "performance\n");
  root.put(kCpus + "cpufreq/policy12/scaling_governor", "powersave\n");
  root.put(kCpus + "cpufreq/policy0/scaling_driver", "intel_pstate\n");
  root.put(kCpus + "intel_pstate/no_turbo", "0\n");
  EXPECT_EQ(describe_frequency(root.path()).dump(),
            R"({"driver":"intel_pstate","governor":"performance powersave",)"
            R"("energy_preference":null,"turbo":true})");
}

// intel_pstate says what is off, all others what is on.
TEST(MachineFacts, TurboIsToldInTwoWays) {
  const Folder root;
  EXPECT_EQ(describe_frequency(root.path())["turbo"], nullptr);
  root.put(kCpus + "cpufreq/boost", "0\n");
  EXPECT_EQ(describe_frequency(root.path())["turbo"], false);
  root.put(kCpus + "intel_pstate/no_turbo", "1\n");
  root.put(kCpus + "cpufreq/boost", "1\n");
  EXPECT_EQ(describe_frequency(root.path())["turbo"], false);
}

// An empty list of CPUs is not an unknown one, and one kernel prints it as (null).
TEST(MachineFacts, NoIsolatedCpuIsToldFromNotKnowing) {
  const Folder root;
  EXPECT_EQ(describe_isolation(root.path()).dump(),
            R"({"isolated":null,"nohz_full":null,"rcu_nocbs":null})");
  root.put(kCpus + "isolated", "\n");
  root.put(kCpus + "nohz_full", "  (null)\n");
  root.put("proc/cmdline", "quiet nohz_full=9 rcu_nocbsx=3\n");
  EXPECT_EQ(describe_isolation(root.path()).dump(),
            R"({"isolated":"none","nohz_full":"none","rcu_nocbs":"none"})");
  root.put(kCpus + "isolated", "2-7\n");
  root.put(kCpus + "nohz_full", "2-7\n");
  root.put("proc/cmdline", "rcu_nocbs=2-7 quiet\n");
  EXPECT_EQ(describe_isolation(root.path()).dump(),
            R"({"isolated":"2-7","nohz_full":"2-7","rcu_nocbs":"2-7"})");
}

Json page_tables(const std::string& flags, const std::string& meltdown) {
  const Folder root;
  root.put("proc/cpuinfo", flags);
  root.put(kCpus + "vulnerabilities/meltdown", meltdown);
  return describe_page_tables(root.path());
}

TEST(MachineFacts, IsolatedPageTablesAreToldByEitherWord) {
  EXPECT_EQ(page_tables("flags\t: pcid pti\n", "").dump(),
            R"({"pti":true,"pcid":true,"invpcid":false})");
  EXPECT_EQ(page_tables("flags\t: invpcid xpti\n", "Not affected\n").dump(),
            R"({"pti":false,"pcid":false,"invpcid":true})");
  EXPECT_EQ(page_tables("Features\t: fp\n", "Mitigation: PTI\n").dump(),
            R"({"pti":true,"pcid":null,"invpcid":null})");
  EXPECT_EQ(page_tables("", "").dump(), R"({"pti":null,"pcid":null,"invpcid":null})");
}

// A limit of any group above holds for this process as well.
TEST(MachineFacts, TheTightestQuotaOfTheGroupsAboveCounts) {
  const Folder root;
  EXPECT_EQ(describe_load(root.path())["cpu_quota"], nullptr);
  root.put("proc/self/cgroup", "12:cpu:/old\n0::/a/b\n");
  EXPECT_EQ(describe_load(root.path())["cpu_quota"], "none");
  root.put("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  root.put("sys/fs/cgroup/a/cpu.max", "150000 100000\n");
  root.put("sys/fs/cgroup/cpu.max", "400000 100000\n");
  EXPECT_EQ(describe_load(root.path())["cpu_quota"], 1.5);
}

}  // namespace
}  // namespace flushwalk
