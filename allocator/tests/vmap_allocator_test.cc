// The facade's alloc and free paths: what each answers, and that an error changes nothing. How a
// flush behaves is in vmap_flush_test.cc; that all of it equals the kernel, in compare_traces.py.
#include "allocator/vmap_allocator.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "allocator/tests/subject.h"

namespace flushwalk {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Address kBlockBytes = kSlots * kPageSize;

VmapAllocator::Options options_for(std::string_view revision) {
  VmapAllocator::Options options;
  options.geometry = Geometry(kBase, kSlots);
  options.space_blocks = 64;
  options.revision = find_revision(revision);
  return options;
}

// All that can be seen of an allocator, as text.
std::string picture(const VmapAllocator& allocator) {
  const AllocatorState state = allocator.state();
  std::string text = fmt::format("lazy {};", allocator.lazy_pages());
  for (const auto& block : state.blocks) {
    text += fmt::format(" block {} at {} bucket {} queue {} free {} dirty {} [{},{}) {};",
                        block.serial, block.start, block.bucket, block.queue, block.free,
                        block.dirty, block.dirty_range.start, block.dirty_range.end, block.on_list);
  }
  for (const auto& list : state.lists) {
    text += " list";
    for (const std::uint64_t serial : list) {
      text += fmt::format(" {}", serial);
    }
  }
  return text;
}

constexpr Address page_address(std::uint64_t page) { return kBase + page * kPageSize; }

class EveryRevision : public ::testing::TestWithParam<std::string_view> {
 protected:
  Address alloc(unsigned pages, unsigned queue = 0) {
    const AllocReport report = allocator.alloc(queue, pages);
    EXPECT_EQ(report.error, Error::none);
    return report.address;
  }
  void free(Address address, unsigned pages) {
    EXPECT_EQ(allocator.free(address, pages).error, Error::none);
  }
  void TearDown() override { EXPECT_EQ(allocator.broken_invariant(), ""); }

  VmapAllocator allocator{options_for(GetParam())};
};

INSTANTIATE_TEST_SUITE_P(Revisions, EveryRevision,
                         ::testing::Values("v6.4", "p1", "p2", "p3", "p4", "p5", "p6", "v6.12"),
                         [](const auto& instance) {
                           std::string name(instance.param);
                           std::erase(name, '.');
                           return name;
                         });

TEST_P(EveryRevision, CarvesABlockOneAfterAnother) {
  const AllocReport first = allocator.alloc(0, 3);
  EXPECT_EQ(first.address, page_address(0));
  EXPECT_TRUE(first.new_block);
  EXPECT_EQ(first.serial, 0U);
  EXPECT_EQ(first.free, kSlots - 4) << "three pages take four slots";
  EXPECT_FALSE(first.left_list);
  const AllocReport second = allocator.alloc(0, 64);
  EXPECT_EQ(second.address, page_address(4)) << "not aligned";
  EXPECT_FALSE(second.new_block);
  EXPECT_EQ(second.free, kSlots - 68);
  EXPECT_EQ(second.visited, 1U);
  EXPECT_EQ(alloc(1), page_address(68));
  EXPECT_EQ(allocator.state().blocks.size(), 1U);
}

TEST_P(EveryRevision, TheOldestBlockThatFitsServes) {
  alloc(64);
  alloc(32);  // block 0 has 32 left
  const AllocReport second_block = allocator.alloc(0, 64);
  EXPECT_TRUE(second_block.new_block);
  EXPECT_EQ(second_block.visited, 1U);
  EXPECT_EQ(second_block.serial, 1U);
  const AllocReport small = allocator.alloc(0, 32);
  EXPECT_EQ(small.serial, 0U) << "first fit from the oldest on";
  EXPECT_EQ(small.address, page_address(96));
  EXPECT_TRUE(small.left_list) << "used up";
  EXPECT_EQ(small.free, 0U);
  EXPECT_THAT(allocator.state().lists, ElementsAre(ElementsAre(1U)));
  EXPECT_EQ(alloc(1), page_address(kSlots + 64));
}

TEST_P(EveryRevision, LooksWithoutTheLockFromPatch4On) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(allocator.alloc_new_block(0, 64).error, Error::none);
    const Address start = page_address(static_cast<unsigned>(i) * kSlots);
    EXPECT_EQ(allocator.alloc_in_block(start, 32).error, Error::none);
  }
  const AllocReport report = allocator.alloc(0, 64);
  EXPECT_TRUE(report.new_block);
  EXPECT_EQ(report.visited, 3U);
  EXPECT_EQ(report.block_locks, allocator.revision().unlocked_free_check ? 0U : 3U);
}

