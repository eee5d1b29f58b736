// xarray_bench as its users meet it; what the session does with files and signals is
// flush_walk_bench's test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "bench/support/tests/result_folder.h"

namespace flushwalk {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr const char* kBench = FLUSHWALK_PROGRAM;

const Arguments kSmall = {"--container=xarray,std_map", "--entries=16", "--keys=dense",
                          "--samples=3", "--repetitions=2"};

struct BadArgument {
  Arguments arguments;
  std::string start;  // of the line, behind the program's name
  std::string part;
};

class XArrayBadInput : public ResultFolder, public ::testing::WithParamInterface<BadArgument> {};

TEST_P(XArrayBadInput, IsOneLineAndExit2AndMakesNoFolder) {
  const BadArgument& bad = GetParam();
  const Outcome outcome = run(kBench, into_out() + bad.arguments);
  expect_one_line(outcome, "xarray_bench: " + bad.start, bad.part);
  EXPECT_THAT(outcome.out, IsEmpty());
  EXPECT_FALSE(fs::exists(out));
}

INSTANTIATE_TEST_SUITE_P(
    Axes, XArrayBadInput,
    ::testing::Values(
        BadArgument{{"--container=hash"}, "--container: hash is not one of", "judyl, lfht\n"},
        BadArgument{{"--operation=find"}, "--operation: find is not one of", "insert, load"},
        BadArgument{{"--container=std_map", "--operation=set_mark"},
                    "--operation: only the xarray has set_mark",
                    ""},
        BadArgument{{"--entries=8"}, "--entries: 8 is not in 16..1048576\n", ""},
        BadArgument{{"--entries=64,"}, "--entries: an empty value is not in", ""},
        BadArgument{{"--keys=sparse"}, "--keys: sparse is not one of", "random\n"},
        BadArgument{{"--no-such-flag"}, "--no-such-flag: ", "--help"}));

using XArrayCommandLine = ResultFolder;

TEST_F(XArrayCommandLine, AnIndexHasNothingForTheOracle) {
  expect_one_line(run(kBench, into_out() + Arguments{"--oracle", "--dry-run"}),
                  "xarray_bench: --oracle: ", "flush_walk_bench");
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST_F(XArrayCommandLine, HelpNamesEveryFlag) {
  const Outcome outcome = run(kBench, {"--help"});
  EXPECT_EQ(outcome.exit_code, 0);
  for (const char* const flag : {"--container", "--operation", "--entries", "--keys",
                                 "--list-containers", "--samples", "--repetitions", "--out"}) {
    EXPECT_THAT(outcome.out, HasSubstr(flag));
  }
}

TEST_F(XArrayCommandLine, AContainerThatIsListedCanBeMeasuredAndOneThatIsNotIsRefused) {
  const Outcome listed = run(kBench, {"--list-containers"});
  EXPECT_EQ(listed.exit_code, 0);
  EXPECT_THAT(listed.err, IsEmpty());
  ASSERT_THAT(lines_of(listed.out), SizeIs(5));
  for (const std::string& line : lines_of(listed.out)) {
    const std::string name = line.substr(0, line.find(' '));
    const Outcome outcome =
        run(kBench, {"--container=" + name, "--operation=load", "--entries=16", "--dry-run"});
    if (line.ends_with(" available")) {
      EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
      EXPECT_THAT(outcome.out, StartsWith("xarray/container:" + name + "/operation:load/"));
    } else {
      expect_one_line(outcome, "xarray_bench: --container: " + name + ": ", "Debian: lib");
    }
  }
}

TEST_F(XArrayCommandLine, DryRunPrintsTheCasesAndMakesNothing) {
  const Outcome outcome =
      run(kBench, kSmall + into_out() + Arguments{"--dry-run", "--operation=load,set_mark"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, IsEmpty());
  EXPECT_THAT(lines_of(outcome.out),
              ElementsAre("xarray/container:xarray/operation:load/entries:16/keys:dense",
                          "xarray/container:std_map/operation:load/entries:16/keys:dense", "",
                          "xarray/container:xarray/operation:set_mark/entries:16/keys:dense"));
  EXPECT_FALSE(fs::exists(out));
}

TEST_F(XArrayCommandLine, ARunWritesOneRowACaseRepetitionAndMetric) {
  const Outcome outcome = run(kBench, kSmall + into_out() +
                                          Arguments{"--operation=insert,iterate_cursor,iterate",
                                                    "--counters=page-faults:u"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const Table rows = table();
  EXPECT_THAT(rows.rest, IsEmpty());
  // insert of two containers; the cursor and two iterations: five cases of two rows each.
  ASSERT_THAT(rows.rows, SizeIs(5 * 2 * 2));
  EXPECT_THAT(rows.column("bench"), Each("xarray_bench"));
  EXPECT_THAT(rows.column("entries"), Each("16"));
  EXPECT_THAT(rows.column("keys"), Each("dense"));
  EXPECT_THAT(rows.column("role"), Each("initiator"));
  EXPECT_THAT(rows.column("walk"), Each(""));
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    const bool is_time = rows.column("metric")[i] == "operation_time";
    EXPECT_EQ(rows.column("unit")[i], is_time ? "ns" : "bytes");
    EXPECT_EQ(rows.column("samples")[i], is_time ? "3" : "1");
    const std::string per_sample = rows.column("operation")[i] == "insert" ? "16" : "1024";
    EXPECT_EQ(rows.column("operations")[i], is_time ? per_sample : "");
    if (!is_time) {
      EXPECT_EQ(rows.column("p50")[i],
                rows.column("container")[i] == "std_map" ? "48.000" : "36.000");
    }
  }
  const Table counted = counts();
  ASSERT_THAT(counted.rows, SizeIs(5 * 2));
  for (std::size_t i = 0; i < counted.rows.size(); ++i) {
    EXPECT_EQ(counted.column("operation")[i], "operation");
    const bool insert = counted.column("case")[i].find("operation:insert") != std::string::npos;
    EXPECT_EQ(counted.column("operations")[i], insert ? "48" : "3072");
  }
}

TEST_F(XArrayCommandLine, AFilterMeasuresOnlyWhatItNames) {
  const Outcome outcome = run(
      kBench, kSmall + into_out() +
                  Arguments{"--operation=load,iterate", "--benchmark_filter=std_map/.*iterate"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(table().column("container"), AllOf(SizeIs(4), Each("std_map")));
  EXPECT_THAT(table().column("operation"), Each("iterate"));
}

}  // namespace
}  // namespace flushwalk
