#include "allocator/address_space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace flushwalk {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Address kSpaceBase = 0xffffc90000000000;
constexpr std::uint64_t kSpacePages = 256;

class AddressSpaceTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kLazyMax = 16;

  // nullptr where there is no space.
  VmapArea* alloc(std::uint64_t pages, std::uint64_t align_pages = 1) {
    VmapArea* area = nullptr;
    const Error error = space.alloc(pages * kPageSize, align_pages * kPageSize, &area);
    EXPECT_EQ(error, area == nullptr ? Error::busy : Error::none);
    return area;
  }
  static std::uint64_t page(const VmapArea* area) { return (area->start - kSpaceBase) / kPageSize; }
  std::vector<VmapArea*> take() {
    std::vector<VmapArea*> areas;
    space.take_lazy(&areas);
    return areas;
  }
  void flush() { space.release_flushed(take()); }
  bool unlink_and_free(VmapArea* area) {
    space.unlink(area);
    return space.free_lazy(area);
  }
  void expect_all_free() {
    EXPECT_EQ(space.free_bytes(), kSpacePages * kPageSize);
    EXPECT_EQ(space.used_bytes(), 0U);
    EXPECT_EQ(space.lazy_pages(), 0U);
    VmapArea* const all = alloc(kSpacePages);
    ASSERT_NE(all, nullptr) << "the free ranges have not merged";
    EXPECT_EQ(all->start, kSpaceBase);
    space.release_unused(all);
  }

  AddressSpace space{{kSpaceBase, kSpaceBase + kSpacePages* kPageSize}, kLazyMax};
};

TEST_F(AddressSpaceTest, GivesTheLowestThatFits) {
  VmapArea* const first = alloc(4);
  VmapArea* const second = alloc(8, 8);
  EXPECT_EQ(page(first), 0U);
  EXPECT_EQ(page(second), 8U);
  EXPECT_EQ(second->size(), 8 * kPageSize);
  VmapArea* const gap = alloc(3);
  EXPECT_EQ(page(gap), 4U) << "the alignment gap is used";
  EXPECT_EQ(page(alloc(2)), 16U) << "one page is left in the gap";
  EXPECT_EQ(page(alloc(1)), 7U);
  EXPECT_EQ(space.used_bytes(), 18 * kPageSize);
  EXPECT_EQ(space.free_bytes(), (kSpacePages - 18) * kPageSize);
}

TEST_F(AddressSpaceTest, IsBusyWhenFullAndOnlyThen) {
  EXPECT_EQ(alloc(kSpacePages + 1), nullptr);
  VmapArea* const all = alloc(kSpacePages);
  ASSERT_NE(all, nullptr);
  EXPECT_EQ(alloc(1), nullptr);
  EXPECT_EQ(space.free_bytes(), 0U);
  space.release_unused(all);
  expect_all_free();
}

TEST_F(AddressSpaceTest, LazyAreasStayOutOfReachUntilTheirFlush) {
  VmapArea* const area = alloc(kSpacePages);
  unlink_and_free(area);
  EXPECT_EQ(space.lazy_pages(), kSpacePages);
  EXPECT_EQ(space.used_bytes(), 0U);
  EXPECT_EQ(space.free_bytes(), 0U);
  EXPECT_EQ(alloc(1), nullptr);
  const std::vector<VmapArea*> taken = take();
  EXPECT_THAT(taken, ElementsAre(area));
  EXPECT_THAT(take(), IsEmpty()) << "taken once";
  EXPECT_EQ(alloc(1), nullptr) << "not flushed yet";
  EXPECT_EQ(space.lazy_pages(), kSpacePages);
  space.release_flushed(taken);
  expect_all_free();
}

TEST_F(AddressSpaceTest, TheLazyListIsInOrderOfAddress) {
  std::vector<VmapArea*> areas;
  for (int i = 0; i < 8; ++i) {
    areas.push_back(alloc(2));
  }
  std::vector<VmapArea*> expected = areas;
  std::shuffle(areas.begin(), areas.end(), std::mt19937(1));
  for (VmapArea* const area : areas) {
    unlink_and_free(area);
  }
  EXPECT_EQ(take(), expected);
}

