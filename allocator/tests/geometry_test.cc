#include "allocator/geometry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "allocator/address_space.h"

namespace flushwalk {
namespace {

using ::testing::ElementsAre;

TEST(OrderOf, IsTheSmallestPowerOfTwoThatHoldsThePages) {
  for (unsigned pages = 1; pages <= kMaxAllocPages; ++pages) {
    unsigned order = 0;
    while ((1U << order) < pages) {
      ++order;
    }
    EXPECT_EQ(order_of(pages), order) << pages;
  }
}

TEST(KernelBlockSlots, FollowsTheNumberOfCpusTheKernelIsBuiltFor) {
  for (const std::uint64_t cpus : {1U, 2U, 64U, 1024U, 2047U, 2048U}) {
    EXPECT_EQ(kernel_block_slots(cpus), 1024U) << cpus;
  }
  // Rounded up to a power of two: one CPU more halves the block.
  EXPECT_EQ(kernel_block_slots(2049), 512U);
  EXPECT_EQ(kernel_block_slots(4096), 512U);
  EXPECT_EQ(kernel_block_slots(4097), 256U);
  EXPECT_EQ(kernel_block_slots(8192), 256U);
  EXPECT_EQ(kernel_block_slots(16384), 128U);
  EXPECT_EQ(kernel_block_slots(65536), 128U);
}

TEST(Geometry, OfAnAlignedBase) {
  constexpr Address kBase = 0xffffc90000000000;
  const Geometry geometry(kBase, 1024);
  EXPECT_EQ(geometry.block_bytes(), 4096U * 1024U);
  EXPECT_EQ(geometry.first_block(), kBase);
  EXPECT_EQ(geometry.index(kBase), 0U);
  const Address last_of_first = kBase + geometry.block_bytes() - 1;
  EXPECT_EQ(geometry.index(last_of_first), 0U);
  EXPECT_EQ(geometry.index(last_of_first + 1), 1U);
  EXPECT_EQ(geometry.slot(last_of_first), 1023U);
  EXPECT_EQ(geometry.slot(last_of_first + 1), 0U);
  EXPECT_EQ(geometry.block_start(last_of_first), kBase);
  EXPECT_EQ(geometry.block_start(last_of_first + 1), kBase + geometry.block_bytes());
}

TEST(Geometry, OfAnUnalignedBaseTheFirstBlockHasIndexOne) {
  constexpr Address kBase = 0xffffc90000000000 + 5 * kPageSize;
  const Geometry geometry(kBase, 128);
  EXPECT_EQ(geometry.first_block(), 0xffffc90000000000 + 128 * kPageSize);
  EXPECT_EQ(geometry.index(kBase), 0U);
  EXPECT_EQ(geometry.index(geometry.first_block()), 1U);
  EXPECT_EQ(geometry.index(geometry.first_block() + 7 * geometry.block_bytes()), 8U);
  EXPECT_EQ(geometry.slot(geometry.first_block()), 0U);
}

TEST(Geometry, HashesTheAbsoluteAddressAndNotTheIndex) {
  const Geometry geometry(3 * 128 * kPageSize, 128);
  EXPECT_EQ(geometry.index(geometry.first_block()), 0U);
  EXPECT_EQ(geometry.hash_input(geometry.first_block()), 3U);
  EXPECT_EQ(geometry.hash_input(geometry.first_block() + 127 * kPageSize), 3U);
  EXPECT_EQ(geometry.hash_input(geometry.first_block() + 128 * kPageSize), 4U);
}

TEST(Geometry, ABlockKeepsASlotAfterItsFirstRequest) {
  EXPECT_EQ(Geometry(0, 2).max_alloc_pages(), 1U);
  EXPECT_EQ(Geometry(0, 64).max_alloc_pages(), 32U);
  EXPECT_EQ(Geometry(0, 128).max_alloc_pages(), 64U);
  EXPECT_EQ(Geometry(0, 4096).max_alloc_pages(), 64U);
}

TEST(Range, IsEmptyUntilSomethingIsMergedIn) {
  Range hull;
  EXPECT_TRUE(hull.empty());
  EXPECT_EQ(hull.pages(), 0U);
  hull.merge({8 * kPageSize, 9 * kPageSize});
  EXPECT_EQ(hull, (Range{8 * kPageSize, 9 * kPageSize}));
  hull.merge({2 * kPageSize, 3 * kPageSize});
  EXPECT_EQ(hull, (Range{2 * kPageSize, 9 * kPageSize}));
  hull.merge({3 * kPageSize, 12 * kPageSize});
  EXPECT_EQ(hull, (Range{2 * kPageSize, 12 * kPageSize}));
  hull.merge(Range{});
  EXPECT_EQ(hull.pages(), 10U);
  EXPECT_TRUE((Range{5, 5}).empty());
}

TEST(PossibleCpus, DenseAndSparse) {
  const PossibleCpus dense = PossibleCpus::first(3);
  EXPECT_THAT(dense.list(), ElementsAre(0U, 1U, 2U));
  EXPECT_EQ(dense.ids(), 3U);
  const PossibleCpus sparse({1, 4, 6});
  EXPECT_EQ(sparse.count(), 3U);
  EXPECT_EQ(sparse.ids(), 7U);
  EXPECT_TRUE(sparse.contains(4));
  EXPECT_FALSE(sparse.contains(0));
  EXPECT_FALSE(sparse.contains(7));
  const unsigned next[] = {1, 1, 4, 4, 4, 6, 6};
  for (unsigned cpu = 0; cpu < 7; ++cpu) {
    EXPECT_EQ(sparse.at_or_after(cpu), next[cpu]) << cpu;
  }
}

TEST(KernelLazyMaxPages, Is32MiBForEachBitOfTheCpuCount) {
  EXPECT_EQ(kernel_lazy_max_pages(1), 8192U);
  EXPECT_EQ(kernel_lazy_max_pages(2), 2U * 8192U);
  EXPECT_EQ(kernel_lazy_max_pages(3), 2U * 8192U);
  EXPECT_EQ(kernel_lazy_max_pages(4), 3U * 8192U);
  EXPECT_EQ(kernel_lazy_max_pages(7), 3U * 8192U);
  EXPECT_EQ(kernel_lazy_max_pages(256), 9U * 8192U);
}

}  // namespace
}  // namespace flushwalk
