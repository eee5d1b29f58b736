#include "bench/counters/event_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/counters/nearest_names.h"

namespace flushwalk {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

EventName parsed(std::string_view text) {
  auto name = parse_event_name(text);
  if (const Problem* const problem = std::get_if<Problem>(&name)) {
    ADD_FAILURE() << problem->line();
    return {};
  }
  return std::get<EventName>(name);
}

std::string refused(std::string_view text) {
  auto name = parse_event_name(text);
  return std::holds_alternative<Problem>(name) ? std::get<Problem>(name).line() : "";
}

TEST(EventName, LevelsAreTakenOffTheEnd) {
  for (const char* const text : {"cycles", "cycles:uk", "cycles:ku"}) {
    EXPECT_EQ(parsed(text).event, "cycles");
    EXPECT_TRUE(parsed(text).user);
    EXPECT_TRUE(parsed(text).kernel);
    EXPECT_EQ(parsed(text).text, text);
  }
  EXPECT_FALSE(parsed("cycles:u").kernel);
  EXPECT_TRUE(parsed("cycles:u").user);
  EXPECT_FALSE(parsed("dtlb_load_misses.walk_completed:k").user);
  EXPECT_EQ(parsed("dtlb_load_misses.walk_completed:k").event, "dtlb_load_misses.walk_completed");
}

TEST(EventName, AFullNameKeepsItsColons) {
  const EventName name = parsed("skl::tlb_flush.dtlb_thread:u");
  EXPECT_EQ(name.source, EventSource::pmu);
  EXPECT_EQ(name.event, "skl::tlb_flush.dtlb_thread");
  EXPECT_FALSE(name.kernel);
  EXPECT_EQ(parsed("skl::u").event, "skl::u");
}

TEST(EventName, TracepointsAreOfASystemAndMayBeFiltered) {
  EXPECT_EQ(parsed("tlb:tlb_flush").source, EventSource::tracepoint);
  EXPECT_THAT(parsed("tlb:tlb_flush").filter, IsEmpty());
  const EventName name = parsed("tlb:tlb_flush/reason==1 || pages>33/:k");
  EXPECT_EQ(name.event, "tlb:tlb_flush");
  EXPECT_EQ(name.filter, "reason==1 || pages>33");
  EXPECT_FALSE(name.user);
}

TEST(EventName, TablesAreAFileAndItsRow) {
  const EventName name = parsed("/proc/interrupts:TLB");
  EXPECT_EQ(name.source, EventSource::table);
  EXPECT_EQ(name.event, "/proc/interrupts");
  EXPECT_EQ(name.row, "TLB");
  EXPECT_EQ(parsed("/proc/vmstat:nr_tlb_*").row, "nr_tlb_*");
}

TEST(EventName, WhatCannotBeMeantIsRefusedWithTheName) {
  EXPECT_THAT(refused(""), HasSubstr("--counters: an empty name"));
  EXPECT_THAT(refused("cycles/x/"), HasSubstr("only a tracepoint"));
  EXPECT_THAT(refused("tlb:tlb_flush/reason==1"), HasSubstr("between two slashes"));
  EXPECT_THAT(refused("tlb:tlb_flush//"), HasSubstr("between two slashes"));
  EXPECT_THAT(refused("/proc/meminfo:MemFree"), HasSubstr("tables are"));
  EXPECT_THAT(refused("/proc/interrupts"), HasSubstr("a row of the table"));
  EXPECT_THAT(refused("two words"), HasSubstr("two words: not the name of an event"));
}

TEST(EventList, IsSplitAtCommasOutsideOfFilters) {
  EXPECT_THAT(split_event_list("tlb,cycles:k"), ElementsAre("tlb", "cycles:k"));
  EXPECT_THAT(split_event_list("a:b/x==1,y/,/proc/vmstat:nr_tlb_*,c:d/z/"),
              ElementsAre("a:b/x==1,y/", "/proc/vmstat:nr_tlb_*", "c:d/z/"));
  EXPECT_THAT(split_event_list("tlb,,walk"), ElementsAre("tlb", "", "walk"));
}

TEST(NearestNames, CountEditsAndKnowWhatLibpfmTakesForTheSame) {
  EXPECT_EQ(edit_distance("cycles", "cycles"), 0U);
  EXPECT_EQ(edit_distance("cylces", "cycles"), 1U);  // a swap
  EXPECT_EQ(edit_distance("page-faults", "PAGE_FAULTS"), 0U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
}

TEST(NearestNames, TheNearestComeFirstAndStrangersNotAtAll) {
  EXPECT_THAT(nearest_names("cylces", {"instructions", "bus-cycles", "cycles", "cycles"}, 3),
              ElementsAre("cycles", "bus-cycles"));
  EXPECT_THAT(nearest_names("cylces", {"cycle", "cycles", "cyclea"}, 2),
              ElementsAre("cycles", "cycle"));
  EXPECT_THAT(nearest_names("zzzz", {"cycles"}, 3), IsEmpty());
}

}  // namespace
}  // namespace flushwalk