TEST_F(AddressSpaceTest, TheDrainIsWantedStrictlyAboveTheLimit) {
  EXPECT_EQ(space.lazy_max_pages(), kLazyMax);
  VmapArea* const first = alloc(kLazyMax - 1);
  VmapArea* const second = alloc(1);
  VmapArea* const third = alloc(1);
  VmapArea* const fourth = alloc(1);
  EXPECT_FALSE(unlink_and_free(first));
  EXPECT_FALSE(unlink_and_free(second)) << "exactly the limit";
  EXPECT_TRUE(unlink_and_free(third)) << "one above";
  EXPECT_TRUE(unlink_and_free(fourth)) << "and as long as it lasts";
  flush();
  EXPECT_EQ(space.lazy_pages(), 0U);
  VmapArea* const again = alloc(kLazyMax);
  EXPECT_FALSE(unlink_and_free(again));
}

TEST_F(AddressSpaceTest, FreeRangesMergeWithBothNeighbours) {
  VmapArea* const low = alloc(10);
  VmapArea* const middle = alloc(10);
  VmapArea* const high = alloc(10);
  space.release_unused(low);
  space.release_unused(high);
  EXPECT_EQ(page(alloc(11)), 20U) << "neither alone holds it";
  space.release_unused(middle);
  EXPECT_EQ(page(alloc(20)), 0U) << "low and middle are one now";
}

TEST_F(AddressSpaceTest, WhatCouldNotBeFlushedIsLazyAgain) {
  VmapArea* const first = alloc(kSpacePages / 2);
  VmapArea* const second = alloc(kSpacePages / 2);
  unlink_and_free(second);
  unlink_and_free(first);
  std::vector<VmapArea*> taken = take();
  space.put_back_lazy(taken);
  EXPECT_EQ(space.lazy_pages(), kSpacePages);
  EXPECT_EQ(alloc(1), nullptr);
  EXPECT_THAT(take(), ElementsAre(first, second));
  space.put_back_lazy(taken);
  flush();
  expect_all_free();
}

TEST_F(AddressSpaceTest, UnlinksByExactStartAndSizeOnly) {
  VmapArea* const area = alloc(70);
  EXPECT_EQ(space.unlink_sized(area->start, 69 * kPageSize), nullptr);
  EXPECT_EQ(space.unlink_sized(area->start, 71 * kPageSize), nullptr);
  EXPECT_EQ(space.unlink_sized(area->start + kPageSize, 69 * kPageSize), nullptr);
  EXPECT_EQ(space.unlink_sized(area->start - kPageSize, 70 * kPageSize), nullptr);
  EXPECT_EQ(space.unlink_sized(area->end, 70 * kPageSize), nullptr);
  EXPECT_EQ(space.used_bytes(), 70 * kPageSize);
  EXPECT_EQ(space.unlink_sized(area->start, 70 * kPageSize), area);
  EXPECT_EQ(space.unlink_sized(area->start, 70 * kPageSize), nullptr) << "once";
  EXPECT_EQ(space.used_bytes(), 0U);
  space.free_lazy(area);
  flush();
  expect_all_free();
}

// Against a map of pages: every alloc is the lowest place that is free.
TEST_F(AddressSpaceTest, RandomOperationsEqualABitmap) {
  std::mt19937 random(17);
  std::vector<bool> taken(kSpacePages);
  std::vector<VmapArea*> live;
  for (int step = 0; step < 5000; ++step) {
    const auto what = random() % 10;
    if (what < 5) {
      const std::uint64_t pages = 1 + random() % 24;
      const std::uint64_t align = std::uint64_t{1} << random() % 5;
      std::uint64_t expected = kSpacePages;
      for (std::uint64_t at = 0; at + pages <= kSpacePages && expected == kSpacePages;
           at += align) {
        const auto begin = taken.begin() + static_cast<long>(at);
        if (std::none_of(begin, begin + static_cast<long>(pages), [](bool bit) { return bit; })) {
          expected = at;
        }
      }
      VmapArea* const area = alloc(pages, align);
      ASSERT_EQ(area != nullptr, expected != kSpacePages);
      if (area != nullptr) {
        ASSERT_EQ(page(area), expected);
        std::fill_n(taken.begin() + static_cast<long>(expected), pages, true);
        live.push_back(area);
      }
    } else if (what < 9 && !live.empty()) {
      std::swap(live[random() % live.size()], live.back());
      unlink_and_free(live.back());
      live.pop_back();
    } else {
      for (const VmapArea* const area : take()) {
        std::fill_n(taken.begin() + static_cast<long>(page(area)), area->size() / kPageSize, false);
        space.release_flushed({const_cast<VmapArea*>(area)});
      }
    }
    ASSERT_EQ(space.free_bytes() + space.used_bytes() + space.lazy_pages() * kPageSize,
              kSpacePages * kPageSize);
  }
  for (VmapArea* const area : live) {
    unlink_and_free(area);
  }
  flush();
  expect_all_free();
}

}  // namespace
}  // namespace flushwalk
