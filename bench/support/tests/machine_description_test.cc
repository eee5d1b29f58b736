#include "bench/support/machine_description.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "bench/machine/tests/recorded_root.h"

namespace flushwalk {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using Json = nlohmann::ordered_json;

void put_x86_guest(const Folder& root) {
  root.put("proc/cpuinfo",
           "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\n"
           "model name\t: AMD EPYC\nstepping\t: 1\nmicrocode\t: 0x1000065\n"
           "flags\t\t: fpu pcid tsc constant_tsc invpcid xpcid\n\nprocessor\t: 1\nmodel\t: 99\n");
  root.put("proc/sys/kernel/hostname", "box\n");
  root.put("proc/sys/kernel/osrelease", "6.18.44\n");
  root.put("proc/sys/kernel/version", "#1 SMP PREEMPT_DYNAMIC @0\n");
  root.put("proc/sys/kernel/perf_event_paranoid", "-1\n");
  root.put("proc/cmdline", "console=ttyS0 rdinit=/first quiet init=/second -- --secret=1 x\n");
  root.put("proc/meminfo",
           "MemTotal:        8123456 kB\nMemFree: 1 kB\nMemAvailable:    70000 kB\n");
  root.put("proc/sys/vm/max_map_count", "65530\n");
  root.put("proc/sys/vm/overcommit_memory", "1\n");
  root.put("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
  root.put("sys/kernel/mm/transparent_hugepage/shmem_enabled", "always within_size [never] deny\n");
  root.put("sys/kernel/mm/ksm/run", "0\n");
  root.put("proc/sys/kernel/randomize_va_space", "2\n");
  root.put("proc/sys/kernel/nmi_watchdog", "1\n");
  root.put("sys/kernel/debug/x86/tlb_single_page_flush_ceiling", "33\n");
  root.put("sys/devices/system/cpu/vulnerabilities/meltdown", "Not affected\n");
  root.put("sys/devices/system/cpu/vulnerabilities/spectre_v2", "Mitigation: Retpolines; STIBP\n");
  root.put("sys/bus/event_source/devices/cpu/type", "4\n");
  root.put("sys/bus/event_source/devices/software/type", "1\n");
  const std::string cache = "sys/devices/system/cpu/cpu0/cache/";
  root.put(cache + "uevent", "");
  root.put(cache + "index0/level", "1\n");
  root.put(cache + "index0/type", "Data\n");
  root.put(cache + "index0/size", "32K\n");
  root.put(cache + "index0/coherency_line_size", "64\n");
  root.put(cache + "index0/ways_of_associativity", "8\n");
  root.put(cache + "index0/shared_cpu_list", "0-1\n");
  root.put(cache + "index3/level", "3\n");
}

// What the guest's CPUID tells, of its hypervisor and of a TLB.
CpuidFunction guest_cpuid() {
  return [kvm = hypervisor("KVMKVMKVM", 0)](std::uint32_t leaf, std::uint32_t subleaf) {
    if (leaf == 0) {  // AuthenticAMD
      return std::optional<CpuidLeaf>({0, 0x68747541, 0x444d4163, 0x69746e65});
    }
    return leaf == 0x80000006 ? std::optional<CpuidLeaf>({.ebx = 0x68000000}) : kvm(leaf, subleaf);
  };
}

MachineInputs some_inputs() {
  return {.command_line = {"flush_walk_bench", "--out=x y"},
          .created = 1'700'000'000,
          .topology = TopologyFacts{1, 1, 2, 2, "0-1", true, "2.9.0", "1 package, 2 cores"},
          .clock = ClockDescription{.source = ClockSource::tsc,
                                    .frequency_hz = 2.6e9,
                                    .calibration_error_ppm = 0.5,
                                    .invariant = true,
                                    .how = "trusted",
                                    .overhead_min_ns = 8,
                                    .overhead_ns = 9,
                                    .overhead_p99_ns = 10,
                                    .resolution_ns = 0.5},
          .shootdowns = MechanismFinding{ShootdownMechanism::ipi, "50 of 50"},
          .ceiling = FlushCeiling{12, "measured"},
          .counters = Json::parse(R"({"requested": "tlb", "cpu_pmus": ["skl"],
              "hardware_groups": 1, "groups_change": "one group",
              "cost": {"begin_ns": 1, "end_ns": 2, "read_ns": 3, "flush_ns": 4,
                       "counted_flush_ns": 5},
              "events": [{"name": "cycles:k", "kind": "hardware", "group": 0,
                          "status": "counted", "errno": null, "reason": null,
                          "remedy": null}]})"),
          .libraries = {{"extra", "1.2"}}};
}

// Paths as in reports/SCHEMA.md: "cpu.model", "caches[].level", "mitigations.<name>".
void collect_keys(const Json& value, const std::string& path, std::set<std::string>& keys) {
  if (value.is_array()) {
    for (const Json& element : value) {
      collect_keys(element, path + "[]", keys);
    }
  } else if (value.is_object()) {
    for (const auto& [key, element] : value.items()) {
      const bool named_by_machine = path == "mitigations" || path == "libraries";
      const std::string name = named_by_machine ? "<name>" : key;
      collect_keys(element, path.empty() ? name : path + "." + name, keys);
    }
  } else {
    keys.insert(path);
  }
}

std::set<std::string> described_keys() {
  std::ifstream file(FLUSHWALK_SCHEMA_PATH);
  std::set<std::string> keys;
  bool in_section = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("## ")) {
      in_section = line == "## machine.json";
    }
    if (in_section && line.starts_with("| `")) {
      keys.insert(line.substr(3, line.find('`', 3) - 3));
    }
  }
  return keys;
}

