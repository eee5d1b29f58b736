#include "bench/flush_walk/walk_axes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <variant>
#include <vector>

#define ALL_WALKS "free_list, xarray, cursor_scan, cursor, marked, dirty_list, list_and_full"

namespace flushwalk {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

AxisTexts one_case() {
  return {.walk = "xarray",
          .blocks = "64",
          .full = "50",
          .dirty = "10",
          .dirty_slots = "1",
          .queues = "1",
          .shootdown = "none",
          .responders = "0"};
}

std::vector<WalkGroup> groups_of(const AxisTexts& texts) {
  const auto made = make_groups(texts);
  if (const Problem* const problem = std::get_if<Problem>(&made)) {
    ADD_FAILURE() << problem->line();
    return {};
  }
  return std::get<std::vector<WalkGroup>>(made);
}

std::string problem_of(const AxisTexts& texts) {
  const auto made = make_groups(texts);
  const Problem* const problem = std::get_if<Problem>(&made);
  return problem != nullptr ? problem->line() : "no problem";
}

TEST(WalkAxes, OneValueOfEachIsOneGroup) {
  const std::vector<WalkGroup> groups = groups_of({.walk = "free_list",
                                                   .blocks = "1048576",
                                                   .full = "100",
                                                   .dirty = "0",
                                                   .dirty_slots = "64",
                                                   .queues = "1024",
                                                   .shootdown = "munmap",
                                                   .responders = "65535"});
  ASSERT_THAT(groups, SizeIs(1));
  EXPECT_EQ(groups[0].axes,
            (GroupAxes{{1'048'576, 100, 0, 64, 1024}, ShootdownKind::munmap, 65'535}));
  EXPECT_THAT(groups[0].walks, ElementsAre(Walk::free_list));
}

TEST(WalkAxes, WalksStandInOneGroupInTheOrderGiven) {
  AxisTexts texts = one_case();
  texts.walk = "xarray,free_list";
  const std::vector<WalkGroup> groups = groups_of(texts);
  ASSERT_THAT(groups, SizeIs(1));
  EXPECT_THAT(groups[0].walks, ElementsAre(Walk::xarray, Walk::free_list));
}

// Counted by loops of the test's own; the last axis of the list turns fastest.
TEST(WalkAxes, EveryCombinationOnceLoadsOutermost) {
  const std::vector<WalkGroup> groups = groups_of({.walk = "free_list,xarray",
                                                   .blocks = "128,64",
                                                   .full = "0,100",
                                                   .dirty = "10,20",
                                                   .dirty_slots = "1,4",
                                                   .queues = "1,3",
                                                   .shootdown = "none,mprotect_range,noop",
                                                   .responders = "1,0"});
  std::vector<GroupAxes> expected;
  for (const std::uint64_t blocks : {128U, 64U}) {
    for (const unsigned full : {0U, 100U}) {
      for (const unsigned dirty : {10U, 20U}) {
        for (const unsigned slots : {1U, 4U}) {
          for (const unsigned queues : {1U, 3U}) {
            for (const ShootdownKind kind :
                 {ShootdownKind::none, ShootdownKind::mprotect_range, ShootdownKind::noop}) {
              for (const unsigned responders : {1U, 0U}) {
                expected.push_back({{blocks, full, dirty, slots, queues}, kind, responders});
              }
            }
          }
        }
      }
    }
  }
  ASSERT_THAT(groups, SizeIs(expected.size()));
  for (std::size_t i = 0; i < groups.size(); ++i) {
    EXPECT_TRUE(groups[i].axes == expected[i]) << case_name(groups[i].axes, Walk::xarray);
    EXPECT_THAT(groups[i].walks, SizeIs(2));
  }
}

TEST(WalkAxes, EachWayHasItsArmsBesideIt) {
  AxisTexts texts = one_case();
  texts.check = "locked,lockless";
  texts.inject_delay_ns = "0,250";
  EXPECT_THAT(
      groups_of(texts)[0].walks,
      ElementsAre(Way(Walk::xarray, Check::locked), Way(Walk::xarray, Check::locked, 0),
                  Way(Walk::xarray, Check::locked, 250), Way(Walk::xarray, Check::lockless),
                  Way(Walk::xarray, Check::lockless, 0), Way(Walk::xarray, Check::lockless, 250)));
}

TEST(WalkAxes, PartsAreTimedAloneWhereThereAreTwo) {
  AxisTexts texts;
  texts.shootdown = "none,mprotect_range";
  texts.parts_alone = true;
  const auto made = make_groups(texts);
  for (const WalkGroup& group : std::get<std::vector<WalkGroup>>(made)) {
    EXPECT_EQ(group.parts_alone, group.axes.shootdown != ShootdownKind::none);
  }
}

TEST(WalkAxes, TheDefaultsAreGood) {
  const std::vector<WalkGroup> groups = groups_of({});
  EXPECT_THAT(groups, SizeIs(6 * 3));
  for (const WalkGroup& group : groups) {
    EXPECT_THAT(group.walks, ElementsAre(Walk::free_list, Walk::xarray));
    EXPECT_EQ(group.axes.shootdown, ShootdownKind::none);
  }
}

TEST(WalkAxes, EveryShootdownHasItsName) {
  AxisTexts texts = one_case();
  texts.shootdown = "none,noop,membarrier,mprotect_range,cold_range,mprotect,munmap,guard,dontneed";
  const std::vector<WalkGroup> groups = groups_of(texts);
  ASSERT_THAT(groups, SizeIs(std::size(kShootdownKinds)));
  for (std::size_t i = 0; i < groups.size(); ++i) {
    EXPECT_EQ(groups[i].axes.shootdown, kShootdownKinds[i]);
  }
}

std::vector<std::string> gathers_and_shootdowns(const AxisTexts& texts) {
  std::vector<std::string> all;
  for (const WalkGroup& group : groups_of(texts)) {
    const std::string name = case_name(group.axes, Walk::xarray);
    const std::size_t from = name.find("gather:");
    all.push_back(name.substr(from, name.find("/blocks:") - from));
  }
  return all;
}

TEST(WalkAxes, AGatherThatIsNotAskedForIsTheOneThatTheShootdownGoesWith) {
  AxisTexts texts = one_case();
  texts.shootdown = "none,cold_range,guard,dontneed";
  EXPECT_THAT(gathers_and_shootdowns(texts),
              ElementsAre("gather:hull/shootdown:none", "gather:hull/shootdown:cold_range",
                          "gather:runs/shootdown:guard", "gather:runs/shootdown:dontneed"));
  texts.gather = "auto";
  EXPECT_THAT(gathers_and_shootdowns(texts), SizeIs(4));
}

TEST(WalkAxes, EveryShootdownIsCombinedWithEveryGather) {
  AxisTexts texts = one_case();
  texts.shootdown = "mprotect_range,membarrier";
  texts.gather = "hull,full,per_block,runs";
  EXPECT_THAT(
      gathers_and_shootdowns(texts),
      ElementsAre("gather:hull/shootdown:mprotect_range", "gather:full/shootdown:mprotect_range",
                  "gather:per_block/shootdown:mprotect_range",
                  "gather:runs/shootdown:mprotect_range", "gather:hull/shootdown:membarrier",
                  "gather:full/shootdown:membarrier", "gather:per_block/shootdown:membarrier",
                  "gather:runs/shootdown:membarrier"));
}

TEST(WalkAxes, RespondersTurnFasterThanGathers) {
  AxisTexts texts = one_case();
  texts.gather = "full,hull";
  texts.responders = "1,0";
  const std::vector<WalkGroup> groups = groups_of(texts);
  ASSERT_THAT(groups, SizeIs(4));
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(groups[i].axes.gather(), i < 2 ? Gather::full : Gather::hull);
    EXPECT_EQ(groups[i].axes.responders, i % 2 == 0 ? 1U : 0U);
  }
}

// The same combination, by whatever name, is the same case: a report can be added to.
TEST(WalkAxes, AskingForTheUsualGatherChangesNoName) {
  AxisTexts texts = one_case();
  const std::vector<std::string> usual = gathers_and_shootdowns(texts);
  texts.gather = "hull";
  EXPECT_EQ(gathers_and_shootdowns(texts), usual);
}

TEST(WalkAxes, AGatherThatMakesNoSenseIsRefused) {
  AxisTexts texts = one_case();
  texts.gather = "runs,hull";
  texts.shootdown = "mprotect_range,munmap";
  EXPECT_EQ(problem_of(texts), "--gather: " + why_senseless(Gather::hull, ShootdownKind::munmap));
  texts.gather = "runs";
  EXPECT_EQ(problem_of(texts), "no problem");
}

TEST(WalkAxes, ACaseNameTellsEveryAxis) {
  EXPECT_EQ(case_name({{4096, 50, 10, 1, 2}, ShootdownKind::mprotect_range, 1}, Walk::xarray),
            "flush_walk/walk:xarray/check:locked/gather:hull/shootdown:mprotect_range/blocks:4096/"
            "full:50/dirty:10/queues:2/responders:1");
  EXPECT_EQ(case_name({{64, 0, 100, 16, 1}, ShootdownKind::munmap, 0}, Walk::free_list),
            "flush_walk/walk:free_list/check:locked/gather:runs/shootdown:munmap/blocks:64/full:0/"
            "dirty:100/dirty_slots:16/queues:1/responders:0");
  const LoadShape shape{.blocks = 64,
                        .full_percent = 50,
                        .dirty_percent = 1,
                        .queues = 8,
                        .layout = IndexLayout::dense,
                        .spread = Spread::listed,
                        .descriptors = Descriptors::shuffled};
  EXPECT_EQ(case_name({shape, ShootdownKind::none, 0}, {Walk::marked, Check::lockless}),
            "flush_walk/walk:marked/check:lockless/gather:hull/shootdown:none/blocks:64/full:50/"
            "dirty:1/spread:listed/descriptors:shuffled/index:dense/queues:8/responders:0");
}

TEST(WalkAxes, EveryWalkIsLookedAtInEveryWay) {
  AxisTexts texts = one_case();
  texts.walk = "marked,xarray";
  texts.check = "lockless,locked";
  const std::vector<WalkGroup> groups = groups_of(texts);
  ASSERT_THAT(groups, SizeIs(1));
  EXPECT_EQ(groups[0].walks, (std::vector<Way>{{Walk::marked, Check::lockless},
                                               {Walk::marked, Check::locked},
                                               {Walk::xarray, Check::lockless},
                                               {Walk::xarray, Check::locked}}));
}

struct BadValue {
  const char* flag;
  std::string AxisTexts::*text;
  const char* value;
  const char* message;
};

class WalkAxesBadValue : public ::testing::TestWithParam<BadValue> {};

TEST_P(WalkAxesBadValue, IsToldWithFlagValueAndWhatIsAllowed) {
  const BadValue& bad = GetParam();
  AxisTexts texts = one_case();
  texts.*bad.text = bad.value;
  const auto made = make_groups(texts);
  ASSERT_TRUE(std::holds_alternative<Problem>(made)) << bad.flag << "=" << bad.value;
  EXPECT_EQ(std::get<Problem>(made), (Problem{bad.flag, bad.message}));
}

#define ALL_KINDS \
  "none, noop, membarrier, mprotect_range, cold_range, mprotect, munmap, guard, dontneed"
constexpr const char* kKinds = " is not one of " ALL_KINDS;

INSTANTIATE_TEST_SUITE_P(
    Names, WalkAxesBadValue,
    ::testing::Values(
        BadValue{"--walk", &AxisTexts::walk, "list", "list is not one of " ALL_WALKS},
        BadValue{"--walk", &AxisTexts::walk, "", "an empty value is not one of " ALL_WALKS},
        BadValue{"--walk", &AxisTexts::walk, "xarray,", "an empty value is not one of " ALL_WALKS},
        BadValue{"--walk", &AxisTexts::walk, "Xarray", "Xarray is not one of " ALL_WALKS},
        BadValue{"--walk", &AxisTexts::walk, "xarray, free_list",
                 " free_list is not one of " ALL_WALKS},
        BadValue{"--walk", &AxisTexts::walk, "xarray,xarray", "xarray is named twice"},
        BadValue{"--check", &AxisTexts::check, "none", "none is not one of locked, lockless"},
        BadValue{"--gather", &AxisTexts::gather, "auto,hull",
                 "auto is not one of hull, per_block, runs, full"},
        BadValue{"--gather", &AxisTexts::gather, "",
                 "an empty value is not one of hull, per_block, runs, full"},
        BadValue{"--gather", &AxisTexts::gather, "full,full", "full is named twice"},
        BadValue{"--index", &AxisTexts::index, "flat", "flat is not one of kernel, dense"},
        BadValue{"--spread", &AxisTexts::spread, "all", "all is not one of even, listed"},
        BadValue{"--descriptors", &AxisTexts::descriptors, "",
                 "an empty value is not one of in_order, shuffled"}));

INSTANTIATE_TEST_SUITE_P(
    Blocks, WalkAxesBadValue,
    ::testing::Values(
        BadValue{"--blocks", &AxisTexts::blocks, "0", "0 is not in 1..1048576"},
        BadValue{"--blocks", &AxisTexts::blocks, "1048577", "1048577 is not in 1..1048576"},
        BadValue{"--blocks", &AxisTexts::blocks, "-1", "-1 is not in 1..1048576"},
        BadValue{"--blocks", &AxisTexts::blocks, "+1", "+1 is not in 1..1048576"},
        BadValue{"--blocks", &AxisTexts::blocks, "64x", "64x is not in 1..1048576"},
        BadValue{"--blocks", &AxisTexts::blocks, "4k", "4k is not in 1..1048576"},
        BadValue{"--blocks", &AxisTexts::blocks, "64 ", "64  is not in 1..1048576"},
        BadValue{"--blocks", &AxisTexts::blocks, "99999999999999999999",
                 "99999999999999999999 is not in 1..1048576"},
        BadValue{"--blocks", &AxisTexts::blocks, "64,,128", "an empty value is not in 1..1048576"},
        BadValue{"--blocks", &AxisTexts::blocks, ",64", "an empty value is not in 1..1048576"},
        BadValue{"--blocks", &AxisTexts::blocks, "64,128,64", "64 is named twice"},
        BadValue{"--blocks", &AxisTexts::blocks, "64,064", "064 is named twice"}));

INSTANTIATE_TEST_SUITE_P(
    Numbers, WalkAxesBadValue,
    ::testing::Values(
        BadValue{"--full", &AxisTexts::full, "101", "101 is not in 0..100"},
        BadValue{"--full", &AxisTexts::full, "50%", "50% is not in 0..100"},
        BadValue{"--full", &AxisTexts::full, "50,50", "50 is named twice"},
        BadValue{"--dirty", &AxisTexts::dirty, "101", "101 is not in 0..100"},
        BadValue{"--dirty", &AxisTexts::dirty, "-5", "-5 is not in 0..100"},
        BadValue{"--dirty", &AxisTexts::dirty, "0,", "an empty value is not in 0..100"},
        BadValue{"--dirty-slots", &AxisTexts::dirty_slots, "0", "0 is not in 1..64"},
        BadValue{"--dirty-slots", &AxisTexts::dirty_slots, "65", "65 is not in 1..64"},
        BadValue{"--dirty-slots", &AxisTexts::dirty_slots, "3", "3 is not a power of two"},
        BadValue{"--dirty-slots", &AxisTexts::dirty_slots, "2,48", "48 is not a power of two"},
        BadValue{"--queues", &AxisTexts::queues, "0", "0 is not in 1..1024"},
        BadValue{"--queues", &AxisTexts::queues, "1025", "1025 is not in 1..1024"},
        BadValue{"--shootdown", &AxisTexts::shootdown, "ipi", "ipi is not one of " ALL_KINDS},
        BadValue{"--shootdown", &AxisTexts::shootdown, "none,none", "none is named twice"},
        BadValue{"--responders", &AxisTexts::responders, "-1", "-1 is not in 0..65535"},
        BadValue{"--responders", &AxisTexts::responders, "65536", "65536 is not in 0..65535"},
        BadValue{"--responders", &AxisTexts::responders, "4294967296",
                 "4294967296 is not in 0..65535"},
        BadValue{"--responders", &AxisTexts::responders, "1,1", "1 is named twice"}));

TEST(WalkAxes, TheFirstOfSeveralProblemsIsTold) {
  AxisTexts texts = one_case();
  texts.full = "200";
  texts.shootdown = "x";
  texts.dirty_slots = "3";
  EXPECT_EQ(problem_of(texts), "--full: 200 is not in 0..100");
  texts.full = "20";
  EXPECT_EQ(problem_of(texts), std::string("--shootdown: x") + kKinds);
}

}  // namespace
}  // namespace flushwalk