TEST_P(EveryRevision, ZeroPagesAreNullBeforeV612AndInvalidThere) {
  const Error expected = GetParam() == "v6.12" ? Error::invalid : Error::null;
  EXPECT_EQ(allocator.alloc(0, 0).error, expected);
  EXPECT_EQ(allocator.alloc_new_block(0, 0).error, expected);
  EXPECT_EQ(allocator.alloc_in_block(page_address(0), 0).error, expected);
  EXPECT_EQ(allocator.map_ram(0, 0).error, expected);
  EXPECT_THAT(allocator.state().blocks, IsEmpty());
}

TEST_P(EveryRevision, MoreThan64PagesAreInvalidForABlock) {
  for (const unsigned pages : {65U, 128U, ~0U}) {
    EXPECT_EQ(allocator.alloc(0, pages).error, Error::invalid);
    EXPECT_EQ(allocator.alloc_new_block(0, pages).error, Error::invalid);
    EXPECT_EQ(allocator.alloc_in_block(page_address(0), pages).error, Error::invalid);
    EXPECT_EQ(allocator.free(page_address(0), pages).error, Error::invalid);
  }
  EXPECT_THAT(allocator.state().blocks, IsEmpty());
}

TEST_P(EveryRevision, AFreeOfWhatIsNotInUseSaysSoAndChangesNothing) {
  const Address first = alloc(4);
  const Address second = alloc(2);
  const Address third = alloc(64);
  free(second, 2);
  const std::string before = picture(allocator);
  const auto expect_refused = [&](Address address, unsigned pages, Error error) {
    const FreeReport report = allocator.free(address, pages);
    EXPECT_EQ(report.error, error) << fmt::format("{:x}, {} pages", address, pages);
    EXPECT_FALSE(report.block_freed);
    EXPECT_EQ(picture(allocator), before);
  };
  expect_refused(second, 2, Error::not_allocated);              // twice
  expect_refused(first, 8, Error::not_allocated);               // partly in use
  expect_refused(second - kPageSize, 2, Error::not_allocated);  // partly in use
  expect_refused(second + kPageSize, 2, Error::not_allocated);
  expect_refused(third + 64 * kPageSize, 1, Error::not_allocated);  // never handed out
  expect_refused(third + 60 * kPageSize, 8, Error::not_allocated);
  expect_refused(page_address(127), 2, Error::not_allocated);     // across the block's end
  expect_refused(page_address(kSlots), 1, Error::not_allocated);  // no block there
  expect_refused(kBase - kPageSize, 1, Error::not_allocated);
  expect_refused(0, 1, Error::not_allocated);
  expect_refused(~Address{0} - kPageSize + 1, 1, Error::not_allocated);
  expect_refused(first + 1, 4, Error::invalid);
  expect_refused(first, 0, Error::invalid);
}

TEST_P(EveryRevision, FreedSlotsAreNotServedAgain) {
  const Address first = alloc(8);
  const FreeReport report = allocator.free(first, 5);
  EXPECT_EQ(report.error, Error::none);
  EXPECT_EQ(report.dirty, 8U) << "the whole order, as it was served";
  EXPECT_EQ(report.dirty_range, (SlotRange{0, 8}));
  EXPECT_EQ(report.serial, 0U);
  EXPECT_FALSE(report.block_freed);
  EXPECT_EQ(alloc(1), page_address(8));
}

