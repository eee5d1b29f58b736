#include "bench/flush_range/range_axes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

namespace flushwalk {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

std::vector<RangeGroup> groups_of(const RangeTexts& texts) {
  auto made = make_range_groups(texts);
  if (const Problem* const problem = std::get_if<Problem>(&made)) {
    ADD_FAILURE() << problem->line();
    return {};
  }
  return std::get<std::vector<RangeGroup>>(made);
}

std::string problem_of(const RangeTexts& texts) {
  const auto made = make_range_groups(texts);
  const Problem* const problem = std::get_if<Problem>(&made);
  return problem == nullptr ? "none" : problem->line();
}

TEST(RangeAxes, RivalsDifferInGatherAndCodeAlone) {
  const auto groups =
      groups_of({.ranges = "2,4", .pages = "33", .gap = "0,1g", .code = "suite,by_hand"});
  ASSERT_THAT(groups, SizeIs(4));
  for (const RangeGroup& group : groups) {
    EXPECT_THAT(
        group.rivals,
        ElementsAre(RangeRival{Gather::hull, Code::suite}, RangeRival{Gather::hull, Code::by_hand},
                    RangeRival{Gather::runs, Code::suite}, RangeRival{Gather::runs, Code::by_hand},
                    RangeRival{Gather::full, Code::suite},
                    RangeRival{Gather::full, Code::by_hand}));
    EXPECT_TRUE(group.mixed());
  }
  EXPECT_EQ(groups[1].shape, (RangeShape{4, 33, 0}));
  EXPECT_EQ(groups[2].shape, (RangeShape{2, 33, 262'144}));
}

TEST(RangeAxes, AutoIsRunsWhereTheShootdownTakesSomethingAway) {
  const auto groups = groups_of({.ranges = "1", .shootdown = "munmap,cold_range,dontneed"});
  ASSERT_THAT(groups, SizeIs(3));
  EXPECT_THAT(groups[0].rivals, ElementsAre(RangeRival{Gather::runs, Code::suite}));
  EXPECT_THAT(groups[1].rivals, SizeIs(3));
  EXPECT_THAT(groups[2].rivals, ElementsAre(RangeRival{Gather::runs, Code::suite}));
  EXPECT_FALSE(groups[0].mixed());
}

TEST(RangeAxes, GroupsOfOneKindAreNotMixed) {
  EXPECT_FALSE(groups_of({.ranges = "1", .gather = "hull,full"})[0].mixed());
  EXPECT_FALSE(groups_of({.ranges = "1", .gather = "runs,per_block"})[0].mixed());
  EXPECT_TRUE(groups_of({.ranges = "1", .gather = "per_block,full"})[0].mixed());
}

TEST(RangeAxes, TheNameHasEveryAxis) {
  const auto groups = groups_of({.ranges = "64",
                                 .pages = "8",
                                 .gap = "255g",
                                 .gather = "per_block",
                                 .shootdown = "cold_range",
                                 .working_set = "1536",
                                 .code = "by_hand",
                                 .responders = "3"});
  EXPECT_EQ(case_name(groups[0], groups[0].rivals[0]),
            "flush_range/gather:per_block/shootdown:cold_range/ranges:64/pages:8/gap:255g/"
            "working_set:1536/code:by_hand/responders:3");
}

TEST(RangeAxes, WhatIsWrongIsNamedWithWhatIsAllowed) {
  EXPECT_EQ(problem_of({.ranges = "0"}), "--ranges: 0 is not in 1..1024");
  EXPECT_EQ(problem_of({.ranges = "1025"}), "--ranges: 1025 is not in 1..1024");
  EXPECT_EQ(problem_of({.pages = "513"}), "--pages: 513 is not in 1..512");
  EXPECT_THAT(problem_of({.gap = "0,1x"}), StartsWith("--gap: 1x is not 0, block, or a number"));
  EXPECT_THAT(problem_of({.gap = ""}), StartsWith("--gap: an empty value is not 0, block"));
  EXPECT_EQ(problem_of({.gap = "4m,block"}), "--gap: block is named twice");
  EXPECT_EQ(problem_of({.working_set = "65537"}), "--working-set: 65537 is not in 0..65536");
  EXPECT_EQ(problem_of({.code = "hand"}), "--code: hand is not one of suite, by_hand");
  EXPECT_THAT(problem_of({.gather = "hull", .shootdown = "mprotect_range,guard"}),
              StartsWith("--gather: guard takes access away, and hull covers slots in use"));
}

TEST(RangeAxes, NoLoopByHandOfWhatIsNoLoop) {
  for (const char* const kind : {"none", "guard", "dontneed"}) {
    EXPECT_THAT(problem_of({.shootdown = kind, .code = "suite,by_hand"}),
                StartsWith(std::string("--code: ") + kind));
    EXPECT_EQ(problem_of({.shootdown = kind}), "none");
  }
  EXPECT_EQ(problem_of({.shootdown = "noop,membarrier,mprotect_range,cold_range,mprotect,munmap",
                        .code = "by_hand"}),
            "none");
}

}  // namespace
}  // namespace flushwalk
