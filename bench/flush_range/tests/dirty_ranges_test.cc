#include "bench/flush_range/dirty_ranges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "bench/flush_range/dirty_space.h"

namespace flushwalk {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint64_t kBlock = 1024 * kPageSize;
constexpr Address kBase = 16 * kBlock;

std::vector<Range> gathered(const RangeShape& shape, Gather gather) {
  FlushPlan plan(gather, kMostRanges, {kBase, kBase + 64 * kBlock});
  add_blocks(lay_out(shape, kBase), &plan);
  return {plan.ranges().begin(), plan.ranges().end()};
}

Range pages(Address from, std::uint64_t count) { return {from, from + count * kPageSize}; }

TEST(LayOut, TheGapIsFromTheEndOfOneToTheStartOfTheNext) {
  EXPECT_THAT(lay_out({3, 8, 0}, kBase),
              ElementsAre(pages(kBase, 8), pages(kBase + 8 * kPageSize, 8),
                          pages(kBase + 16 * kPageSize, 8)));
  EXPECT_THAT(lay_out({2, 2, 5}, kBase),
              ElementsAre(pages(kBase, 2), pages(kBase + 7 * kPageSize, 2)));
  EXPECT_THAT(lay_out({2, 1, 1024}, kBase),
              ElementsAre(pages(kBase, 1), pages(kBase + kBlock + kPageSize, 1)));
  EXPECT_EQ(span_of({2, 8, 255 << 18}), (std::uint64_t{255} << 30) + 16 * kPageSize);
}

// 31 ranges of 33 pages fit into a block.
TEST(LayOut, ARangeThatWouldCrossIntoTheNextBlockBeginsThere) {
  const std::vector<Range> ranges = lay_out({32, 33, 0}, kBase);
  EXPECT_EQ(ranges[30], pages(kBase + 30 * 33 * kPageSize, 33));
  EXPECT_EQ(ranges[31], pages(kBase + kBlock, 33));
  for (const RangeShape& shape :
       {RangeShape{1024, 34, 1024}, RangeShape{1024, 512, 7}, RangeShape{1024, 33, 262'144}}) {
    const std::vector<Range> all = lay_out(shape, kBase);
    ASSERT_THAT(all, SizeIs(1024));
    for (std::size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(all[i].pages(), shape.pages);
      EXPECT_EQ(all[i].start / kBlock, (all[i].end - 1) / kBlock) << "range " << i;
      if (i != 0) {
        const std::uint64_t gap = (all[i].start - all[i - 1].end) / kPageSize;
        EXPECT_GE(gap, shape.gap_pages);
        EXPECT_LT(gap, shape.gap_pages + shape.pages);
      }
    }
  }
}

TEST(AddBlocks, AHullIsOneRangeAndFullIsEverything) {
  const RangeShape shape{4, 8, 1024};
  const std::vector<Range> ranges = lay_out(shape, kBase);
  EXPECT_THAT(gathered(shape, Gather::hull), ElementsAre(Range{kBase, ranges.back().end}));
  EXPECT_THAT(gathered(shape, Gather::full), ElementsAre(Range{kBase, kBase + 64 * kBlock}));
}

TEST(AddBlocks, RunsAreTheRangesAndNothingBetweenThem) {
  for (const RangeShape& shape : {RangeShape{5, 8, 1024}, RangeShape{5, 33, 1},
                                  RangeShape{40, 34, 3}, RangeShape{2, 512, 1 << 18}}) {
    EXPECT_EQ(gathered(shape, Gather::runs), lay_out(shape, kBase)) << shape.ranges;
  }
}

TEST(AddBlocks, WithoutAGapNeighboursAreOneRunInEachBlock) {
  EXPECT_THAT(gathered({4, 8, 0}, Gather::runs), ElementsAre(pages(kBase, 32)));
  // 2 of 512 pages fill a block.
  EXPECT_THAT(gathered({3, 512, 0}, Gather::runs),
              ElementsAre(pages(kBase, 1024), pages(kBase + kBlock, 512)));
}

TEST(AddBlocks, PerBlockCoversWhatLiesBetweenTheRangesOfABlock) {
  EXPECT_THAT(gathered({3, 8, 16}, Gather::per_block), ElementsAre(pages(kBase, 56)));
  // The 32nd range of 33 pages is in the second block.
  EXPECT_THAT(gathered({32, 33, 0}, Gather::per_block),
              ElementsAre(pages(kBase, 31 * 33), pages(kBase + kBlock, 33)));
  const RangeShape apart{4, 8, 1024};
  EXPECT_EQ(gathered(apart, Gather::per_block), gathered(apart, Gather::runs));
}

TEST(GapText, IsReadWithItsUnit) {
  EXPECT_EQ(read_gap("0"), 0U);
  EXPECT_EQ(read_gap("block"), 1024U);
  EXPECT_EQ(read_gap("3p"), 3U);
  EXPECT_EQ(read_gap("8k"), 2U);
  EXPECT_EQ(read_gap("4m"), 1024U);
  EXPECT_EQ(read_gap("255g"), std::uint64_t{255} << 18);
  EXPECT_EQ(read_gap("131072g"), kMostGapPages);
}

TEST(GapText, ThatIsNoGapIsNone) {
  for (const char* const text : {"", "g", "1", "-1g", "6k", "131073g", "99999999999999999999g",
                                 "1.5g", "1G", "blocks", " 1g", "1gg"}) {
    EXPECT_EQ(read_gap(text), std::nullopt) << text;
  }
}

TEST(GapText, IsWrittenTheWayItIsReadAgain) {
  EXPECT_EQ(gap_text(0), "0");
  EXPECT_EQ(gap_text(1024), "block");
  EXPECT_EQ(gap_text(255 << 18), "255g");
  EXPECT_EQ(gap_text(512), "2m");
  EXPECT_EQ(gap_text(7), "7p");
  for (const std::uint64_t gap : {0U, 1U, 7U, 255U, 256U, 1024U, 2048U, 262144U, 262145U}) {
    EXPECT_EQ(read_gap(gap_text(gap)), gap);
  }
}

TEST(AddressSpace, WhatDoesNotFitIsToldWithTheNumbers) {
  const RangeShape wide{1024, 8, 255 << 18};
  const std::string reason = why_too_wide(wide, ShootdownKind::mprotect_range, 1);
  EXPECT_THAT(reason,
              HasSubstr("1024 ranges of 8 pages with 255 GiB between them need 260866 GiB"));
  EXPECT_THAT(why_too_wide(wide, ShootdownKind::mprotect_range, 2), HasSubstr("for the array"));
}

TEST(AddressSpace, WhatFitsIsToldToFitAndTheNextIsNot) {
  for (const ShootdownKind kind : {ShootdownKind::mprotect_range, ShootdownKind::dontneed}) {
    for (const unsigned spaces : {1U, 2U}) {
      const std::uint64_t most = Arena::most_bytes(spaces, memory_for(kind));
      // Two pages, as far apart as fills it.
      const std::uint64_t gap = most / kPageSize - 2;
      EXPECT_THAT(why_too_wide({2, 1, gap}, kind, spaces), IsEmpty());
      EXPECT_THAT(why_too_wide({2, 1, gap + 1}, kind, spaces), HasSubstr("GiB fit"));
    }
  }
}

}  // namespace
}  // namespace flushwalk
