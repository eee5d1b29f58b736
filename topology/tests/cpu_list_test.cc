#include "topology/cpu_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace flushwalk::topology {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string refusal(std::string_view text) {
  const Result<std::vector<int>> parsed = parse_cpu_list(text);
  return parsed.ok() ? "(accepted)" : parsed.error();
}

TEST(FormatCpuList, DrawsNeighboursTogether) {
  EXPECT_EQ(format_cpu_list({}), "");
  EXPECT_EQ(format_cpu_list(std::vector<int>{5}), "5");
  EXPECT_EQ(format_cpu_list(std::vector<int>{0, 1}), "0-1");
  EXPECT_EQ(format_cpu_list(std::vector<int>{0, 2, 4}), "0,2,4");
  EXPECT_EQ(format_cpu_list(std::vector<int>{0, 1, 2, 3, 8}), "0-3,8");
}

TEST(FormatCpuList, SortsAndForgetsRepetitions) {
  EXPECT_EQ(format_cpu_list(std::vector<int>{8, 2, 0, 1, 1}), "0-2,8");
}

TEST(DescribeCpus, CountsInWords) {
  EXPECT_EQ(describe_cpus({}), "no CPU");
  EXPECT_EQ(describe_cpus(std::vector<int>{3}), "CPU 3");
  EXPECT_EQ(describe_cpus(std::vector<int>{3, 4}), "CPUs 3-4");
}

TEST(ParseCpuList, KeepsTheOrderWritten) {
  EXPECT_THAT(parse_cpu_list("0").value(), ElementsAre(0));
  EXPECT_THAT(parse_cpu_list("8,0,4").value(), ElementsAre(8, 0, 4));
  EXPECT_THAT(parse_cpu_list("6,0-3,5-5").value(), ElementsAre(6, 0, 1, 2, 3, 5));
  EXPECT_THAT(parse_cpu_list("65535").value(), ElementsAre(65'535));
}

TEST(ParseCpuList, RefusesMalformedText) {
  EXPECT_THAT(refusal(""), HasSubstr("the list is empty"));
  for (const char* text : {",", "0,", ",0", "0,,1"}) {
    EXPECT_THAT(refusal(text), HasSubstr("an entry is empty")) << text;
  }
  for (const char* text :
       {"a", "0x1", "-", "-1", "1-", "1-2-3", "+1", " 1", "1 ", "1.5", "0-7:2"}) {
    EXPECT_THAT(refusal(text), HasSubstr("is not a CPU; allowed are CPU numbers and ranges"))
        << text;
  }
  EXPECT_EQ(refusal("0,3-1"), "the range \"3-1\" runs backwards");
}

TEST(ParseCpuList, NamesTheEntryInOneShortLine) {
  EXPECT_THAT(refusal("0,x9,2"), HasSubstr("\"x9\" is not a CPU"));
  EXPECT_THAT(refusal("1\n2"), HasSubstr("\"1?2\" is not a CPU"));
  EXPECT_THAT(refusal(std::string(1'000'000, 'x')).size(), testing::Lt(200U));
}

// Ranges are written out: one that no machine has must not fill the memory first.
TEST(ParseCpuList, RefusesNumbersThatNoMachineHas) {
  EXPECT_EQ(refusal("65536"), "\"65536\" is not in 0..65535");
  EXPECT_EQ(refusal("0-4294967295"), "\"0-4294967295\" is not in 0..65535");
  EXPECT_EQ(refusal("99999999999999999999"), "\"99999999999999999999\" is not in 0..65535");
}

TEST(ParseCpuList, RefusesACpuListedTwice) {
  EXPECT_EQ(refusal("4,0,4"), "CPU 4 is listed twice");
  EXPECT_EQ(refusal("0-3,2"), "CPU 2 is listed twice");
}

}  // namespace
}  // namespace flushwalk::topology
