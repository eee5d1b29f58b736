// What the session does, in all benches, with the files of a run, with signals, and with threads
// that somebody moves; tried with flush_walk_bench.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/flush_walk/tests/small_run.h"

namespace flushwalk {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

using SessionCommandLine = ResultFolder;

TEST_F(SessionCommandLine, AFileInTheFoldersPlaceIsAnErrorAndStaysAsItIs) {
  write(out, "mine");
  expect_one_line(run(kBench, kSmall + into_out()), "flush_walk_bench: --out: ", out.string());
  EXPECT_EQ(read(out), "mine");
}

TEST_F(SessionCommandLine, AFolderThatCannotBeMadeIsAnError) {
  const std::string deep = (folder / "not" / "there").string();
  expect_one_line(run(kBench, kSmall + Arguments{"--out=" + deep}),
                  "flush_walk_bench: --out: ", deep);
}

TEST_F(SessionCommandLine, AFolderThatMayNotBeWrittenIsAnError) {
  if (geteuid() == 0) {
    GTEST_SKIP() << "root may write anywhere";
  }
  fs::create_directory(out);
  fs::permissions(out, fs::perms::owner_read | fs::perms::owner_exec);
  expect_one_line(run(kBench, kSmall + into_out()), "flush_walk_bench: --out: ", out.string());
  fs::permissions(out, fs::perms::owner_all);
}

TEST_F(SessionCommandLine, AnothersMeasurementsAreRefusedAndLeft) {
  fs::create_directory(out);
  write(csv, "a,b\r\n1,2\r\n");
  expect_one_line(run(kBench, kSmall + into_out()), "flush_walk_bench: --out: ", csv.string());
  EXPECT_EQ(read(csv), "a,b\r\n1,2\r\n");
}

TEST_F(SessionCommandLine, ASecondRunAppendsAndKeepsTheHeaderOnce) {
  ASSERT_EQ(run(kBench, kSmall + into_out()).exit_code, 0);
  const std::string first = read(csv);
  const std::string machine = read(out / "machine.json");
  ASSERT_EQ(run(kBench, kSmall + into_out() + Arguments{"--queues=2"}).exit_code, 0);
  EXPECT_THAT(read(csv), StartsWith(first));
  EXPECT_THAT(table().column("queues"), ElementsAre("1", "1", "2", "2"));
  EXPECT_EQ(read(out / "machine.json"), machine) << "the first run's description is kept";
}

// Long enough to be interrupted at any time.
const Arguments kLong = {"--blocks=64", "--full=50", "--samples=100", "--repetitions=10000",
                         "--progress"};

class SessionStopped : public ResultFolder, public ::testing::WithParamInterface<int> {};

TEST_P(SessionStopped, LeavesCompleteFilesAndSaysSo) {
  ChildProgram program(kBench, kLong + into_out());
  ASSERT_TRUE(program.wait_for_progress(5)) << program.finish().err;
  program.kill(GetParam());
  EXPECT_EQ(program.finish().exit_code, 130);
  const Table rows = table();
  EXPECT_THAT(rows.rest, IsEmpty());
  EXPECT_GE(rows.rows.size(), 6U);
  // Repetitions are written whole: as many of either walk, and all samples of each.
  const std::vector<std::string> walks = rows.column("walk");
  EXPECT_EQ(std::count(walks.begin(), walks.end(), "xarray") * 2,
            static_cast<std::ptrdiff_t>(walks.size()));
  EXPECT_THAT(rows.column("samples"), ::testing::Each("100"));
  EXPECT_TRUE(nlohmann::json::accept(read(out / "machine.json")));
}

INSTANTIATE_TEST_SUITE_P(Signals, SessionStopped, ::testing::Values(SIGINT, SIGTERM),
                         [](const auto& signal) {
                           return std::string(signal.param == SIGINT ? "SIGINT" : "SIGTERM");
                         });

// As taskset -p does, and the kernel when a CPU goes offline.
TEST_F(SessionCommandLine, AResponderMovedFromOutsideMarksItsRowsAndEndsTheCase) {
  cpu_set_t mask;
  ASSERT_EQ(sched_getaffinity(0, sizeof(mask), &mask), 0);
  ChildProgram program(kBench, kLong + into_out() +
                                   Arguments{"--walk=xarray", "--shootdown=mprotect_range",
                                             "--responders=1", "--counters=none"});
  if (!program.wait_for_progress(2)) {
    GTEST_SKIP() << program.finish().err;
  }
  const fs::path tasks = fs::path("/proc") / std::to_string(program.process()) / "task";
  for (const auto& task : fs::directory_iterator(tasks)) {
    const pid_t thread = std::stoi(task.path().filename());
    if (thread != program.process()) {
      ASSERT_EQ(sched_setaffinity(thread, sizeof(mask), &mask), 0);
    }
  }
  EXPECT_EQ(program.finish().exit_code, 1);
  const Table rows = table();
  EXPECT_EQ(rows.column("valid").back(), "false");
  EXPECT_THAT(rows.column("invalid_reason").back(), HasSubstr("a thread that was pinned to CPU "));
  EXPECT_THAT(rows.column("invalid_reason").front(), Not(HasSubstr("pinned")));
}

TEST_F(SessionCommandLine, KilledItLosesAtMostTheRowInItsHands) {
  {
    ChildProgram program(kBench, kLong + into_out());
    ASSERT_TRUE(program.wait_for_progress(5)) << program.finish().err;
    program.kill(SIGKILL);
    EXPECT_EQ(program.finish().exit_code, 128 + SIGKILL);
  }
  const Table killed = table();
  EXPECT_GE(killed.rows.size(), 6U);
  // Should the kernel have been stopped in the middle of a write.
  const std::string complete = read(csv).substr(0, read(csv).size() - killed.rest.size());
  write(csv, complete + "1,flush_walk_bench,flush_walk/walk:xar");
  ASSERT_EQ(run(kBench, kSmall + into_out()).exit_code, 0);
  EXPECT_THAT(read(csv), StartsWith(complete));
  const Table after = table();
  EXPECT_THAT(after.rest, IsEmpty());
  EXPECT_THAT(after.rows, SizeIs(killed.rows.size() + 2));
}

TEST_F(SessionCommandLine, TwoRunsCannotMixTheirRows) {
  ChildProgram program(kBench, kLong + into_out());
  ASSERT_TRUE(program.wait_for_progress(1));
  expect_one_line(run(kBench, kSmall + into_out()),
                  "flush_walk_bench: --out: ", "is being written by another run");
  program.kill(SIGINT);
  EXPECT_EQ(program.finish().exit_code, 130);
  EXPECT_THAT(table().rest, IsEmpty());
}

}  // namespace
}  // namespace flushwalk
