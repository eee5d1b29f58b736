#include "bench/support/turn_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace flushwalk {
namespace {

using ::testing::Each;
using ::testing::Pair;
using ::testing::SizeIs;

// "AB", "BA", ...
std::vector<std::string> turns_of(TurnOrder order, unsigned turns, std::size_t rivals) {
  std::vector<std::string> all;
  for (unsigned turn = 0; turn < turns; ++turn, order.next_turn()) {
    std::string& letters = all.emplace_back();
    for (std::size_t i = 0; i < rivals; ++i) {
      letters += static_cast<char>('A' + order[i]);
    }
  }
  return all;
}

TEST(TurnOrder, EachTurnHasEveryRivalOnce) {
  for (std::string turn : turns_of({7, 5}, 100, 5)) {
    EXPECT_EQ((std::set<char>(turn.begin(), turn.end())), (std::set<char>{'A', 'B', 'C', 'D', 'E'}))
        << turn;
  }
  EXPECT_THAT(turns_of({7, 1}, 5, 1), Each("A"));
}

TEST(TurnOrder, EverySecondTurnIsTheOneBeforeBackwards) {
  const std::vector<std::string> turns = turns_of({7, 4}, 100, 4);
  for (std::size_t i = 0; i < turns.size(); i += 2) {
    EXPECT_EQ(turns[i + 1], std::string(turns[i].rbegin(), turns[i].rend()));
  }
}

// Of 1,000 draws each of the six orders is expected 167 times, 12 more or less.
TEST(TurnOrder, EachOrderIsDrawnAboutAsOften) {
  std::map<std::string, int> drawn;
  const std::vector<std::string> turns = turns_of({7, 3}, 2000, 3);
  for (std::size_t i = 0; i < turns.size(); i += 2) {
    ++drawn[turns[i]];
  }
  ASSERT_THAT(drawn, SizeIs(6));
  EXPECT_THAT(drawn,
              Each(Pair(::testing::_, ::testing::AllOf(::testing::Gt(120), ::testing::Lt(215)))));
}

TEST(TurnOrder, IsTheSeedsAlone) {
  EXPECT_EQ(turns_of({7, 3}, 50, 3), turns_of({7, 3}, 50, 3));
  EXPECT_NE(turns_of({7, 3}, 50, 3), turns_of({8, 3}, 50, 3));
  // The standard says what the generator draws: so it is everywhere.
  EXPECT_EQ(turns_of({1, 2}, 8, 2),
            (std::vector<std::string>{"AB", "BA", "AB", "BA", "BA", "AB", "AB", "BA"}));
}

}  // namespace
}  // namespace flushwalk