TEST_P(EveryRevision, TheLastFreeGivesTheWholeBlockToTheLazyList) {
  const Address first = alloc(64);
  const Address second = alloc(64);
  EXPECT_THAT(allocator.state().lists, ElementsAre(IsEmpty())) << "a full block is on no list";
  free(first, 64);
  const FreeReport report = allocator.free(second, 64);
  EXPECT_TRUE(report.block_freed);
  EXPECT_EQ(report.free, 0U);
  EXPECT_EQ(report.dirty, kSlots);
  EXPECT_FALSE(report.drain);
  EXPECT_THAT(allocator.state().blocks, IsEmpty());
  EXPECT_EQ(allocator.lazy_pages(), kSlots);
  EXPECT_EQ(allocator.free(second, 64).error, Error::not_allocated);
  EXPECT_EQ(alloc(1), page_address(kSlots)) << "lazily freed addresses are not handed out";
  EXPECT_EQ(allocator.drain().lazy_areas, 1U);
  EXPECT_EQ(allocator.lazy_pages(), 0U);
  EXPECT_EQ(allocator.alloc_new_block(0, 1).address, page_address(0)) << "flushed: free again";
}

TEST_P(EveryRevision, LargeRequestsHaveAnAreaOfTheirOwn) {
  for (const std::uint64_t pages : {65U, 128U, 1000U}) {
    const AllocReport report = allocator.map_ram(0, pages);
    ASSERT_EQ(report.error, Error::none) << pages;
    EXPECT_FALSE(report.new_block);
    EXPECT_THAT(allocator.state().blocks, IsEmpty());
    EXPECT_EQ(allocator.free(report.address, 1).error, Error::not_allocated);
    EXPECT_EQ(allocator.unmap_ram(report.address, pages - 1).error, Error::not_allocated);
    EXPECT_EQ(allocator.unmap_ram(report.address, pages + 1).error, Error::not_allocated);
    EXPECT_EQ(allocator.unmap_ram(report.address + kPageSize, pages).error, Error::not_allocated);
    EXPECT_EQ(allocator.unmap_ram(report.address + 1, pages).error, Error::not_allocated);
    EXPECT_EQ(allocator.lazy_pages(), 0U);
    EXPECT_EQ(allocator.broken_invariant(), "");
    EXPECT_EQ(allocator.unmap_ram(report.address, pages).error, Error::none);
    EXPECT_EQ(allocator.lazy_pages(), pages);
    EXPECT_EQ(allocator.unmap_ram(report.address, pages).error, Error::not_allocated) << "twice";
    EXPECT_EQ(allocator.unmap_aliases().lazy_areas, 1U);
    EXPECT_EQ(allocator.lazy_pages(), 0U);
  }
}

TEST_P(EveryRevision, LargeAndBlockRequestsShareTheSpace) {
  EXPECT_EQ(allocator.map_ram(0, 65).address, page_address(0));
  EXPECT_EQ(allocator.map_ram(0, 64).address, page_address(kSlots)) << "a block is aligned";
  EXPECT_EQ(allocator.map_ram(0, 65).address, page_address(2 * kSlots));
  EXPECT_EQ(allocator.unmap_ram(page_address(kSlots), 64).error, Error::none);
  EXPECT_EQ(allocator.unmap_ram(page_address(0), 65).error, Error::none);
  EXPECT_EQ(allocator.unmap_ram(page_address(0), 0).error, Error::invalid);
}

// The block's own area has the address and the size that is asked for, and is not the caller's.
TEST_P(EveryRevision, ALargeUnmapOfABlockIsRefused) {
  const Address block = alloc(64);
  alloc(64);
  const std::string before = picture(allocator);
  EXPECT_EQ(allocator.unmap_ram(block, kSlots).error, Error::not_allocated);
  EXPECT_EQ(picture(allocator), before);
}

TEST_P(EveryRevision, SizesBeyondTheAddressSpaceAreErrors) {
  EXPECT_EQ(allocator.map_ram(0, 64 * kSlots + 1).error, Error::busy);
  EXPECT_EQ(allocator.map_ram(0, std::uint64_t{1} << 51).error, Error::busy);
  EXPECT_EQ(allocator.map_ram(0, std::uint64_t{1} << 52).error, Error::invalid);
  EXPECT_EQ(allocator.map_ram(0, ~std::uint64_t{0}).error, Error::invalid);
  EXPECT_EQ(allocator.unmap_ram(page_address(0), std::uint64_t{1} << 52).error,
            Error::not_allocated);
  EXPECT_EQ(allocator.unmap_ram(page_address(0), ~std::uint64_t{0}).error, Error::not_allocated);
  EXPECT_EQ(allocator.map_ram(0, 64 * kSlots).error, Error::none) << "all of it";
}

