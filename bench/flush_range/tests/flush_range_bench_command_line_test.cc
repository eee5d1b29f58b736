// flush_range_bench as its users meet it. What all benches share is flush_walk_bench's test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
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

constexpr const char* kBench = FLUSHWALK_PROGRAM;

using RangeCommandLine = ResultFolder;

TEST_F(RangeCommandLine, BadInputIsOneLineAndExit2AndMakesNoFolder) {
  const struct {
    Arguments arguments;
    const char* start;
    const char* part;
  } bad[] = {
      {{"--ranges=0"}, "--ranges: 0 is not in 1..1024\n", ""},
      {{"--pages=8,"}, "--pages: an empty value is not in 1..512\n", ""},
      {{"--gap=1"}, "--gap: 1 is not 0, block, or a number of p (pages), k, m or g", ""},
      {{"--gather=some"}, "--gather: some is not one of", "per_block"},
      {{"--gather=hull", "--shootdown=munmap"}, "--gather: munmap takes access away", "runs alone"},
      {{"--code=by_hand", "--shootdown=dontneed"}, "--code: dontneed has one call", ""},
      {{"--working-set=x"}, "--working-set: x is not in 0..65536\n", ""},
      {{"--blocks=4"}, "--blocks", "--help"},
      {{"--ranges=1024", "--gap=255g"},
       "--gap: 1024 ranges of 8 pages with 255 GiB between them need 260866 GiB of address space",
       "once for the hull and once for the array"},
      {{"--ranges=1024", "--gap=255g", "--gather=hull"}, "--gap: 1024 ranges", "GiB fit"},
  };
  for (const auto& one : bad) {
    const Outcome outcome = run(kBench, into_out() + one.arguments);
    expect_one_line(outcome, std::string("flush_range_bench: ") + one.start, one.part);
    EXPECT_THAT(outcome.out, IsEmpty()) << one.start;
    EXPECT_FALSE(std::filesystem::exists(out)) << one.start;
  }
}

// Neither gap nor ranges are changed for it.
TEST_F(RangeCommandLine, TheWidestThatFitsTwiceIsMeasured) {
  const Outcome outcome = run(kBench, into_out() + Arguments{"--ranges=64", "--gap=255g",
                                                             "--samples=1", "--repetitions=1"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Table rows = table();
  EXPECT_THAT(rows.column("gather"), ElementsAre("hull", "runs", "full"));
  EXPECT_THAT(rows.column("gap_pages"), Each(std::string("66846720")));
  EXPECT_THAT(rows.column("flush_ranges"), ElementsAre("1", "64", "1"));
}

TEST_F(RangeCommandLine, WritesARowForEachRepetitionRivalAndMetric) {
  const Outcome outcome =
      run(kBench, into_out() + Arguments{"--ranges=3", "--gather=hull,runs", "--code=suite,by_hand",
                                         "--working-set=0,64", "--samples=2", "--repetitions=2"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Table rows = table();
  EXPECT_THAT(rows.rows, SizeIs((1 + 3) * 4 * 2));
  EXPECT_THAT(rows.column("bench"), Each(std::string("flush_range_bench")));
  EXPECT_THAT(rows.column("ranges"), Each(std::string("3")));
  EXPECT_THAT(rows.column("walk"), Each(std::string()));
  std::vector<std::string> code = rows.column("code");
  code.resize(8);
  EXPECT_THAT(code, ElementsAre("suite", "by_hand", "suite", "by_hand", "suite", "by_hand", "suite",
                                "by_hand"));
}

TEST_F(RangeCommandLine, TheHelpSaysWhatIsTouchedAndWhatAGapMayBe) {
  const std::string help = run(kBench, {"--help"}).out;
  EXPECT_THAT(help, HasSubstr("touched"));
  EXPECT_THAT(help, HasSubstr("block (4 MiB)"));
}

}  // namespace
}  // namespace flushwalk
