// flush_walk_bench as its users meet it; also, for all benches, the flags that they share.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "allocator/shootdown.h"
#include "bench/flush_walk/tests/small_run.h"

namespace flushwalk {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

struct BadArgument {
  Arguments arguments;
  std::string start;  // of the line, behind the program's name
  std::string part;
};

class BenchBadInput : public ResultFolder, public ::testing::WithParamInterface<BadArgument> {};

TEST_P(BenchBadInput, IsOneLineAndExit2AndTouchesNoFile) {
  ASSERT_EQ(run(kBench, kSmall + into_out()).exit_code, 0);
  const std::string before = read(csv);
  const std::string machine_before = read(out / "machine.json");
  const BadArgument& bad = GetParam();
  const Outcome outcome = run(kBench, into_out() + bad.arguments);
  expect_one_line(outcome, "flush_walk_bench: " + bad.start, bad.part);
  EXPECT_THAT(outcome.out, IsEmpty());
  EXPECT_EQ(read(csv), before);
  EXPECT_EQ(read(out / "machine.json"), machine_before);
}

INSTANTIATE_TEST_SUITE_P(
    Axes, BenchBadInput,
    ::testing::Values(
        BadArgument{{"--walk=list"}, "--walk: list is not one of", "free_list, xarray"},
        BadArgument{{"--blocks=0"}, "--blocks: 0 is not in 1..1048576\n", ""},
        BadArgument{{"--blocks", "0"}, "--blocks: 0 is not in 1..1048576\n", ""},
        BadArgument{{"--blocks=64,"}, "--blocks: an empty value is not in", "1..1048576"},
        BadArgument{{"--blocks"}, "--blocks: ", ""},
        BadArgument{{"--full=101"}, "--full: 101 is not in 0..100\n", ""},
        BadArgument{{"--dirty=101"}, "--dirty: 101 is not in 0..100\n", ""},
        BadArgument{{"--dirty-slots=3"}, "--dirty-slots: 3 is not a power of two\n", ""},
        BadArgument{{"--dirty-slots=65"}, "--dirty-slots: 65 is not in 1..64\n", ""},
        BadArgument{{"--queues=1025"}, "--queues: 1025 is not in 1..1024\n", ""},
        BadArgument{{"--shootdown=ipi"}, "--shootdown: ipi is not one of", "dontneed\n"},
        BadArgument{{"--gather=all"}, "--gather: all is not one of", "runs, full\n"},
        BadArgument{{"--gather=per_block", "--shootdown=munmap"},
                    "--gather: munmap takes access away, and per_block covers slots in use",
                    "runs alone\n"},
        BadArgument{{"--gather=hull", "--shootdown=none,dontneed"},
                    "--gather: dontneed takes data away, and hull covers slots in use",
                    "runs alone\n"},
        BadArgument{{"--inject-delay-ns=1000000001"},
                    "--inject-delay-ns: 1000000001 is not in 0..1000000000\n",
                    ""},
        BadArgument{{"--inject-delay-ns=5", "--parts-alone"},
                    "--inject-delay-ns: does not go with --parts-alone",
                    ""},
        BadArgument{{"--responders=x"}, "--responders: x is not in 0..65535\n", ""}));

INSTANTIATE_TEST_SUITE_P(
    Others, BenchBadInput,
    ::testing::Values(
        BadArgument{{"--samples=0"}, "--samples: ", "0"},
        BadArgument{{"--samples=many"}, "--samples: ", "many"},
        BadArgument{{"--samples=1000001"}, "--samples: ", "1000001"},
        BadArgument{{"--repetitions=0"}, "--repetitions: ", "0"},
        BadArgument{{"--repetitions=-1"}, "--repetitions: ", "-1"},
        BadArgument{{"--responders=60000"}, "--responders: ", "60000 responders"},
        BadArgument{{"--responders=0,60000"}, "--responders: ", "60000 responders"},
        BadArgument{{"--placement=far"}, "--placement: far is not one of", "cpus:LIST"},
        BadArgument{{"--placement=compact,"}, "--placement: an empty value", ""},
        BadArgument{{"--placement=smt,smt"}, "--placement: smt is named twice", ""},
        BadArgument{{"--placement=cpus:0", "--responders=1"},
                    "--placement: cpus:0: no room for 1 responder",
                    ""},
        BadArgument{{"--placement=compact", "--cpus=0"}, "--placement excludes --cpus", ""},
        BadArgument{{"--cpus=65535"}, "--cpus: cpus:65535: CPU 65535 ", ""},
        BadArgument{{"--cpus=65536"}, "--cpus: cpus: \"65536\" is not in", ""},
        BadArgument{{"--cpus=a"}, "--cpus: cpus: \"a\" is not a CPU", ""},
        BadArgument{{"--no-such-flag"}, "--no-such-flag: ", "--help"},
        BadArgument{{"--counters=cylces"}, "--counters: cylces: ", "cycles"},
        BadArgument{{"--counters=tlb,none"}, "--counters: none ", ""},
        BadArgument{{"word"}, "word: ", "--help"},
        BadArgument{{"--benchmark_filter=("}, "--benchmark_filter: ", "("},
        BadArgument{{"--benchmark_filter=nothing"}, "--benchmark_filter: ", "nothing"},
        BadArgument{{"--walk=xarray", "--walk=free_list"}, "--walk: ", ""}));

using BenchCommandLine = ResultFolder;

TEST_F(BenchCommandLine, CountersStandBesideTheTimesOfEachCaseAndRepetition) {
  const Outcome outcome =
      run(kBench, kSmall + into_out() + Arguments{"--counters=page-faults:u,context-switches"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Table rows = counts();
  EXPECT_THAT(rows.column("counter"), ElementsAre("page-faults:u", "context-switches",
                                                  "page-faults:u", "context-switches"));
  EXPECT_THAT(rows.column("repetition"), ElementsAre("0", "0", "1", "1"));
  EXPECT_EQ(rows.column("case")[0], table().column("case")[0]);
  EXPECT_EQ(rows.column("operations")[0], "3");
  EXPECT_EQ(rows.column("operation")[0], "flush");
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    const std::string status = rows.column("status")[i];
    EXPECT_EQ(rows.column("raw")[i].empty(), status != "counted") << status;
    EXPECT_EQ(rows.column("reason")[i].empty(), status == "counted") << status;
    if (rows.column("valid")[i] == "true" && rows.column("counter")[i] == "context-switches") {
      EXPECT_THAT(rows.column("raw")[i], AnyOf("0", "")) << "a switch in a valid row";
    }
  }
  const auto machine = nlohmann::json::parse(read(out / "machine.json"));
  EXPECT_EQ(machine["counters"]["requested"], "page-faults:u,context-switches");
  EXPECT_THAT(read(out / "topology.xml"), HasSubstr("<topology version="));
}

// An arm must not pass for the case that it stands beside, and its delay is in the time.
TEST_F(BenchCommandLine, AnArmWithADelayIsNamedAndTakesItsTime) {
  ASSERT_EQ(run(kBench, kSmall + into_out() + Arguments{"--inject-delay-ns=0,200000", "--seed=7"})
                .exit_code,
            0);
  const Table rows = table();
  EXPECT_THAT(rows.column("injected_delay_ns"), ElementsAre("", "0", "200000", "", "0", "200000"));
  EXPECT_THAT(rows.column("order_seed"), Each("7"));
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    const std::string delay = rows.column("injected_delay_ns")[i];
    const std::string name = delay.empty() ? "" : "/injected_delay_ns:" + delay;
    EXPECT_THAT(rows.column("case")[i], HasSubstr("/check:locked" + name + "/gather:hull"));
    if (delay == "200000") {
      EXPECT_GE(std::stod(rows.column("min")[i]), 199'999);
    }
  }
}

TEST_F(BenchCommandLine, WithoutASeedEachRunHasItsOwn) {
  ASSERT_EQ(run(kBench, kSmall + into_out()).exit_code, 0);
  ASSERT_EQ(run(kBench, kSmall + into_out()).exit_code, 0);
  const std::vector<std::string> seeds = table().column("order_seed");
  EXPECT_EQ(seeds[0], seeds[1]);
  EXPECT_NE(seeds[0], seeds[2]);
}

TEST_F(BenchCommandLine, WithoutCountersNothingIsSaidOfThem) {
  ASSERT_EQ(run(kBench, kSmall + into_out() + Arguments{"--counters=none"}).exit_code, 0);
  EXPECT_FALSE(fs::exists(out / "counters.csv"));
  EXPECT_TRUE(nlohmann::json::parse(read(out / "machine.json"))["counters"].is_null());
}

TEST_F(BenchCommandLine, ListsCountersAndMeasuresNothing) {
  const Outcome outcome = run(kBench, into_out() + Arguments{"--list-counters"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("cycles:u "), HasSubstr("\npage-faults ")));
  EXPECT_FALSE(fs::exists(out));
}

TEST_F(BenchCommandLine, BadInputMakesNoFolder) {
  for (const char* const bad : {"--blocks=0", "--responders=60000", "--cpus=65535", "--samples=0",
                                "--benchmark_filter=nothing", "--no-such-flag"}) {
    EXPECT_EQ(run(kBench, into_out() + Arguments{bad}).exit_code, 2) << bad;
    EXPECT_FALSE(fs::exists(out)) << bad;
  }
}

TEST_F(BenchCommandLine, MoreRunsThanMappingsAreToldWithTheNumbers) {
  std::ifstream limit_file("/proc/sys/vm/max_map_count");
  std::uint64_t limit = 0;
  if (!(limit_file >> limit) || limit > 2'000'000) {
    GTEST_SKIP() << "vm.max_map_count is as large as can be";
  }
  for (const char* const kind : {"mprotect", "munmap"}) {
    expect_one_line(run(kBench, Arguments{"--blocks=1048576", "--dirty=100", "--full=0"} +
                                    Arguments{std::string("--shootdown=") + kind}),
                    std::string("flush_walk_bench: --shootdown: ") + kind + ": ",
                    std::to_string(limit));
  }
  expect_one_line(run(kBench, {"--blocks=1048576", "--dirty=100", "--full=0",
                               "--shootdown=mprotect_range", "--gather=hull,per_block"}),
                  "flush_walk_bench: --shootdown: mprotect_range: 1048576 ranges need",
                  std::to_string(limit));
}

// A hull is one range, and guards and dropped pages split nothing: whatever the load.
TEST_F(BenchCommandLine, WhatSplitsNoMappingIsNotRefusedForTheirNumber) {
  const std::string kinds =
      why_unsupported(ShootdownKind::guard).empty() ? "guard,dontneed" : "dontneed";
  for (const Arguments& arguments :
       {Arguments{"--shootdown=" + kinds}, Arguments{"--shootdown=mprotect_range,cold_range"},
        Arguments{"--shootdown=cold_range", "--gather=per_block,runs"}}) {
    const Outcome outcome = run(
        kBench, Arguments{"--blocks=1048576", "--dirty=100", "--full=0", "--dry-run"} + arguments);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  }
}

TEST_F(BenchCommandLine, MoreRespondersThanCoresIsAnError) {
  cpu_set_t mask;
  ASSERT_EQ(sched_getaffinity(0, sizeof(mask), &mask), 0);
  const std::string cpus = std::to_string(CPU_COUNT(&mask));
  expect_one_line(run(kBench, {"--responders=" + cpus}),
                  "flush_walk_bench: --responders: ", cpus + " responder");
}

TEST_F(BenchCommandLine, ACpuOutsideTheMaskIsAnError) {
  cpu_set_t mask;
  ASSERT_EQ(sched_getaffinity(0, sizeof(mask), &mask), 0);
  if (CPU_COUNT(&mask) < 2) {
    GTEST_SKIP() << "one CPU: none is left to be outside of the mask";
  }
  int last = CPU_SETSIZE - 1;
  while (!CPU_ISSET(static_cast<std::size_t>(last), &mask)) {
    --last;
  }
  cpu_set_t without = mask;
  CPU_CLR(static_cast<std::size_t>(last), &without);
  ASSERT_EQ(sched_setaffinity(0, sizeof(without), &without), 0);
  const Outcome outcome = run(kBench, kSmall + Arguments{"--cpus=" + std::to_string(last)});
  EXPECT_EQ(sched_setaffinity(0, sizeof(mask), &mask), 0);
  expect_one_line(outcome, "flush_walk_bench: --cpus: ", "CPU " + std::to_string(last));
}

TEST_F(BenchCommandLine, OnOneCpuOnlyWhatNeedsNoResponderRuns) {
  cpu_set_t mask;
  ASSERT_EQ(sched_getaffinity(0, sizeof(mask), &mask), 0);
  std::size_t first = 0;
  while (!CPU_ISSET(first, &mask)) {
    ++first;
  }
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  const Outcome alone = run(kBench, kSmall + Arguments{"--shootdown=mprotect_range"});
  const Outcome with_responder = run(kBench, kSmall + Arguments{"--responders=1"});
  EXPECT_EQ(sched_setaffinity(0, sizeof(mask), &mask), 0);
  EXPECT_EQ(alone.exit_code, 0) << alone.err;
  expect_one_line(with_responder,
                  "flush_walk_bench: --responders: compact: no room for 1 responder",
                  "needed are other cores");
}

TEST_F(BenchCommandLine, HelpNamesEveryFlag) {
  const Outcome outcome = run(kBench, {"--help"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, IsEmpty());
  for (const char* const flag : {"--walk",
                                 "--blocks",
                                 "--full",
                                 "--dirty",
                                 "--dirty-slots",
                                 "--queues",
                                 "--gather",
                                 "--shootdown",
                                 "--responders",
                                 "--samples",
                                 "--repetitions",
                                 "--out",
                                 "--placement",
                                 "--cpus",
                                 "--list-placements",
                                 "--list-shootdowns",
                                 "--dry-run",
                                 "--cases",
                                 "--progress",
                                 "--benchmark_filter"}) {
    EXPECT_THAT(outcome.out, HasSubstr(flag));
  }
}

TEST_F(BenchCommandLine, DryRunPrintsTheCasesAndMakesNothing) {
  const Outcome outcome = run(kBench, Arguments{"--dry-run", "--walk=xarray,free_list",
                                                "--blocks=8,4", "--full=50", "--shootdown=noop"} +
                                          into_out());
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, IsEmpty());
  const auto name = [](const char* walk, int blocks) {
    return fmt::format(
        "flush_walk/walk:{}/check:locked/gather:hull/shootdown:noop/blocks:{}/full:50/dirty:10/"
        "queues:1/responders:0",
        walk, blocks);
  };
  const std::string small = name("xarray", 4);
  EXPECT_THAT(lines_of(outcome.out), ElementsAre(name("xarray", 8), name("free_list", 8), "", small,
                                                 name("free_list", 4)));
  EXPECT_FALSE(fs::exists(out));
}

TEST_F(BenchCommandLine, MeasuresOnlyTheCasesOfAList) {
  const Arguments both = {"--blocks=8,4", "--full=50", "--walk=xarray,free_list"};
  const std::vector<std::string> all = lines_of(run(kBench, both + Arguments{"--dry-run"}).out);
  ASSERT_THAT(all, SizeIs(5));
  const Arguments listed = both + Arguments{"--cases=/dev/stdin", "--dry-run"};
  EXPECT_THAT(lines_of(run(kBench, listed, all[4] + "\n\n" + all[0] + "\n").out),
              ElementsAre(all[0], "", all[4]));
  // Part of a name is none.
  const std::string part = all[0].substr(0, all[0].size() - 2);
  expect_one_line(run(kBench, listed, all[0] + "\n" + part + "\n"),
                  "flush_walk_bench: --cases: ", part + " is not among the cases");
  expect_one_line(run(kBench, listed, "\n"), "flush_walk_bench: --cases: ", "names no case");
  expect_one_line(run(kBench, both + Arguments{"--cases=/not/there"}),
                  "flush_walk_bench: --cases: /not/there: ", "No such file");
  expect_one_line(run(kBench, both + Arguments{"--cases=/"}),
                  "flush_walk_bench: --cases: /: ", "directory");
}

TEST_F(BenchCommandLine, ListShootdownsTellsEachOnce) {
  const Outcome outcome = run(kBench, {"--list-shootdowns"});
  EXPECT_EQ(outcome.exit_code, 0);
  const std::vector<std::string> lines = lines_of(outcome.out);
  ASSERT_THAT(lines, SizeIs(std::size(kShootdownKinds)));
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const ShootdownKind kind = kShootdownKinds[i];
    const std::string reason = why_unsupported(kind);
    EXPECT_THAT(lines[i], AllOf(StartsWith(fmt::format("{} ", name_of(kind))),
                                HasSubstr(fmt::format(" {} ", name_of(gather_for(kind)))),
                                EndsWith(reason.empty() ? "available" : reason)));
  }
}

TEST_F(BenchCommandLine, ListTestsMeasuresAndWritesNothing) {
  const Outcome listed = run(kBench, kSmall + into_out() + Arguments{"--benchmark_list_tests"});
  EXPECT_EQ(listed.exit_code, 0);
  EXPECT_THAT(listed.err, IsEmpty());
  ASSERT_THAT(lines_of(listed.out), SizeIs(1));
  EXPECT_THAT(listed.out, StartsWith("flush_walk/walk:xarray/"));
  EXPECT_FALSE(fs::exists(out));
}

TEST_F(BenchCommandLine, ARunWritesOneRowACaseRepetitionAndMetric) {
  const Outcome outcome =
      run(kBench, Arguments{"--blocks=4", "--full=50", "--dirty=100", "--samples=3",
                            "--repetitions=2", "--shootdown=none,noop"} +
                      into_out());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const Table rows = table();
  EXPECT_THAT(rows.rest, IsEmpty());
  // Without a shootdown a repetition has one metric, with one three, of both walks.
  EXPECT_THAT(rows.rows, SizeIs(2 * 2 * (1 + 3)));
  EXPECT_THAT(rows.column("repetition"), ElementsAre("0", "0", "1", "1", "0", "0", "0", "0", "0",
                                                     "0", "1", "1", "1", "1", "1", "1"));
  EXPECT_THAT(rows.column("walk"),
              ElementsAre("free_list", "xarray", "free_list", "xarray", "free_list", "free_list",
                          "free_list", "xarray", "xarray", "xarray", "free_list", "free_list",
                          "free_list", "xarray", "xarray", "xarray"));
  EXPECT_THAT(rows.column("samples"), ::testing::Each("3"));
  EXPECT_THAT(rows.column("shootdowns_expected"), ::testing::Each("0"));
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    const bool complete = rows.column("walk")[i] == "xarray";
    EXPECT_EQ(rows.column("visited_blocks")[i], complete ? "4" : "2");
    EXPECT_EQ(rows.column("stale_slots")[i], complete ? "0" : "2");
  }
  const auto machine = nlohmann::json::parse(read(out / "machine.json"));
  EXPECT_EQ(machine.at("schema_version"), 1);
  EXPECT_EQ(machine.at("command_line").back(), "--out=" + out.string());
}