TEST(DescribeMachine, HasExactlyTheKeysOfTheDescription) {
  const Folder root;
  put_x86_guest(root);
  std::set<std::string> keys;
  collect_keys(describe_machine(some_inputs(), {root.path(), guest_cpuid()}), "", keys);
  EXPECT_EQ(keys, described_keys());
}

TEST(DescribeMachine, ReadsARecordedGuest) {
  const Folder root;
  put_x86_guest(root);
  const Json json = describe_machine(some_inputs(), {root.path(), guest_cpuid()});
  EXPECT_EQ(json["schema_version"], 1);
  EXPECT_EQ(json["created"], "2023-11-14T22:13:20Z");
  EXPECT_EQ(json["command_line"], Json({"flush_walk_bench", "--out=x y"}));
  EXPECT_EQ(json["host"], "box");
  EXPECT_EQ(json["cpu"].dump(),
            R"({"model":"AMD EPYC","vendor":"AuthenticAMD","family":25,"model_number":17,)"
            R"("stepping":1,"microcode":"0x1000065",)"
            R"("flags_of_interest":["pcid","tsc","constant_tsc","invpcid"]})");
  EXPECT_EQ(json["kernel"].dump(), R"({"release":"6.18.44","version":"#1 SMP PREEMPT_DYNAMIC @0",)"
                                   R"("command_line":"console=ttyS0 quiet","aslr":2,)"
                                   R"("numa_balancing":null,"nmi_watchdog":true})");
  EXPECT_EQ(json["mitigations"].dump(),
            R"({"meltdown":"Not affected","spectre_v2":"Mitigation: Retpolines; STIBP"})");
  EXPECT_EQ(json["memory"]["total_kib"], 8123456);
  EXPECT_EQ(json["memory"]["available_kib"], 70000);
  EXPECT_EQ(json["vm"].dump(),
            R"({"max_map_count":65530,"overcommit_memory":1,)"
            R"("thp":"madvise","thp_shmem":"never","ksm":0,"stat_interval":null})");
  EXPECT_EQ(json["perf"].dump(), R"({"event_paranoid":-1,"hardware_pmu":true})");
  EXPECT_EQ(json["tlb"]["single_page_flush_ceiling"], 33);
  EXPECT_EQ(json["tlb"]["sizes"].dump(),
            R"([{"level":2,"type":"Data","pages":"4K","entries":2048,"ways":8}])");
  EXPECT_EQ(json["shootdowns"].dump(), R"({"mechanism":"ipi","how":"50 of 50"})");
  EXPECT_THAT(json["tlb"]["how"].get<std::string>(), HasSubstr("/sys/kernel/debug/x86/"));
  ASSERT_EQ(json["caches"].size(), 2U);
  EXPECT_EQ(json["caches"][0].dump(), R"({"level":1,"type":"Data","size_kib":32,"line_bytes":64,)"
                                      R"("ways":8,"shared_cpus":"0-1"})");
  EXPECT_EQ(json["caches"][1]["size_kib"], nullptr);
  EXPECT_EQ(json["topology"]["usable_cpus"], "0-1");
  EXPECT_EQ(json["clock"]["source"], "tsc");
  EXPECT_EQ(json["clock"]["overhead_p99_ns"], 10);
  EXPECT_EQ(json["clock"]["resolution_ns"], 0.5);
  EXPECT_EQ(json["libraries"]["extra"], "1.2");
  EXPECT_EQ(json["libraries"]["hwloc"], "2.9.0");
  EXPECT_EQ(json["libraries"]["benchmark"].get<std::string>().empty(), false);
  EXPECT_FALSE(json["flushwalk"]["git_revision"].get<std::string>().empty());
  EXPECT_FALSE(json["flushwalk"]["compiler"].get<std::string>().empty());
}