TEST_P(EveryRevision, NoBlockDescriptorLosesNothing) {
  alloc(64);
  const std::string before = picture(allocator);
  allocator.block_pool().set_limit(1);
  EXPECT_EQ(allocator.alloc_new_block(0, 1).error, Error::no_memory);
  EXPECT_EQ(picture(allocator), before);
  alloc(64);
  const AllocReport report = allocator.alloc(0, 1);
  EXPECT_EQ(report.error, Error::no_memory);
  EXPECT_EQ(report.address, 0U);
  EXPECT_EQ(allocator.broken_invariant(), "");
  allocator.block_pool().set_limit(2);
  EXPECT_EQ(alloc(1), page_address(kSlots));
}

TEST_P(EveryRevision, NoXarrayNodeLosesNothing) {
  alloc(64);
  alloc(64);
  const std::string before = picture(allocator);
  allocator.node_pool().set_limit(0);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(allocator.alloc(0, 1).error, Error::no_memory);
    EXPECT_EQ(picture(allocator), before);
    EXPECT_EQ(allocator.broken_invariant(), "");
    EXPECT_EQ(allocator.block_pool().in_use(), 1U);
  }
  allocator.node_pool().set_limit(100);
  EXPECT_EQ(alloc(1), page_address(kSlots));
  EXPECT_EQ(allocator.lazy_pages(), 0U) << "nobody had seen the addresses";
}

TEST_P(EveryRevision, ExhaustedAddressSpaceIsReclaimedOnce) {
  VmapAllocator::Options options = options_for(GetParam());
  options.space_blocks = 2;
  VmapAllocator small(options);
  const Address first = small.alloc(0, 64).address;
  const Address second = small.alloc_new_block(0, 64).address;
  AllocReport report = small.alloc_new_block(0, 1);
  EXPECT_EQ(report.error, Error::busy);
  ASSERT_TRUE(report.reclaim);
  EXPECT_EQ(report.reclaim->purged, 0U);
  EXPECT_EQ(report.reclaim->flushes, 0U);
  EXPECT_EQ(small.broken_invariant(), "");
  EXPECT_EQ(small.block_pool().in_use(), 2U) << "the descriptor was given back";
  EXPECT_EQ(small.map_ram(0, 65).error, Error::busy);
  // A block with nothing in use is purged by force, half empty or not.
  EXPECT_EQ(small.free(first, 64).error, Error::none);
  FlushDetail detail;
  report = small.alloc_new_block(0, 1, &detail);
  EXPECT_EQ(report.error, Error::none);
  EXPECT_EQ(report.address, first);
  EXPECT_EQ(report.reclaim->purged, 1U);
  EXPECT_EQ(report.reclaim->lazy_areas, 1U);
  EXPECT_EQ(report.reclaim->flushed_pages, kSlots);
  ASSERT_EQ(detail.flushes.size(), 1U);
  EXPECT_TRUE(detail.flushes[0].by_lazy);
  EXPECT_EQ(detail.flushes[0].range, (Range{first, first + kBlockBytes}));
  EXPECT_EQ(small.free(second, 64).error, Error::none);
  EXPECT_EQ(small.broken_invariant(), "");
}

TEST_P(EveryRevision, RetiredDescriptorsComeBackWhenAsked) {
  constexpr std::size_t kBlocks = 10;
  for (std::size_t i = 0; i < kBlocks; ++i) {
    const Address first = alloc(64);
    free(alloc(64), 64);
    free(first, 64);
  }
  EXPECT_THAT(allocator.state().blocks, IsEmpty());
  EXPECT_EQ(allocator.block_pool().in_use(), kBlocks);
  EXPECT_GE(allocator.release_retired(), kBlocks);
  EXPECT_EQ(allocator.block_pool().in_use(), 0U);
  EXPECT_EQ(allocator.node_pool().in_use(), 0U);
  EXPECT_EQ(allocator.release_retired(), 0U);
}

