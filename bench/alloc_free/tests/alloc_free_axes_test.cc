#include "bench/alloc_free/alloc_free_axes.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "bench/alloc_free/alloc_free_cases.h"

namespace flushwalk {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

std::vector<AllocFreeGroup> groups_of(const AllocFreeTexts& texts) {
  auto made = make_alloc_free_groups(texts);
  if (const Problem* const problem = std::get_if<Problem>(&made)) {
    ADD_FAILURE() << problem->line();
    return {};
  }
  return std::get<std::vector<AllocFreeGroup>>(made);
}

std::string problem_of(const AllocFreeTexts& texts) {
  const auto made = make_alloc_free_groups(texts);
  const Problem* const problem = std::get_if<Problem>(&made);
  return problem == nullptr ? "" : problem->line();
}

TEST(AllocFreeAxes, DefaultsAreOneThreadOnEveryNumberOfStripes) {
  const auto groups = groups_of({});
  ASSERT_THAT(groups, SizeIs(4)) << "a group for each number of pages";
  for (const AllocFreeGroup& group : groups) {
    EXPECT_EQ(group.axes.threads, 1U);
    EXPECT_EQ(group.axes.other_cpus(), 0U);
    EXPECT_THAT(group.rivals, SizeIs(11));
  }
  EXPECT_EQ(groups[3].axes.pages, 64U);
}

TEST(AllocFreeAxes, RevisionsAndQueuesAreRivalsAllElseMakesGroups) {
  AllocFreeTexts texts;
  texts.threads = "2,3";
  texts.queues = "4,8";
  texts.pages = "1,64";
  texts.revision = "v6.4,v6.12";
  texts.freeing = "same_cpu,other_cpu";
  texts.flusher = "none,unmap_aliases";
  texts.other_blocks = "0,16";
  const auto groups = groups_of(texts);
  ASSERT_THAT(groups, SizeIs(2 * 2 * 2 * 2 * 2));
  std::set<std::string> names;
  for (const AllocFreeGroup& group : groups) {
    ASSERT_THAT(group.rivals, SizeIs(4));
    for (const AllocFreeRival& rival : group.rivals) {
      names.insert(case_name(group.axes, rival));
    }
  }
  EXPECT_THAT(names, SizeIs(4 * 32)) << "no two cases have one name";
  EXPECT_EQ(case_name(groups.back().axes, groups.back().rivals.front()),
            "alloc_free/threads:3/queues:4/pages:64/revision:v6.4/freeing:other_cpu/"
            "flusher:unmap_aliases/other_blocks:16");
}

TEST(AllocFreeAxes, WalksAreRivalsAndOwnFlushesMakeGroups) {
  AllocFreeTexts texts;
  texts.queues = "2";
  texts.pages = "1";
  texts.other_blocks = "16";
  texts.other_full = "0,50";
  texts.flush_every = "0,16";
  texts.walk = "free_list,marked";
  const auto groups = groups_of(texts);
  ASSERT_THAT(groups, SizeIs(4));
  ASSERT_THAT(groups.back().rivals, SizeIs(2));
  EXPECT_EQ(case_name(groups.back().axes, groups.back().rivals.back()),
            "alloc_free/threads:1/queues:2/pages:1/revision:v6.12/freeing:same_cpu/flusher:none/"
            "other_blocks:16/other_full:50/flush_every:16/walk:marked");
  texts.revision = "p2";
  EXPECT_THAT(problem_of(texts), HasSubstr("--walk: marked needs a revision"));
  texts.walk = "free_list,xarray,cursor";
  EXPECT_EQ(problem_of(texts), "");
}

// The kernel's way stands in no name: cases were named before there was another.
TEST(AllocFreeAxes, LastFreesAreRivals) {
  AllocFreeTexts texts;
  texts.queues = "1";
  texts.pages = "32";
  texts.last_free = "lazy,closed_window";
  const auto made = make_alloc_free_groups(texts);
  const auto& groups = std::get<std::vector<AllocFreeGroup>>(made);
  ASSERT_EQ(groups.size(), 1U);
  ASSERT_EQ(groups[0].rivals.size(), 2U);
  const std::string open = case_name(groups[0].axes, groups[0].rivals[0]);
  EXPECT_EQ(open.find("last_free"), std::string::npos);
  EXPECT_EQ(case_name(groups[0].axes, groups[0].rivals[1]), open + "/last_free:closed_window");
}

TEST(AllocFreeAxes, TheFlusherWantsACpuOfItsOwn) {
  EXPECT_EQ((AllocFreeAxes{.threads = 3}.other_cpus()), 2U);
  EXPECT_EQ((AllocFreeAxes{.threads = 3, .flusher = Flusher::unmap_aliases}.other_cpus()), 3U);
}

TEST(AllocFreeAxes, TooFewCpusAreToldWithTheFlag) {
  const AllocFreeAxes three{.threads = 3};
  EXPECT_FALSE(why_too_few_cpus(three, 3));
  EXPECT_EQ(why_too_few_cpus(three, 2)->line(),
            "--threads: 3 threads need 3 CPUs; this process may use 2");
  const AllocFreeAxes flushed{.threads = 1, .flusher = Flusher::unmap_aliases};
  EXPECT_FALSE(why_too_few_cpus(flushed, 2));
  EXPECT_EQ(why_too_few_cpus(flushed, 1)->line(),
            "--flusher: unmap_aliases beside 1 thread needs 2 CPUs; this process may use 1");
}

TEST(AllocFreeAxes, AnotherCpuCannotFreeForAThreadAlone) {
  AllocFreeTexts texts;
  texts.freeing = "same_cpu,other_cpu";
  EXPECT_THAT(problem_of(texts), HasSubstr("--freeing: other_cpu needs a second thread"));
  texts.threads = "2";
  EXPECT_EQ(problem_of(texts), "");
  texts.threads = "2,1";
  EXPECT_THAT(problem_of(texts), HasSubstr("--freeing: "));
}

TEST(AllocFreeAxes, OtherBlocksNeedAQueueThatNoThreadUses) {
  AllocFreeTexts texts;
  texts.threads = "2";
  texts.queues = "2";
  texts.other_blocks = "16";
  EXPECT_THAT(problem_of(texts), HasSubstr("--other-blocks: 16 blocks"));
  texts.queues = "8,2";
  EXPECT_THAT(problem_of(texts), HasSubstr("--queues must be 3 or more with 2"));
  texts.queues = "3";
  EXPECT_EQ(problem_of(texts), "");
}

TEST(AllocFreeAxes, BadValuesNameTheirFlag) {
  struct Bad {
    std::string AllocFreeTexts::*flag;
    const char* value;
    const char* line;
  };
  const Bad all[] = {
      {&AllocFreeTexts::threads, "0", "--threads: 0 is not in 1..1024"},
      {&AllocFreeTexts::queues, "1025", "--queues: 1025 is not in 1..1024"},
      {&AllocFreeTexts::pages, "65", "--pages: 65 is not in 1..64"},
      {&AllocFreeTexts::revision, "v6.5",
       "--revision: v6.5 is not one of v6.4, p1, p2, p3, p4, p5, p6, v6.12"},
      {&AllocFreeTexts::freeing, "any", "--freeing: any is not one of same_cpu, other_cpu"},
      {&AllocFreeTexts::flusher, "purge", "--flusher: purge is not one of none, unmap_aliases"},
      {&AllocFreeTexts::other_blocks, "1048577", "--other-blocks: 1048577 is not in 0..1048576"},
      {&AllocFreeTexts::other_full, "101", "--other-full: 101 is not in 0..100"},
      {&AllocFreeTexts::flush_every, "-1", "--flush-every: -1 is not in 0..1048576"},
      {&AllocFreeTexts::walk, "list",
       "--walk: list is not one of free_list, xarray, cursor_scan, cursor, marked, dirty_list, "
       "list_and_full"},
  };
  for (const Bad& bad : all) {
    AllocFreeTexts texts;
    texts.*bad.flag = bad.value;
    EXPECT_EQ(problem_of(texts), bad.line);
  }
}

TEST(AllocFreeAxes, TheHelpNamesEveryValueAndMetric) {
  const std::string help = alloc_free_axes_help();
  for (const char* const word :
       {"--threads", "--queues", "--pages", "--revision", "v6.4", "v6.12", "--freeing", "same_cpu",
        "other_cpu", "--flusher", "unmap_aliases", "--other-blocks", "pair_time", "alloc_time",
        "free_time", "throughput", "lock_wait_", "exchange_wait", "memory_per_block"}) {
    EXPECT_THAT(help, HasSubstr(word));
  }
}

}  // namespace
}  // namespace flushwalk