// No file, no CPUID, nothing handed in: nothing is made up.
TEST(DescribeMachine, UnknownIsNull) {
  const Folder root;
  const Json json = describe_machine({.command_line = {"x"}}, {root.path() / "none", no_cpuid});
  std::set<std::string> known;
  const Json flat = json.flatten();
  for (const auto& [path, value] : flat.items()) {
    if (!value.is_null() && !path.starts_with("/flushwalk/") && !path.starts_with("/libraries/")) {
      known.insert(path);
    }
  }
  EXPECT_EQ(known, (std::set<std::string>{"/command_line/0", "/created", "/memory/page_bytes",
                                          "/schema_version", "/tlb/how", "/tlb/sizes_how"}))
      << json.dump(2);
  EXPECT_EQ(json["tlb"]["how"], "not readable, not measured");
}

// The kernel's own number wins; where it is for root alone, the measured one stands, with its
// figures.
TEST(DescribeMachine, TheCeilingIsMeasuredWhereItCannotBeRead) {
  const Folder root;
  MachineInputs inputs;
  inputs.ceiling = FlushCeiling{12, "measured: 12 and 13"};
  const auto tlb = [&] { return describe_machine(inputs, {root.path(), no_cpuid})["tlb"]; };
  EXPECT_EQ(tlb()["single_page_flush_ceiling"], 12);
  EXPECT_EQ(tlb()["how"], "measured: 12 and 13");
  inputs.ceiling = FlushCeiling{std::nullopt, "no step"};
  EXPECT_EQ(tlb()["single_page_flush_ceiling"], nullptr);
  EXPECT_EQ(tlb()["how"], "no step");
  root.put("sys/kernel/debug/x86/tlb_single_page_flush_ceiling", "33\n");
  EXPECT_EQ(tlb()["single_page_flush_ceiling"], 33);
}

TEST(MachineJsonText, SurvivesArgumentsThatAreNotUtf8) {
  const std::string text = machine_json_text(Json{{"command_line", {"a\xff", "ü"}}});
  EXPECT_EQ(Json::parse(text)["command_line"][1], "ü");
  EXPECT_EQ(text.back(), '\n');
}

TEST(WriteFileAtomically, ReplacesAFileForAllReaders) {
  const Folder folder;
  folder.put("machine.json", "old and longer");
  EXPECT_EQ(write_file_atomically(folder.path() / "machine.json", "new"), std::nullopt);
  EXPECT_EQ(folder.get("machine.json"), "new");
  struct stat status {};
  ASSERT_EQ(stat((folder.path() / "machine.json").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0644U);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator{}), 1);
}