TEST_P(EveryRevision, TheDrainIsWantedStrictlyAboveTheLimit) {
  VmapAllocator::Options options = options_for(GetParam());
  options.lazy_max_pages = kSlots;
  VmapAllocator limited(options);
  const auto free_a_block = [&] {
    const Address first = limited.alloc(0, 64).address;
    const Address second = limited.alloc(0, 64).address;
    EXPECT_FALSE(limited.free(first, 64).drain);
    return limited.free(second, 64).drain;
  };
  EXPECT_FALSE(free_a_block()) << "exactly the limit";
  EXPECT_TRUE(free_a_block());
  limited.drain();
  EXPECT_FALSE(free_a_block());
  const Address large = limited.map_ram(0, 65).address;
  EXPECT_TRUE(limited.unmap_ram(large, 65).drain);
}

TEST_P(EveryRevision, ABlockServesOnlyTheQueueThatMadeIt) {
  VmapAllocator::Options options = options_for(GetParam());
  options.cpus = PossibleCpus::first(3);
  VmapAllocator striped(options);
  EXPECT_TRUE(striped.alloc(1, 1).new_block);
  EXPECT_TRUE(striped.alloc(2, 1).new_block);
  EXPECT_FALSE(striped.alloc(1, 1).new_block);
  EXPECT_TRUE(striped.alloc(0, 1).new_block);
  EXPECT_THAT(striped.state().lists,
              ElementsAre(ElementsAre(2U), ElementsAre(0U), ElementsAre(1U)));
  EXPECT_EQ(striped.broken_invariant(), "");
}

TEST_P(EveryRevision, ANewBlockOnDemandAndAllocationsInIt) {
  const AllocReport first = allocator.alloc_new_block(0, 8);
  const AllocReport second = allocator.alloc_new_block(0, 8);
  EXPECT_TRUE(second.new_block) << "though the first has space";
  EXPECT_EQ(second.visited, 0U);
  EXPECT_EQ(allocator.alloc_in_block(second.address, 64).address, second.address + 8 * kPageSize);
  EXPECT_EQ(allocator.alloc_in_block(second.address + 100 * kPageSize, 32).address,
            second.address + 72 * kPageSize)
      << "any address of the block names it";
  EXPECT_EQ(allocator.alloc_in_block(second.address, 32).error, Error::busy);
  EXPECT_EQ(allocator.alloc_in_block(first.address, 64).error, Error::none);
  const AllocReport last = allocator.alloc_in_block(second.address, 16);
  EXPECT_EQ(last.error, Error::none);
  EXPECT_FALSE(last.left_list);
  EXPECT_TRUE(allocator.alloc_in_block(second.address, 8).left_list);
  EXPECT_THAT(allocator.state().lists, ElementsAre(ElementsAre(0U)));
  EXPECT_EQ(allocator.alloc_in_block(page_address(5 * kSlots), 1).error, Error::not_allocated);
  EXPECT_EQ(allocator.alloc_in_block(kBase - kPageSize, 1).error, Error::not_allocated);
}

TEST_P(EveryRevision, TheResidualWindowOpensOnlyAtTheLastFree) {
  struct Observer : AllocatorObserver {
    void block_unlocked() override {
      ++opened;
      lazy_then = observed->lazy_pages();
      EXPECT_EQ(observed->alloc(0, 1).error, Error::none) << "no lock is held";
    }
    int opened = 0;
    std::uint64_t lazy_then = 0;
    VmapAllocator* observed = nullptr;
  } observer;
  VmapAllocator::Options options = options_for(GetParam());
  options.observer = &observer;
  VmapAllocator windowed(options);
  observer.observed = &windowed;
  const Address first = windowed.alloc(0, 64).address;
  const Address second = windowed.alloc(0, 64).address;
  EXPECT_EQ(windowed.free(first, 64).error, Error::none);
  EXPECT_EQ(windowed.free(first, 64).error, Error::not_allocated);
  EXPECT_EQ(observer.opened, 0);
  EXPECT_TRUE(windowed.free(second, 64).block_freed);
  EXPECT_EQ(observer.opened, 1);
  EXPECT_EQ(observer.lazy_then, 0U);
  EXPECT_EQ(windowed.lazy_pages(), kSlots);
}

