#include "bench/patch_series/series_axes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <variant>
#include <vector>

namespace flushwalk {
namespace {

using ::testing::SizeIs;

std::vector<SeriesGroup> groups_of(const SeriesTexts& texts) {
  const auto made = make_series_groups(texts);
  const Problem* const problem = std::get_if<Problem>(&made);
  EXPECT_EQ(problem, nullptr) << (problem == nullptr ? "" : problem->line());
  return problem == nullptr ? std::get<0>(made) : std::vector<SeriesGroup>();
}

std::string problem_of(const SeriesTexts& texts) {
  const auto made = make_series_groups(texts);
  const Problem* const problem = std::get_if<Problem>(&made);
  return problem == nullptr ? "" : problem->line();
}

TEST(SeriesAxes, AllWorkloadsUnderAllRevisionsByDefault) {
  const std::vector<SeriesGroup> groups = groups_of({});
  ASSERT_THAT(groups, SizeIs(workloads().size()));
  for (std::size_t i = 0; i < groups.size(); ++i) {
    EXPECT_EQ(groups[i].workload, &workloads()[i]);
    EXPECT_EQ(groups[i].shootdown, ShootdownKind::none);
    EXPECT_EQ(groups[i].responders, 0U);
    ASSERT_THAT(groups[i].revisions, SizeIs(revisions().size()));
    for (std::size_t k = 0; k < revisions().size(); ++k) {
      EXPECT_EQ(groups[i].revisions[k], &revisions()[k]);
    }
  }
}

TEST(SeriesAxes, EveryCombinationWorkloadsOutermostAndCasesNamed) {
  SeriesTexts texts;
  texts.workload = "churn,full_blocks";
  texts.revision = "p6,v6.4";
  texts.shootdown = "none,mprotect_range";
  texts.responders = "0,2";
  std::vector<std::string> names;
  for (const SeriesGroup& group : groups_of(texts)) {
    for (const Behaviors* const revision : group.revisions) {
      names.push_back(case_name(group, *revision));
    }
  }
  ASSERT_THAT(names, SizeIs(16));
  EXPECT_EQ(names[0], "patch_series/workload:churn/revision:p6/shootdown:none/responders:0");
  EXPECT_EQ(names[1], "patch_series/workload:churn/revision:v6.4/shootdown:none/responders:0");
  EXPECT_EQ(names[6],
            "patch_series/workload:churn/revision:p6/shootdown:mprotect_range/responders:2");
  EXPECT_EQ(names[8], "patch_series/workload:full_blocks/revision:p6/shootdown:none/responders:0");
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), 16U);
}

TEST(SeriesAxes, AValueThatIsNotAllowedIsToldWithThoseThatAre) {
  SeriesTexts workload;
  workload.workload = "churn,none";
  EXPECT_THAT(problem_of(workload),
              ::testing::StartsWith("--workload: none is not one of full_blocks, "));
  SeriesTexts revision;
  revision.revision = "p7";
  EXPECT_EQ(problem_of(revision),
            "--revision: p7 is not one of v6.4, p1, p2, p3, p4, p5, p6, v6.12");
  // A hull would revoke buffers in use.
  SeriesTexts shootdown;
  shootdown.shootdown = "munmap";
  EXPECT_EQ(problem_of(shootdown), "--shootdown: munmap is not one of none, noop, mprotect_range");
  SeriesTexts twice;
  twice.revision = "p1,p1";
  EXPECT_EQ(problem_of(twice), "--revision: p1 is named twice");
  SeriesTexts responders;
  responders.responders = "-1";
  EXPECT_EQ(problem_of(responders), "--responders: -1 is not in 0..65535");
}

TEST(Workloads, HaveNamesAndOneLineEach) {
  std::set<std::string_view> names;
  for (const Workload& workload : workloads()) {
    EXPECT_TRUE(names.insert(workload.name).second) << workload.name;
    EXPECT_EQ(find_workload(workload.name), &workload);
    EXPECT_FALSE(workload.sentence.empty());
    EXPECT_LE(workload.sentence.size(), 100U) << workload.name;
    EXPECT_EQ(workload.sentence.find('\n'), std::string_view::npos);
  }
  EXPECT_EQ(find_workload("no such"), nullptr);
}

TEST(Workloads, AreTheSameEachTimeTheyAreMade) {
  for (const Workload& workload : workloads()) {
    const Geometry geometry(0xffffc90000000000, workload.block_slots);
    const Sequence one = workload.make(workload, geometry);
    const Sequence other = workload.make(workload, geometry);
    ASSERT_EQ(one.timed.size(), other.timed.size());
    EXPECT_EQ(one.prepare.size(), other.prepare.size());
    EXPECT_EQ(one.buffers, other.buffers);
    for (std::size_t i = 0; i < one.timed.size(); ++i) {
      EXPECT_EQ(one.timed[i].action, other.timed[i].action);
      EXPECT_EQ(one.timed[i].buffer, other.timed[i].buffer);
      EXPECT_EQ(one.timed[i].queue, other.timed[i].queue);
      EXPECT_EQ(one.timed[i].pages, other.timed[i].pages);
    }
  }
}

}  // namespace
}  // namespace flushwalk