TEST(WriteFileAtomically, WhatCannotBeWrittenLeavesNothingBehind) {
  const Folder folder;
  const auto missing = write_file_atomically(folder.path() / "none/machine.json", "x");
  ASSERT_TRUE(missing.has_value());
  EXPECT_THAT(missing->line(), HasSubstr("none/machine.json: cannot be written: No such file"));
  fs::create_directories(folder.path() / "machine.json/inside");
  const auto taken = write_file_atomically(folder.path() / "machine.json", "x");
  ASSERT_TRUE(taken.has_value());
  EXPECT_THAT(taken->text, HasSubstr("Is a directory"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator{}), 1);
}

// The script that each build runs, on clones made for it.
class GitRevisionTest : public testing::Test {
 protected:
  void SetUp() override {
    if (shell("git --version") != 0) {
      GTEST_SKIP() << "no git";
    }
  }

  int shell(const std::string& command) const {
    const std::string quiet =
        fmt::format("cd '{}' && {} >/dev/null 2>&1", folder_.path().string(), command);
    return std::system(quiet.c_str());
  }
  // git, whatever this user's configuration and this process's environment say.
  int git(const std::string& arguments) const {
    return shell(
        "env -u GIT_DIR -u GIT_WORK_TREE -u GIT_INDEX_FILE git -C clone "
        "-c user.name=n -c user.email=e -c commit.gpgsign=false " +
        arguments);
  }
  // The header that is made for a source folder.
  std::string header_for(const std::string& source) const {
    const std::string command =
        fmt::format("'{}' -DSOURCE='{}' -DOUTPUT='{}' -P '{}'", FLUSHWALK_CMAKE,
                    (folder_.path() / source).string(), (folder_.path() / "out.h").string(),
                    FLUSHWALK_GIT_REVISION_SCRIPT);
    EXPECT_EQ(shell("env -u GIT_DIR -u GIT_WORK_TREE -u GIT_INDEX_FILE "
                    "GIT_CEILING_DIRECTORIES=\"$PWD\" " +
                    command),
              0);
    return folder_.get("out.h");
  }

  Folder folder_;
};

TEST_F(GitRevisionTest, FollowsTheCloneAndIsWrittenOnlyWhenItChanges) {
  folder_.put("clone/file", "1");
  ASSERT_EQ(git("init -q"), 0);
  EXPECT_THAT(header_for("clone"), HasSubstr("kGitRevision = \"unknown\""));
  ASSERT_EQ(git("add file"), 0);
  ASSERT_EQ(git("commit -q -m one"), 0);
  const std::string first = header_for("clone");
  EXPECT_THAT(first, testing::ContainsRegex("kGitRevision = \"[0-9a-f]{40}\""));
  EXPECT_THAT(first, HasSubstr("kGitDirty = 0;"));

  const auto long_ago = fs::file_time_type::clock::now() - std::chrono::hours(24);
  fs::last_write_time(folder_.path() / "out.h", long_ago);
  EXPECT_EQ(header_for("clone"), first);
  EXPECT_EQ(fs::last_write_time(folder_.path() / "out.h"), long_ago);

  folder_.put("clone/new_source", "1");
  EXPECT_THAT(header_for("clone"), HasSubstr("kGitDirty = 1;"));
  fs::remove(folder_.path() / "clone/new_source");
  folder_.put("clone/file", "changed");
  EXPECT_THAT(header_for("clone"), HasSubstr("kGitDirty = 1;"));
  ASSERT_EQ(git("commit -q -a -m two"), 0);
  const std::string second = header_for("clone");
  EXPECT_THAT(second, HasSubstr("kGitDirty = 0;"));
  EXPECT_NE(second, first);
}

TEST_F(GitRevisionTest, OutsideOfACloneItIsUnknown) {
  folder_.put("clone/file", "1");
  folder_.put("clone/unpacked/file", "1");
  folder_.put("plain/file", "1");
  ASSERT_EQ(git("init -q"), 0);
  ASSERT_EQ(git("add file"), 0);
  ASSERT_EQ(git("commit -q -m one"), 0);
  for (const char* source : {"plain", "clone/unpacked"}) {
    const std::string header = header_for(source);
    EXPECT_THAT(header, HasSubstr("kGitRevision = \"unknown\"")) << source;
    EXPECT_THAT(header, HasSubstr("kGitDirty = -1;")) << source;
  }
}

}  // namespace
}  // namespace flushwalk
