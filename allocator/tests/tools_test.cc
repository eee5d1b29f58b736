// vmap_replay, stale_alias and stale_oracle as their users meet them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "allocator/tests/child_program.h"

namespace flushwalk {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kReplay = FLUSHWALK_REPLAY_PATH;
constexpr const char* kAlias = FLUSHWALK_ALIAS_PATH;
constexpr const char* kOracle = FLUSHWALK_ORACLE_PATH;

// --- vmap_replay

struct BadTrace {
  std::string text;
  std::size_t answers;  // to the lines before
  std::string line;     // where it is told to be
  std::string part;
};

class ReplayBadTrace : public InFolder, public ::testing::WithParamInterface<BadTrace> {};

TEST_P(ReplayBadTrace, IsOneLineWithItsNumberAndWhatWasDoneIsAnswered) {
  const BadTrace& bad = GetParam();
  const fs::path trace = folder / "bad.trace";
  write(trace, bad.text);
  const Outcome outcome = run(kReplay, {"--revision=p1", trace.string()});
  expect_one_line(outcome, "vmap_replay: " + trace.string() + ":" + bad.line + ": ", bad.part);
  EXPECT_THAT(lines_of(outcome.out), SizeIs(bad.answers));
  for (const std::string& answer : lines_of(outcome.out)) {
    EXPECT_TRUE(nlohmann::json::accept(answer)) << answer;
  }
  const Outcome piped = run(kReplay, {"--revision=p1"}, bad.text);
  expect_one_line(piped, "vmap_replay: standard input:" + bad.line + ": ", bad.part);
}

INSTANTIATE_TEST_SUITE_P(Traces, ReplayBadTrace,
                         ::testing::Values(BadTrace{"alloc 0 4 a\n# comment\n\nallocate 0 4 b\n", 1,
                                                    "4", "`allocate`"},
                                           BadTrace{"alloc 0 4\n", 0, "1", "alloc CPU PAGES NAME"},
                                           BadTrace{"alloc 0 four a\n", 0, "1", "`four`"},
                                           BadTrace{"alloc 0 4 a\nalloc 0 65 b\n", 1, "2", "`65`"},
                                           BadTrace{"alloc 0 -1 a\n", 0, "1", "`-1`"},
                                           BadTrace{"cpus 2\nalloc 2 4 a\n", 0, "2", "CPU 2"},
                                           BadTrace{"alloc 0 4 a\nfree a\nfree a\n", 2, "3", "a"},
                                           BadTrace{"alloc 0 4 a\nstate\nfree b\n", 2, "3", "b"},
                                           BadTrace{"alloc 0 4 a\nalloc 0 4 a\n", 1, "2", "a"},
                                           BadTrace{"alloc 0 4 a\ncpus 4\n", 1, "2", "`cpus`"},
                                           BadTrace{"bits 1000\n", 0, "1", "1000"}));

using ReplayCommandLine = InFolder;

TEST_F(ReplayCommandLine, AnswersEachOperation) {
  const Outcome outcome =
      run(kReplay, {"--revision=p1"}, "cpus 1\nalloc 0 4 a\nfree a\nunmap_aliases\nstate\n");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, IsEmpty());
  EXPECT_THAT(lines_of(outcome.out), SizeIs(4));
}

TEST_F(ReplayCommandLine, ANameThatIsNoUtf8IsAnsweredInJson) {
  const Outcome outcome = run(kReplay, {"--revision=p1"}, "alloc 0 4 a\xff\nfree a\xff\n");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  ASSERT_THAT(lines_of(outcome.out), SizeIs(2));
  for (const std::string& answer : lines_of(outcome.out)) {
    EXPECT_TRUE(nlohmann::json::accept(answer)) << answer;
  }
}

TEST_F(ReplayCommandLine, BadArgumentsAreOneLine) {
  expect_one_line(run(kReplay, {"--revision=v9"}), "vmap_replay: --revision: ", "v6.4");
  expect_one_line(run(kReplay, {}), "vmap_replay: --revision", "");
  expect_one_line(run(kReplay, {"--revision=p1", "--fast"}), "vmap_replay: ", "--fast");
  const std::string missing = (folder / "missing").string();
  expect_one_line(run(kReplay, {"--revision=p1", missing}), "vmap_replay: " + missing + ": ", "");
  expect_one_line(run(kReplay, {"--revision=p1", folder.string()}),
                  "vmap_replay: ", folder.string());
}

TEST_F(ReplayCommandLine, HelpTellsTheFormat) {
  const Outcome outcome = run(kReplay, {"--help"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("--revision"), HasSubstr("alloc CPU PAGES NAME")));
}

// --- stale_alias

class AliasCommandLine : public ::testing::TestWithParam<const char*> {};

