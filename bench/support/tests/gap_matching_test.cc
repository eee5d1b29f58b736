#include "bench/support/gap_matching.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace flushwalk {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

GapMatches match(const std::vector<ShootdownWindow>& windows, const std::vector<Gap>& gaps,
                 Ticks slack = 0) {
  return match_gaps(windows, gaps, slack);
}

TEST(GapMatching, NothingMatchesNothing) {
  EXPECT_EQ(match({}, {}).proven, 0U);
  EXPECT_EQ(match({}, {{100, 200}}).proven, 0U);
  EXPECT_THAT(match({}, {{100, 200}}).stalls, IsEmpty());
  EXPECT_EQ(match({{100, 200, 1}}, {}).proven, 0U);
  EXPECT_THAT(match({{100, 200, 1}}, {}).stalls, IsEmpty());
}

TEST(GapMatching, AGapThatBeginsInTheWindowCountsWhateverItsEnd) {
  for (const Gap& gap : {Gap{120, 150}, Gap{120, 200}, Gap{120, 90'000}}) {
    const GapMatches matches = match({{100, 200, 1}}, {gap});
    EXPECT_EQ(matches.proven, 1U) << gap.end;
    EXPECT_THAT(matches.stalls, ElementsAre(gap.end - gap.begin));
  }
}

// A preempted responder: the kernel may have skipped its CPU, however well the gap's end fits.
TEST(GapMatching, AGapThatBeganBeforeTheWindowDoesNotCount) {
  for (const Gap& gap : {Gap{10, 90}, Gap{99, 150}, Gap{10, 200}, Gap{10, 90'000}}) {
    const GapMatches matches = match({{100, 200, 1}}, {gap});
    EXPECT_EQ(matches.proven, 0U) << gap.begin << " to " << gap.end;
    EXPECT_THAT(matches.stalls, IsEmpty());
  }
}

TEST(GapMatching, AGapThatBeginsAfterTheWindowDoesNotCount) {
  EXPECT_EQ(match({{100, 200, 1}}, {{201, 250}}).proven, 0U);
}

TEST(GapMatching, BothEdgesOfTheWindowBelongToIt) {
  EXPECT_EQ(match({{100, 200, 1}}, {{100, 250}}).proven, 1U);
  EXPECT_EQ(match({{100, 200, 1}}, {{200, 250}}).proven, 1U);
}

TEST(GapMatching, SlackWidensTheWindowByAsMuchAtEitherEdge) {
  EXPECT_EQ(match({{100, 200, 1}}, {{93, 150}}, 7).proven, 1U);
  EXPECT_EQ(match({{100, 200, 1}}, {{92, 150}}, 7).proven, 0U);
  EXPECT_EQ(match({{100, 200, 1}}, {{207, 250}}, 7).proven, 1U);
  EXPECT_EQ(match({{100, 200, 1}}, {{208, 250}}, 7).proven, 0U);
  // A window that begins less than the slack after the clock's zero.
  EXPECT_EQ(match({{3, 200, 1}}, {{0, 50}}, 7).proven, 1U);
}

TEST(GapMatching, EachCallOfAWindowIsProvenByAGapOfItsOwn) {
  const std::vector<Gap> three = {{110, 115}, {130, 150}, {160, 170}};
  EXPECT_EQ(match({{100, 200, 3}}, three).proven, 3U);
  EXPECT_EQ(match({{100, 200, 5}}, three).proven, 3U);
}

TEST(GapMatching, MoreGapsThanCallsProveNoMoreThanTheCalls) {
  const GapMatches matches = match({{100, 200, 2}}, {{110, 115}, {130, 150}, {160, 170}});
  EXPECT_EQ(matches.proven, 2U);
  // One stall a window: its longest gap, here neither the first nor the last.
  EXPECT_THAT(matches.stalls, ElementsAre(20U));
}

// Surplus gaps of one flush must not stand for the missing ones of another.
TEST(GapMatching, ASurplusInOneWindowDoesNotMakeUpForAnother) {
  const GapMatches matches = match({{100, 200, 1}, {300, 400, 1}, {500, 600, 1}},
                                   {{110, 115}, {120, 125}, {130, 135}, {510, 530}});
  EXPECT_EQ(matches.proven, 2U);
  EXPECT_THAT(matches.stalls, ElementsAre(5U, 20U));
}

TEST(GapMatching, AWindowWithoutCallsProvesNothingAndHasNoStall) {
  const GapMatches matches = match({{100, 200, 0}, {300, 400, 1}}, {{110, 150}, {310, 320}});
  EXPECT_EQ(matches.proven, 1U);
  EXPECT_THAT(matches.stalls, ElementsAre(10U));
}

TEST(GapMatching, GapsBetweenWindowsAreNobodys) {
  const GapMatches matches =
      match({{100, 200, 1}, {300, 400, 1}},
            {{20, 30}, {40, 50}, {150, 160}, {210, 220}, {250, 350}, {310, 330}, {450, 460}});
  EXPECT_EQ(matches.proven, 2U);
  EXPECT_THAT(matches.stalls, ElementsAre(10U, 20U));
}

// With slack, a gap between two close windows fits both.
TEST(GapMatching, AGapIsUsedOnce) {
  const std::vector<ShootdownWindow> close = {{100, 200, 1}, {205, 300, 1}};
  EXPECT_EQ(match(close, {{203, 240}}, 10).proven, 1U);
  EXPECT_THAT(match(close, {{203, 240}}, 10).stalls, ElementsAre(37U));
  EXPECT_EQ(match(close, {{203, 240}, {250, 260}}, 10).proven, 2U);
}

TEST(GapMatching, AFlushIsExactWithAsManyGapsAsCallsNoMoreAndNoFewer) {
  EXPECT_EQ(match({{100, 200, 2}}, {{110, 115}, {130, 150}}).exact, 1U);
  EXPECT_EQ(match({{100, 200, 1}}, {{110, 115}, {130, 150}}).exact, 0U);
  EXPECT_EQ(match({{100, 200, 3}}, {{110, 115}, {130, 150}}).exact, 0U);
  EXPECT_EQ(match({{100, 200, 0}}, {}).exact, 0U);
  EXPECT_EQ(match({{100, 200, 1}, {300, 400, 1}}, {{110, 115}, {310, 350}}).exact, 2U);
}

TEST(GapMatching, RoundsAreThoseAfterTheLastGapOfAFlushWhereBothAreKnown) {
  const std::vector<Gap> gaps = {
      {110, 115, 7, 6}, {130, 150, 5, 4}, {310, 320, 9, 0}, {450, 460, 3, 2}, {510, 520, 8, 1}};
  const GapMatches matches = match({{100, 200, 1}, {300, 400, 1}, {500, 600, 1}}, gaps);
  EXPECT_THAT(matches.first_rounds, ElementsAre(5U, 8U));
  EXPECT_THAT(matches.second_rounds, ElementsAre(4U, 1U));
}

TEST(GapMatching, WindowsAndGapsAreMatchedInOrder) {
  std::vector<ShootdownWindow> windows;
  std::vector<Gap> gaps;
  std::vector<Ticks> stalls;
  for (Ticks i = 1; i <= 1000; ++i) {
    windows.push_back({i * 100, i * 100 + 40, 1});
    if (i % 10 != 0) {
      gaps.push_back({i * 100 + 5, i * 100 + 5 + i});
      stalls.push_back(i);
    }
    gaps.push_back({i * 100 + 60, i * 100 + 61});
  }
  const GapMatches matches = match(windows, gaps);
  EXPECT_EQ(matches.proven, 900U);
  EXPECT_EQ(matches.stalls, stalls);
}

TEST(TimeInGaps, IsWhatOfEachWindowLiesInThem) {
  const std::vector<ShootdownWindow> windows = {{100, 200, 1}, {300, 400, 1}, {500, 600, 1}};
  // Before, over the first's begin, inside, from the first over all of the second, at an edge.
  const std::vector<Gap> gaps = {{10, 90}, {95, 110}, {120, 125}, {190, 450}, {600, 700}};
  EXPECT_THAT(time_in_gaps(windows, gaps), ElementsAre(10 + 5 + 10, 100, 0));
}

}  // namespace
}  // namespace flushwalk