TEST(SmallBlocks, ServeHalfOfThemselvesAtMost) {
  VmapAllocator::Options options = options_for("v6.12");
  options.geometry = Geometry(kBase, 2);
  options.space_blocks = 3;
  VmapAllocator allocator(options);
  EXPECT_EQ(allocator.alloc(0, 2).error, Error::invalid);
  EXPECT_EQ(allocator.alloc(0, 1).address, page_address(0));
  EXPECT_TRUE(allocator.alloc(0, 1).left_list);
  EXPECT_EQ(allocator.map_ram(0, 2).address, page_address(2)) << "an area of its own";
  EXPECT_EQ(allocator.free(page_address(0), 1).error, Error::none);
  EXPECT_TRUE(allocator.free(page_address(1), 1).block_freed);
  EXPECT_EQ(allocator.broken_invariant(), "");
}

TEST(UnalignedBase, BlocksBeginAtTheNextBoundary) {
  VmapAllocator::Options options = options_for("v6.12");
  options.geometry = Geometry(kBase + 5 * kPageSize, kSlots);
  VmapAllocator allocator(options);
  EXPECT_EQ(allocator.alloc(0, 1).address, page_address(kSlots));
  EXPECT_EQ(allocator.free(page_address(0), 1).error, Error::not_allocated);
  EXPECT_EQ(allocator.free(page_address(kSlots), 1).error, Error::none);
}

// (address / block) modulo the CPUs: of the possible ones, or of all ids and then the next
// possible one.
TEST(Buckets, FollowTheHashOfTheRevision) {
  for (const std::string_view revision : {"p6", "v6.12"}) {
    SCOPED_TRACE(revision);
    VmapAllocator::Options options = options_for(revision);
    options.cpus = PossibleCpus({0, 2, 5});
    VmapAllocator allocator(options);
    const bool next_possible = revision == "v6.12";
    const unsigned next[] = {0, 2, 2, 5, 5, 5};
    for (std::uint64_t block = 0; block < 12; ++block) {
      const Address start = page_address(block * kSlots);
      const std::uint64_t hash = start / kBlockBytes;
      const unsigned expected = next_possible ? next[hash % 6] : static_cast<unsigned>(hash % 3);
      EXPECT_EQ(allocator.bucket(start), expected) << block;
      EXPECT_EQ(allocator.bucket(start + kBlockBytes - 1), expected) << block;
      EXPECT_EQ(allocator.alloc_new_block(5, 1).address, start);
    }
    for (const auto& block : allocator.state().blocks) {
      EXPECT_EQ(block.bucket, allocator.bucket(block.start));
      EXPECT_EQ(block.queue, 5U);
    }
    EXPECT_EQ(allocator.broken_invariant(), "");
  }
}

// Where the hash names an impossible CPU no walk comes by: stale pages, until v6.12.
TEST(Buckets, OfAnImpossibleCpuAreNeverWalked) {
  for (const std::string_view revision : {"p6", "v6.12"}) {
    Ledger ledger;
    VmapAllocator::Options options = options_for(revision);
    options.cpus = PossibleCpus({0, 2});
    options.ledger = &ledger;
    VmapAllocator allocator(options);
    ASSERT_EQ(allocator.alloc_new_block(0, 1).error, Error::none);
    const Address second = allocator.alloc_new_block(0, 1).address;
    ASSERT_EQ(allocator.alloc_in_block(second, 1).error, Error::none);
    ASSERT_EQ(allocator.free(second, 1).error, Error::none);
    allocator.unmap_aliases();
    EXPECT_EQ(ledger.stale_pages(), revision == "p6" ? 1U : 0U) << revision;
  }
}

}  // namespace
}  // namespace flushwalk