TEST_P(AliasCommandLine, SeesTheStaleAliasAndItsEnd) {
  const std::string flag = std::string("--shootdown=") + GetParam();
  const Outcome outcome = run(kAlias, {"--json", flag});
  if (outcome.exit_code == 2) {
    GTEST_SKIP() << outcome.err;
  }
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, IsEmpty());
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json.at("ok"), true);
  ASSERT_EQ(json.at("walks").size(), 2U);
  const auto& before = json.at("walks")[0];
  EXPECT_EQ(before.at("walk"), "free_list");
  EXPECT_EQ(before.at("stale"), true);
  EXPECT_EQ(before.at("read_new_owner"), true);
  EXPECT_EQ(before.at("overwrote_new_owner"), true);
  EXPECT_TRUE(before.at("fault").is_null());
  EXPECT_EQ(before.at("flushes"), 0);
  EXPECT_EQ(before.at("stale_pages"), 64);
  const auto& after = json.at("walks")[1];
  EXPECT_EQ(after.at("walk"), "xarray");
  EXPECT_EQ(after.at("stale"), false);
  EXPECT_EQ(after.at("read_new_owner"), false);
  EXPECT_EQ(after.at("overwrote_new_owner"), false);
  EXPECT_EQ(after.at("fault"),
            std::string(GetParam()) == "mprotect" ? "SEGV_ACCERR" : "SEGV_MAPERR");
  EXPECT_EQ(after.at("flushes"), 1);
  EXPECT_EQ(after.at("stale_pages"), 0);
}

INSTANTIATE_TEST_SUITE_P(Backends, AliasCommandLine,
                         ::testing::Values("mprotect", "munmap", "guard"),
                         [](const auto& kind) { return std::string(kind.param); });

TEST(AliasProgram, TellsItsStory) {
  const Outcome outcome = run(kAlias, {});
  if (outcome.exit_code == 2) {
    GTEST_SKIP() << outcome.err;
  }
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("the new owner's data"), HasSubstr("faults")));
}

TEST(AliasProgram, BadArgumentsAreOneLine) {
  expect_one_line(run(kAlias, {"--shootdown=noop"}), "stale_alias: --shootdown", "noop");
  expect_one_line(run(kAlias, {"--jsn"}), "stale_alias: ", "--jsn");
  EXPECT_EQ(run(kAlias, {"--help"}).exit_code, 0);
}

// --- stale_oracle

nlohmann::json look(const Arguments& arguments, int exit_code) {
  const Outcome outcome =
      run(kOracle, Arguments{"--json", "--seconds=0.3", "--shootdown=mprotect"} + arguments);
  EXPECT_EQ(outcome.exit_code, exit_code) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.err, IsEmpty());
  return nlohmann::json::parse(outcome.out);
}

TEST(OracleProgram, KeepsOrBreaksWhatTheWalkPromises) {
  const auto complete = look({}, 0);
  EXPECT_EQ(complete.at("missed_pages"), 0);
  EXPECT_GT(complete.at("probes"), 0);
  const auto old = look({"--revision=v6.4"}, 0);
  EXPECT_EQ(old.at("walk"), "free_list");
  EXPECT_GT(old.at("missed_pages"), 0);
  const auto& first = old.at("first").at(0);
  EXPECT_EQ(first.at("kind"), "missed");
  EXPECT_GT(first.at("found_ns"), first.at("freed_ns"));
  EXPECT_GT(first.at("freed_ns"), first.at("handed_out_ns"));
}

TEST(OracleProgram, FindsAllThatIsPlanted) {
  const auto planted = look({"--plant=3"}, 0);
  EXPECT_GT(planted.at("planted_pages"), 0);
  EXPECT_EQ(planted.at("planted_found"), planted.at("planted_pages"));
  EXPECT_EQ(planted.at("missed_pages"), 0);
}

TEST(OracleProgram, ProvokesTheWindow) {
  const auto closed = look({"--provoke=window", "--last-free=closed_window"}, 0);
  EXPECT_GT(closed.at("last_frees"), 0);
  EXPECT_EQ(closed.at("windows"), 0);
}

TEST(OracleProgram, BadArgumentsAreOneLine) {
  expect_one_line(run(kOracle, {"--shootdown=cold_range"}), "stale_oracle: --shootdown: cold_range",
                  "use guard, mprotect or munmap");
  expect_one_line(run(kOracle, {"--shootdown=fast"}), "stale_oracle: --shootdown: `fast`", "guard");
  expect_one_line(run(kOracle, {"--walk=marked", "--revision=p2"}), "stale_oracle: --walk: ", "p3");
  expect_one_line(run(kOracle, {"--revision=v7"}), "stale_oracle: --revision: `v7`", "v6.12");
  expect_one_line(run(kOracle, {"--last-free=now"}), "stale_oracle: --last-free: `now`", "lazy");
  expect_one_line(run(kOracle, {"--provoke=window", "--threads=1"}), "stale_oracle: --threads: 1",
                  "2 or more");
  expect_one_line(run(kOracle, {"--provoke=all"}), "stale_oracle: --provoke: ", "window");
  expect_one_line(run(kOracle, {"--seconds=0"}), "stale_oracle: --seconds: ", "0");
  EXPECT_EQ(run(kOracle, {"--help"}).exit_code, 0);
}

}  // namespace
}  // namespace flushwalk
