// patch_series_bench as its users meet it. What all benches share is flush_walk_bench's test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "bench/support/tests/result_folder.h"

namespace flushwalk {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr const char* kBench = FLUSHWALK_PROGRAM;

using SeriesCommandLine = ResultFolder;

TEST_F(SeriesCommandLine, BadInputIsOneLineAndExit2AndMakesNoFolder) {
  const struct {
    const char* argument;
    const char* start;
    const char* part;
  } bad[] = {
      {"--workload=word", "--workload: word is not one of", "churn"},
      {"--workload=churn,", "--workload: an empty value is not one of", "full_blocks"},
      {"--revision=p1,p9", "--revision: p9 is not one of", "v6.12"},
      {"--shootdown=munmap", "--shootdown: munmap is not one of", "mprotect_range"},
      {"--responders=x", "--responders: x is not in 0..65535", ""},
      {"--blocks=4", "--blocks", "--help"},
  };
  for (const auto& one : bad) {
    const Outcome outcome = run(kBench, into_out() + Arguments{one.argument});
    expect_one_line(outcome, std::string("patch_series_bench: ") + one.start, one.part);
    EXPECT_THAT(outcome.out, IsEmpty()) << one.argument;
    EXPECT_FALSE(std::filesystem::exists(out)) << one.argument;
  }
}

TEST_F(SeriesCommandLine, ListsWorkloadsOneLineEach) {
  const Outcome outcome = run(kBench, {"--list-workloads"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, StartsWith("full_blocks "));
  EXPECT_THAT(outcome.out, HasSubstr("\nmany_cpus "));
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 9);
}

TEST_F(SeriesCommandLine, WritesARowForEachRepetitionRevisionAndMetric) {
  const Outcome outcome = run(
      kBench, into_out() + Arguments{"--workload=full_blocks,crowded_list", "--revision=v6.4,p1",
                                     "--samples=2", "--repetitions=2", "--counters=page-faults:u"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Table rows = table();
  // Two metrics where there is a flush, one where there is none.
  EXPECT_THAT(rows.rows, SizeIs((2 + 1) * 2 * 2));
  EXPECT_THAT(rows.column("bench"), Each(std::string("patch_series_bench")));
  EXPECT_THAT(rows.column("unit"), Each(std::string("ns")));
  std::vector<std::string> first = rows.column("revision");
  first.resize(4);
  EXPECT_THAT(first, ElementsAre("v6.4", "v6.4", "p1", "p1"));
  const std::vector<std::string> stale = rows.column("stale_slots");
  EXPECT_EQ(stale[0], "16384");
  EXPECT_EQ(stale[2], "0");
  EXPECT_THAT(rows.column("walk"), Each(std::string()));
  EXPECT_THAT(counts().rows, SizeIs(2 * 2 * 2));
  EXPECT_THAT(counts().column("operation"), Each(std::string("round")));
  EXPECT_THAT(counts().column("operations"), Each(std::string("2")));
}

// The oracle's count on real memory is the ledger's, in the first repetition.
TEST_F(SeriesCommandLine, TheOracleSeesOnRealMemoryWhatTheLedgerSays) {
  const Outcome outcome = run(
      kBench, into_out() + Arguments{"--oracle", "--workload=sparse_cpus",
                                     "--revision=v6.4,p1,v6.12", "--samples=1", "--repetitions=2"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Table rows = table();
  const std::vector<std::string> stale = rows.column("stale_slots");
  ASSERT_THAT(stale, SizeIs(12));
  for (std::size_t row = 0; row < stale.size(); ++row) {
    const bool looked = rows.column("repetition")[row] == "0";
    EXPECT_EQ(rows.column("stale_aliases")[row], looked ? stale[row] : "") << row;
    EXPECT_EQ(rows.column("window_aliases")[row], looked ? "0" : "") << row;
    EXPECT_EQ(rows.column("probed_pages")[row], looked ? "32768" : "") << row;
  }
  EXPECT_NE(stale[0], "0");
}

TEST_F(SeriesCommandLine, TheFilterChoosesCases) {
  const Outcome outcome =
      run(kBench, into_out() + Arguments{"--benchmark_filter=workload:drained_block/revision:p[56]",
                                         "--samples=1", "--repetitions=1"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(table().column("revision"), ElementsAre("p5", "p5", "p6", "p6"));
}

}  // namespace
}  // namespace flushwalk
