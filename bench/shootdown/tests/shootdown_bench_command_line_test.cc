// shootdown_bench as its users meet it. What all benches share is flush_walk_bench's test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "bench/support/tests/result_folder.h"

namespace flushwalk {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kBench = FLUSHWALK_PROGRAM;

using ShootdownCommandLine = ResultFolder;

TEST_F(ShootdownCommandLine, BadInputIsOneLineAndExit2AndMakesNoFolder) {
  const struct {
    Arguments arguments;
    const char* start;
  } bad[] = {
      {{"--operation=unmap"}, "--operation: unmap is not one of none, noop"},
      {{"--arms=untouched", "--operation=membarrier"}, "--arms: membarrier works on no pages"},
      {{"--initiators=2", "--responders=1"}, "--responders: does not go with --initiators"},
      {{"--initiators=60000"}, "--responders: "},
      {{"--cross-check", "--seconds=0"}, "--seconds: 0 is not in 1..3600"},
      {{"--cross-check", "--seconds=1,2"}, "--seconds: 1,2 is more than one number"},
      {{"--cross-check", "--cpus=65535"}, "--placement: cpus:65535: CPU 65535 does not exist"},
      {{"--oracle"}, "--oracle: no walk decides here"},
  };
  for (const auto& one : bad) {
    const Outcome outcome = run(kBench, into_out() + one.arguments);
    expect_one_line(outcome, std::string("shootdown_bench: ") + one.start, "");
    EXPECT_THAT(outcome.out, IsEmpty()) << one.start;
    EXPECT_FALSE(std::filesystem::exists(out)) << one.start;
  }
}

TEST_F(ShootdownCommandLine, WritesTheRowsOfBothKindsOfCases) {
  const Arguments few = {"--samples=2", "--repetitions=1"};
  ASSERT_EQ(
      run(kBench,
          into_out() + Arguments{"--operation=mprotect,munmap", "--pages=1,34", "--arms=all"} + few)
          .exit_code,
      0);
  EXPECT_THAT(table().rows, SizeIs(2 * 2 * 6 * 2));
  ASSERT_EQ(
      run(kBench, into_out() + Arguments{"--initiators=1", "--arms=untouched"} + few).exit_code, 0);
  const Table rows = table();
  EXPECT_THAT(rows.rows, SizeIs(2 * 2 * 6 * 2 + 2));
  EXPECT_THAT(rows.column("bench"), Each(std::string("shootdown_bench")));
  EXPECT_THAT(rows.column("initiators"), Each(std::string("1")));
  EXPECT_EQ(rows.column("metric").back(), "contended_operation_time");
}

// Of 64 huge pages there is no address space for two arms.
TEST_F(ShootdownCommandLine, ACallThatFailsEndsItsCasesWithItsErrnoAndLeavesTheRowsBefore) {
  const std::string line =
      std::string("ulimit -v 200000; exec ") + kBench + " --out=" + out.string() +
      " --page-size=2m --pages=1,64 --arms=operation,untouched --samples=2 --repetitions=1";
  const Outcome outcome = run("/bin/sh", {"-c", line});
  if (outcome.exit_code == 2) {
    GTEST_SKIP() << outcome.err;  // no huge pages
  }
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("64 pages of 2m: mmap: Cannot allocate memory"));
  EXPECT_THAT(table().column("pages"), ElementsAre("1", "1", "1", "1"));
}

TEST_F(ShootdownCommandLine, ListsWhatThisKernelHas) {
  const Outcome outcome = run(kBench, {"--list-operations"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("munmap_whole"));
  EXPECT_THAT(outcome.out, HasSubstr("available"));
}

TEST_F(ShootdownCommandLine, TheCrossCheckPrintsALineForEachNumberOfThreads) {
  const Outcome outcome = run(kBench, {"--cross-check", "--seconds=1", "--cpus=0"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("threads     loops/s  by thread\n      1 "));
}

}  // namespace
}  // namespace flushwalk