TEST_F(BenchCommandLine, TheOracleLooksAtEachFreedPage) {
  const Outcome outcome =
      run(kBench, into_out() + Arguments{"--oracle", "--walk=free_list,xarray,marked",
                                         "--blocks=64", "--full=50", "--dirty=50",
                                         "--dirty-slots=2", "--samples=2", "--repetitions=1"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(table().column("stale_slots"), ElementsAre("32", "0", "0"));
  EXPECT_THAT(table().column("stale_aliases"), ElementsAre("32", "0", "0"));
  EXPECT_THAT(table().column("probed_pages"), Each(std::string("64")));
}

TEST_F(BenchCommandLine, AFilterMeasuresOnlyWhatItNames) {
  for (const char* const filter : {"walk:xarray", "-walk:free_list", "walk:x.*responders:0$"}) {
    fs::remove_all(out);
    const Outcome outcome =
        run(kBench, Arguments{"--blocks=4", "--samples=2", "--repetitions=1", "--full=0,50",
                              std::string("--benchmark_filter=") + filter} +
                        into_out());
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_THAT(table().column("walk"), ElementsAre("xarray", "xarray")) << filter;
    EXPECT_THAT(outcome.out, AllOf(HasSubstr("walk:xarray"), Not(HasSubstr("walk:free_list"))));
  }
}

TEST_F(BenchCommandLine, TheGatherIsInTheNameAndTheRows) {
  const Outcome outcome =
      run(kBench, Arguments{"--blocks=8", "--full=50", "--dirty=50", "--walk=xarray", "--samples=2",
                            "--repetitions=1", "--gather=hull,per_block,runs,full"} +
                      into_out());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const Table rows = table();
  EXPECT_THAT(rows.column("gather"), ElementsAre("hull", "per_block", "runs", "full"));
  EXPECT_THAT(rows.column("flush_ranges"), ElementsAre("1", "4", "4", "1"));
  EXPECT_THAT(rows.column("case")[3], HasSubstr("/check:locked/gather:full/shootdown:none/"));
}

// One whose anchor is a full block, though others are listed: the defaults have it.
TEST_F(BenchCommandLine, EveryShootdownCanBeMeasuredAtTheSmallestDefaultLoad) {
  std::string kinds = "none";
  for (const std::string& line : lines_of(run(kBench, {"--list-shootdowns"}).out)) {
    const std::string name = line.substr(0, line.find(' '));
    if (name != "none" && line.ends_with("available")) {
      kinds += "," + name;
    }
  }
  const Outcome outcome = run(
      kBench, Arguments{"--blocks=64", "--samples=2", "--repetitions=1", "--shootdown=" + kinds} +
                  into_out());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, Not(HasSubstr("ERROR")));
  EXPECT_THAT(outcome.err, Not(HasSubstr("ERROR")));
}

TEST_F(BenchCommandLine, ProgressIsOneObjectALine) {
  const Outcome outcome =
      run(kBench, {"--blocks=4", "--full=0,50", "--samples=2", "--repetitions=2", "--progress"});
  EXPECT_EQ(outcome.exit_code, 0);
  std::vector<int> done;
  for (const std::string& line : lines_of(outcome.err)) {
    if (!line.starts_with("{")) {
      continue;  // Google Benchmark's own
    }
    const auto json = nlohmann::json::parse(line);
    EXPECT_EQ(json.at("total"), 8);
    EXPECT_GE(json.at("seconds").get<double>(), 0);
    EXPECT_THAT(json.at("case").get<std::string>(), StartsWith("flush_walk/"));
    done.push_back(json.at("done"));
    const auto finished = json.value("finished", std::vector<std::string>());
    EXPECT_THAT(finished, SizeIs(done.back() % 4 == 0 ? 2 : 0)) << "both walks, in their last";
  }
  EXPECT_THAT(done, ElementsAre(2, 4, 6, 8));
}

TEST_F(BenchCommandLine, EachPlacementIsInTheNameTheRowsAndTheCounters) {
  const Outcome outcome =
      run(kBench, kSmall + into_out() +
                      Arguments{"--placement=compact,cpus:0,scatter", "--benchmark_filter=-scatter",
                                "--counters=page-faults:u"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Table rows = table();
  EXPECT_THAT(rows.column("placement"), ElementsAre("compact", "compact", "cpus:0", "cpus:0"));
  EXPECT_THAT(rows.column("case")[0], EndsWith("/responders:0"));
  EXPECT_THAT(rows.column("case")[2], EndsWith("/responders:0/placement:cpus:0"));
  EXPECT_EQ(counts().column("case"), rows.column("case"));
  EXPECT_THAT(outcome.out, HasSubstr("/responders:0/placement:cpus:0/"));
}

TEST_F(BenchCommandLine, ListPlacementsTellsEachAndMeasuresNothing) {
  const Outcome outcome = run(kBench, kSmall + into_out() + Arguments{"--list-placements"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("compact        a core each, the nearest first\n"));
  EXPECT_THAT(outcome.out, HasSubstr("cross_package  cores of another package\n"));
  EXPECT_THAT(outcome.out, HasSubstr("here: initiator "));
  EXPECT_FALSE(fs::exists(out));
}

}  // namespace
}  // namespace flushwalk
