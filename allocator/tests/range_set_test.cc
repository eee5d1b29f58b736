#include "allocator/range_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "allocator/ledger.h"

namespace flushwalk {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<Range> members(const RangeSet& set, const Range& window = {0, ~Address{0}}) {
  std::vector<Range> all;
  set.for_each_in(window, [&](const Range& part) { all.push_back(part); });
  return all;
}

// The maximal stretches of set bits inside a window.
std::vector<Range> stretches(const std::vector<bool>& bits, Address from, Address to) {
  std::vector<Range> all;
  for (Address at = from; at < to; ++at) {
    if (!bits[at]) {
      continue;
    }
    if (!all.empty() && all.back().end == at) {
      ++all.back().end;
    } else {
      all.push_back({at, at + 1});
    }
  }
  return all;
}

TEST(RangeSet, NeighboursMergeAndOverlapsJoin) {
  RangeSet set;
  set.add({10, 20});
  set.add({30, 40});
  EXPECT_EQ(set.size(), 2U);
  set.add({20, 25});
  EXPECT_THAT(members(set), ElementsAre(Range{10, 25}, Range{30, 40}));
  set.add({28, 30});
  EXPECT_THAT(members(set), ElementsAre(Range{10, 25}, Range{28, 40}));
  set.add({0, 100});
  EXPECT_THAT(members(set), ElementsAre(Range{0, 100}));
  EXPECT_EQ(set.bytes(), 100U);
  set.clear();
  EXPECT_THAT(members(set), IsEmpty());
  EXPECT_EQ(set.bytes(), 0U);
}

TEST(RangeSet, RemovingCutsAndSplits) {
  RangeSet set;
  set.add({0, 100});
  set.remove({40, 60});
  EXPECT_THAT(members(set), ElementsAre(Range{0, 40}, Range{60, 100}));
  set.remove({30, 70});
  EXPECT_THAT(members(set), ElementsAre(Range{0, 30}, Range{70, 100}));
  set.remove({0, 30});
  EXPECT_THAT(members(set), ElementsAre(Range{70, 100}));
  EXPECT_EQ(set.bytes(), 30U);
}

TEST(RangeSet, EmptyRangesChangeNothing) {
  RangeSet set;
  set.add({0, 100});
  set.add(Range{});
  set.remove(Range{});
  set.add({50, 50});
  set.remove({50, 50});
  EXPECT_THAT(members(set), ElementsAre(Range{0, 100}));
}

TEST(RangeSet, AWindowShowsPartsOfMembers) {
  RangeSet set;
  set.add({0, 10});
  set.add({20, 30});
  set.add({40, 50});
  EXPECT_THAT(members(set, {5, 45}), ElementsAre(Range{5, 10}, Range{20, 30}, Range{40, 45}));
  EXPECT_THAT(members(set, {10, 20}), IsEmpty());
  EXPECT_THAT(members(set, {22, 24}), ElementsAre(Range{22, 24}));
}

TEST(RangeSet, RandomOperationsEqualABitmap) {
  constexpr Address kSize = 300;
  std::mt19937 random(11);
  RangeSet set;
  std::vector<bool> bits(kSize);
  for (int step = 0; step < 20000; ++step) {
    const Address start = random() % kSize;
    const Address end = std::min<Address>(kSize, start + 1 + random() % 40);
    const Range range{start, end};
    const bool add = random() % 2 == 0;
    if (add) {
      set.add(range);
    } else {
      set.remove(range);
    }
    std::fill(bits.begin() + static_cast<long>(start), bits.begin() + static_cast<long>(end), add);
    const std::vector<Range> expected = stretches(bits, 0, kSize);
    ASSERT_EQ(members(set), expected);
    ASSERT_EQ(set.size(), expected.size());
    ASSERT_EQ(set.bytes(), static_cast<std::uint64_t>(std::count(bits.begin(), bits.end(), true)));
    const Address from = random() % kSize;
    const Address to = std::min<Address>(kSize, from + 1 + random() % 60);
    const std::vector<Range> inside = stretches(bits, from, to);
    ASSERT_EQ(members(set, {from, to}), inside);
    ASSERT_EQ(set.contains(from), bits[from]);
    ASSERT_EQ(set.intersects({from, to}), !inside.empty());
    ASSERT_EQ(set.covers({from, to}), inside.size() == 1 && inside[0] == (Range{from, to}));
  }
}

TEST(Ledger, APageIsStaleFromItsFreeToTheFlushThatCoversIt) {
  constexpr Address kBase = 0xffffc90000000000;
  const auto pages = [](std::uint64_t from, std::uint64_t to) {
    return Range{kBase + from * kPageSize, kBase + to * kPageSize};
  };
  Ledger ledger;
  EXPECT_EQ(ledger.stale_pages(), 0U);
  ledger.freed(pages(4, 8));
  EXPECT_EQ(ledger.stale_pages(), 4U);
  EXPECT_TRUE(ledger.is_stale(kBase + 4 * kPageSize));
  EXPECT_FALSE(ledger.is_stale(kBase + 8 * kPageSize));
  ledger.flushed(Range{});
  ledger.flushed(pages(8, 100));
  EXPECT_EQ(ledger.stale_pages(), 4U);
  ledger.flushed(pages(0, 6));
  EXPECT_EQ(ledger.stale_pages(), 2U);
  EXPECT_FALSE(ledger.is_stale(kBase + 5 * kPageSize));
  EXPECT_TRUE(ledger.is_stale(kBase + 6 * kPageSize));
  ledger.freed(pages(5, 6));
  ledger.flushed(pages(0, 1000));
  EXPECT_EQ(ledger.stale_pages(), 0U);
}

TEST(Ledger, RandomOperationsEqualABitmap) {
  constexpr unsigned kPages = 200;
  std::mt19937 random(13);
  Ledger ledger;
  std::vector<bool> stale(kPages);
  for (int step = 0; step < 5000; ++step) {
    const auto from = static_cast<unsigned>(random() % kPages);
    const unsigned to = std::min(kPages, from + 1 + static_cast<unsigned>(random() % 30));
    const bool free = random() % 2 == 0;
    const Range range{from * kPageSize, to * kPageSize};
    if (free) {
      ledger.freed(range);
    } else {
      ledger.flushed(range);
    }
    std::fill(stale.begin() + from, stale.begin() + to, free);
    ASSERT_EQ(ledger.stale_pages(),
              static_cast<std::uint64_t>(std::count(stale.begin(), stale.end(), true)));
    const auto page = static_cast<unsigned>(random() % kPages);
    ASSERT_EQ(ledger.is_stale(page * kPageSize + 17), stale[page]);
  }
}

}  // namespace
}  // namespace flushwalk
