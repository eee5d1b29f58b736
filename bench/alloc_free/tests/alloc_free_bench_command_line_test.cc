// alloc_free_bench as its users meet it. What all benches do with files and signals is
// flush_walk_bench's test.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/support/tests/result_folder.h"

namespace flushwalk {
namespace {

namespace fs = std::filesystem;

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kBench = FLUSHWALK_PROGRAM;

const Arguments kSmall = {"--queues=2", "--pages=16", "--samples=3", "--repetitions=2"};

unsigned usable_cpus() {
  cpu_set_t mask;
  return sched_getaffinity(0, sizeof(mask), &mask) == 0 ? static_cast<unsigned>(CPU_COUNT(&mask))
                                                        : 1;
}

struct BadArgument {
  Arguments arguments;
  std::string start;  // of the line, behind the program's name
  std::string part;
};

class AllocFreeBadInput : public ResultFolder, public ::testing::WithParamInterface<BadArgument> {};

TEST_P(AllocFreeBadInput, IsOneLineAndExit2AndMakesNoFolder) {
  const BadArgument& bad = GetParam();
  const Outcome outcome = run(kBench, into_out() + bad.arguments);
  expect_one_line(outcome, "alloc_free_bench: " + bad.start, bad.part);
  EXPECT_THAT(outcome.out, IsEmpty());
  EXPECT_FALSE(fs::exists(out));
}

INSTANTIATE_TEST_SUITE_P(
    Axes, AllocFreeBadInput,
    ::testing::Values(
        BadArgument{{"--threads=0"}, "--threads: 0 is not in 1..1024\n", ""},
        BadArgument{{"--queues=1025"}, "--queues: 1025 is not in 1..1024\n", ""},
        BadArgument{{"--pages=65"}, "--pages: 65 is not in 1..64\n", ""},
        BadArgument{{"--pages=1,,4"}, "--pages: an empty value is not in", ""},
        BadArgument{{"--queues=2,2"}, "--queues: 2 is named twice", ""},
        BadArgument{{"--revision=v5"}, "--revision: v5 is not one of", "v6.12\n"},
        BadArgument{{"--freeing=both"}, "--freeing: both is not one of", "other_cpu\n"},
        BadArgument{{"--freeing=other_cpu"}, "--freeing: other_cpu needs a second thread", ""},
        BadArgument{{"--last-free=x"}, "--last-free: x is not one of", "closed_window"},
        BadArgument{{"--flusher=x"}, "--flusher: x is not one of", "unmap_aliases\n"},
        BadArgument{{"--other-blocks=16"}, "--other-blocks: 16 blocks", "--queues must be 2"},
        BadArgument{{"--threads=1024"}, "--threads: 1024 threads need 1024 CPUs", "may use"},
        BadArgument{{"--shootdown=none"}, "--shootdown=none: ", "--help"}));

using AllocFreeCommandLine = ResultFolder;

TEST_F(AllocFreeCommandLine, AFlusherWithoutACpuIsAnError) {
  const std::string threads = std::to_string(usable_cpus());
  expect_one_line(run(kBench, {"--flusher=unmap_aliases", "--threads=" + threads}),
                  "alloc_free_bench: --flusher: unmap_aliases beside " + threads, "CPUs");
}

TEST_F(AllocFreeCommandLine, HelpNamesEveryFlag) {
  const Outcome outcome = run(kBench, {"--help"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, IsEmpty());
  for (const char* const flag :
       {"--threads", "--queues", "--pages", "--revision", "--freeing", "--flusher",
        "--other-blocks", "--list-axes", "--samples", "--repetitions", "--out", "--cpus"}) {
    EXPECT_THAT(outcome.out, HasSubstr(flag));
  }
}

TEST_F(AllocFreeCommandLine, ListAxesTellsWhatThereIs) {
  const Outcome outcome = run(kBench, {"--list-axes"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, IsEmpty());
  EXPECT_THAT(outcome.out, HasSubstr("--other-blocks"));
  EXPECT_THAT(outcome.out, HasSubstr("throughput"));
}

TEST_F(AllocFreeCommandLine, DryRunPrintsTheCasesAndMakesNothing) {
  const Outcome outcome = run(
      kBench, Arguments{"--dry-run", "--queues=2,4", "--pages=1", "--revision=p6"} + into_out());
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(lines_of(outcome.out),
              ElementsAre("alloc_free/threads:1/queues:2/pages:1/revision:p6/freeing:same_cpu/"
                          "flusher:none/other_blocks:0",
                          "alloc_free/threads:1/queues:4/pages:1/revision:p6/freeing:same_cpu/"
                          "flusher:none/other_blocks:0"));
  EXPECT_FALSE(fs::exists(out));
}

TEST_F(AllocFreeCommandLine, ARunWritesItsRows) {
  const Outcome outcome = run(
      kBench,
      kSmall + Arguments{"--revision=v6.4,v6.12", "--other-blocks=10", "--counters=page-faults:u"} +
          into_out());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("alloc_free/threads:1/queues:2/"));
  const Table rows = table();
  EXPECT_THAT(rows.rest, IsEmpty());
  // Three of the thread, throughput, five kinds of locks, two of memory.
  EXPECT_THAT(rows.rows, SizeIs(2 * 2 * (3 + 1 + 5 + 2)));
  EXPECT_THAT(rows.column("bench"), Each("alloc_free_bench"));
  EXPECT_THAT(rows.column("blocks"), Each("10"));
  EXPECT_THAT(rows.column("unit"), Contains("operations/s"));
  EXPECT_THAT(rows.column("unit"), Contains("bytes"));
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    if (rows.column("metric")[i] == "pair_time") {
      EXPECT_EQ(rows.column("samples")[i], "3");
      EXPECT_EQ(rows.column("failed_allocs")[i], "0");
    }
  }
  EXPECT_TRUE(nlohmann::json::accept(read(out / "machine.json")));
  const Table counted = counts();
  EXPECT_THAT(counted.rows, SizeIs(2 * 2));
  EXPECT_THAT(counted.column("role"), Each("worker"));
  EXPECT_THAT(counted.column("operation"), Each("pair"));
  EXPECT_THAT(counted.column("operations"), Each("192"));
}

TEST_F(AllocFreeCommandLine, AFilterMeasuresOnlyWhatItNames) {
  const Outcome outcome = run(kBench, Arguments{"--pages=16", "--samples=2", "--repetitions=1",
                                                "--benchmark_filter=queues:8/"} +
                                          into_out());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(table().column("queues"), Each("8"));
}

TEST_F(AllocFreeCommandLine, TheOracleWatchesALoadOfTheSameThreads) {
  const Outcome outcome =
      run(kBench, into_out() + Arguments{"--oracle", "--queues=1", "--pages=8", "--samples=1",
                                         "--repetitions=2", "--revision=v6.12",
                                         "--last-free=lazy,closed_window"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Table rows = table();
  for (std::size_t row = 0; row < rows.rows.size(); ++row) {
    EXPECT_NE(rows.column("probed_pages")[row], "0");
    EXPECT_EQ(rows.column("window_aliases")[row], "0") << "one thread is never in another's window";
    EXPECT_EQ(rows.column("stale_aliases")[row], "0");
  }
}

}  // namespace
}  // namespace flushwalk
