// The facade's flushes: what each revision finds, purges and hands to the shootdown, and what
// happens when the shootdown fails. What the pages do then is in real_memory_test.cc.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string>
#include <vector>

#include "allocator/tests/subject.h"

namespace flushwalk {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::string_view kAll[] = {"v6.4", "p1", "p2", "p3", "p4", "p5", "p6", "v6.12"};
constexpr std::string_view kFromPatch3[] = {"p3", "p4", "p5", "p6", "v6.12"};

// The patch's own case: X and Y fill a block, Y is freed.
TEST(FullBlock, IsMissedByTheFreeListAndFoundByTheXarray) {
  for (const std::string_view revision : kAll) {
    SCOPED_TRACE(revision);
    Subject subject(revision);
    subject.alloc(64);
    const std::uint64_t y = subject.alloc(64);
    EXPECT_EQ(subject.free(y, 64).dirty_range, (SlotRange{64, 128}));
    EXPECT_EQ(subject.ledger.stale_pages(), 64U);
    const FlushReport report = subject.unmap_aliases();
    if (revision == "v6.4") {
      EXPECT_EQ(report.visited, 0U);
      EXPECT_EQ(report.flushes, 0U);
      EXPECT_EQ(subject.ledger.stale_pages(), 64U);
      EXPECT_THAT(subject.shootdown.flushed, IsEmpty());
    } else {
      EXPECT_EQ(report.visited, 1U);
      EXPECT_EQ(report.block_locks, 1U);
      EXPECT_EQ(report.dirty_blocks, 1U);
      EXPECT_EQ(report.flushes, 1U);
      EXPECT_EQ(report.flushed_pages, 64U);
      EXPECT_EQ(subject.ledger.stale_pages(), 0U);
      EXPECT_THAT(subject.shootdown.flushed, ElementsAre(pages(64, 128)));
    }
    EXPECT_EQ(report.error, Error::none);
  }
}

TEST(PurgeableBlock, IsPurgedInOneWalkFromPatch2On) {
  for (const std::string_view revision : {"v6.4", "p1", "p2", "p5"}) {
    SCOPED_TRACE(revision);
    const bool two_walks = revision == "v6.4" || revision == "p1";
    Subject subject(revision);
    subject.free(subject.alloc(8), 8);
    const FlushReport report = subject.unmap_aliases();
    EXPECT_EQ(report.visited, 1U);
    EXPECT_EQ(report.visited_purge, two_walks ? 1U : 0U);
    EXPECT_EQ(report.block_locks, two_walks ? 2U : 1U);
    EXPECT_EQ(report.dirty_blocks, two_walks ? 1U : 0U);
    EXPECT_EQ(report.purged, 1U);
    EXPECT_EQ(report.lazy_areas, 1U);
    EXPECT_THAT(subject.shootdown.flushed, ElementsAre(pages(0, kSlots)));
    EXPECT_THAT(subject.allocator.state().blocks, IsEmpty());
    EXPECT_EQ(subject.allocator.lazy_pages(), 0U);
    EXPECT_EQ(subject.alloc(1), 0U) << "the address is free again";
  }
}

// 32 never-used slots are a quarter of 128: kept; 31: purged.
TEST(PurgeableBlock, IsKeptFromPatch6OnWhileAQuarterIsLeft) {
  for (const std::string_view revision : kAll) {
    for (const unsigned left : {32U, 31U}) {
      SCOPED_TRACE(fmt::format("{} with {} left", revision, left));
      Subject subject(revision);
      std::vector<std::uint64_t> all{subject.alloc(64), subject.alloc(32)};
      if (left == 31) {
        subject.free(subject.alloc(1), 1);
      }
      subject.free(all[0], 64);
      subject.free(all[1], 32);
      const bool keeps = revision == "p6" || revision == "v6.12";
      const FlushReport report = subject.unmap_aliases();
      EXPECT_EQ(report.purged, keeps && left == 32 ? 0U : 1U);
      EXPECT_EQ(subject.allocator.state().blocks.size(), report.purged == 0 ? 1U : 0U);
      EXPECT_EQ(subject.ledger.stale_pages(), 0U) << "flushed, kept or not";
      EXPECT_THAT(subject.shootdown.flushed,
                  ElementsAre(report.purged == 0 ? pages(0, 96) : pages(0, kSlots)));
      if (report.purged == 0) {
        EXPECT_EQ(subject.alloc(1), 96U) << "it goes on serving";
      }
    }
  }
}

TEST(PurgeableBlock, IsNeverOneWithASlotInUse) {
  for (const std::string_view revision : kAll) {
    SCOPED_TRACE(revision);
    Subject subject(revision);
    const std::uint64_t kept = subject.alloc(1);
    subject.free(subject.alloc(64), 64);
    subject.free(subject.alloc(32), 32);
    EXPECT_EQ(subject.unmap_aliases().purged, 0U);
    EXPECT_EQ(subject.allocator.purge(0).purged, 0U);
    EXPECT_EQ(subject.allocator.reclaim().purged, 0U);
    subject.free(kept, 1);
    EXPECT_EQ(subject.unmap_aliases().purged, 1U) << "31 slots left";
  }
}

TEST(PurgeableBlock, IsPurgedByForceWhateverIsLeft) {
  for (const std::string_view revision : kAll) {
    SCOPED_TRACE(revision);
    Subject subject(revision, 2);
    subject.free(subject.alloc(1, 0), 1);
    subject.free(subject.alloc(1, 1), 1);
    FlushDetail detail;
    const FlushReport report = subject.allocator.purge(1, &detail);
    EXPECT_EQ(report.visited_purge, 1U);
    EXPECT_EQ(report.purged, 1U);
    ASSERT_EQ(detail.purged.size(), 1U);
    EXPECT_EQ(detail.purged[0].serial, 1U);
    EXPECT_EQ(detail.purged[0].list_queue, 1U);
    EXPECT_EQ(report.flushes, 0U) << "a purge is no flush";
    EXPECT_EQ(subject.allocator.lazy_pages(), kSlots);
    EXPECT_EQ(subject.ledger.stale_pages(), 2U);
    const FlushReport reclaimed = subject.allocator.reclaim();
    EXPECT_EQ(reclaimed.purged, 1U);
    EXPECT_EQ(reclaimed.lazy_areas, 2U);
    EXPECT_EQ(reclaimed.flushes, 1U);
    EXPECT_EQ(subject.ledger.stale_pages(), 0U);
    EXPECT_EQ(subject.allocator.lazy_pages(), 0U);
  }
}

TEST(Purge, SaysThatTheDrainIsWanted) {
  Subject subject("v6.12", 1, 128);
  for (int i = 0; i < 65; ++i) {
    const AllocReport report = subject.allocator.alloc_new_block(0, 1);
    ASSERT_EQ(subject.allocator.free(report.address, 1).error, Error::none);
  }
  const FlushReport report = subject.allocator.purge(0);
  EXPECT_EQ(report.purged, 65U);
  EXPECT_TRUE(report.drain) << "65 blocks of 128 pages are more than 8192";
  EXPECT_EQ(subject.allocator.drain().lazy_areas, 65U);
  EXPECT_FALSE(subject.allocator.purge(0).drain);
}

// Which queue's lock the kernel would have held: that of the walked bucket, until the block
// remembers its own queue.
TEST(PurgeLock, IsTheBucketsFromPatch2OnAndTheOwnersInV612) {
  for (const std::string_view revision : {"v6.4", "p1", "p2", "p5", "v6.12"}) {
    SCOPED_TRACE(revision);
    Subject subject(revision, 2);
    subject.alloc(64, 1);
    subject.alloc(64, 1);  // block 0, in bucket 0, is full
    const std::uint64_t page = subject.alloc(64, 0);
    EXPECT_EQ(page, kSlots);
    EXPECT_EQ(subject.allocator.bucket(kBase + page * kPageSize), 1U);
    subject.free(page, 64);
    // 64 - 33 never-used slots: below the quarter at which p6 keeps a block.
    subject.free(subject.alloc(32, 0), 32);
    subject.free(subject.alloc(1, 0), 1);
    EXPECT_EQ(subject.unmap_aliases().purged, 1U);
    ASSERT_EQ(subject.detail.purged.size(), 1U);
    EXPECT_EQ(subject.detail.purged[0].list_queue, 0U);
    const bool wrong = revision == "p2" || revision == "p5";
    EXPECT_EQ(subject.detail.purged[0].lock_queue, wrong ? 1U : 0U);
  }
}

TEST(DirtyRange, IsResetFromPatch3On) {
  for (const std::string_view revision : kAll) {
    SCOPED_TRACE(revision);
    const bool resets = std::find(std::begin(kFromPatch3), std::end(kFromPatch3), revision) !=
                        std::end(kFromPatch3);
    Subject subject(revision);
    const std::uint64_t a = subject.alloc(32);
    const std::uint64_t b = subject.alloc(32);
    subject.alloc(1);
    subject.free(a, 32);
    EXPECT_EQ(subject.unmap_aliases().flushes, 1U);
    EXPECT_THAT(subject.shootdown.take_flushed(), ElementsAre(pages(0, 32)));
    EXPECT_EQ(subject.unmap_aliases().flushes, resets ? 0U : 1U);
    EXPECT_EQ(subject.shootdown.take_flushed().size(), resets ? 0U : 1U);
    subject.free(b, 32);
    subject.unmap_aliases();
    EXPECT_THAT(subject.shootdown.take_flushed(),
                ElementsAre(resets ? pages(32, 64) : pages(0, 64)));
    EXPECT_EQ(subject.ledger.stale_pages(), 0U);
  }
}

TEST(Hull, SpansEveryQueueAndTheLazyList) {
  for (const std::string_view revision : kAll) {
    SCOPED_TRACE(revision);
    Subject subject(revision, 2);
    subject.alloc(1, 0);
    const std::uint64_t a = subject.alloc(2, 0);
    const std::uint64_t b = subject.alloc(4, 1);
    subject.alloc(1, 1);
    subject.free(a, 2);
    subject.free(b, 4);
    EXPECT_EQ(subject.unmap_aliases().flushed_pages, kSlots + 3);
    EXPECT_THAT(subject.shootdown.take_flushed(), ElementsAre(pages(1, kSlots + 4)));
    ASSERT_EQ(subject.detail.flushes.size(), 1U);
    EXPECT_FALSE(subject.detail.flushes[0].by_lazy);
    const AllocReport large = subject.allocator.map_ram(0, 65);
    ASSERT_EQ(large.address, kBase + 2 * kSlots * kPageSize);
    ASSERT_EQ(subject.allocator.unmap_ram(large.address, 65).error, Error::none);
    subject.free(subject.alloc(1, 1), 1);
    const FlushReport report = subject.unmap_aliases();
    EXPECT_EQ(report.lazy_areas, 1U);
    EXPECT_EQ(report.flushes, 1U) << "one flush for all";
    ASSERT_EQ(subject.detail.flushes.size(), 1U);
    EXPECT_TRUE(subject.detail.flushes[0].by_lazy);
    EXPECT_EQ(subject.detail.flushes[0].range.end, large.address + 65 * kPageSize);
    EXPECT_EQ(subject.ledger.stale_pages(), 0U);
    EXPECT_EQ(subject.allocator.lazy_pages(), 0U);
  }
}

TEST(Nothing, IsNotFlushed) {
  for (const std::string_view revision : kAll) {
    SCOPED_TRACE(revision);
    Subject subject(revision);
    EXPECT_EQ(subject.unmap_aliases().flushes, 0U);
    subject.alloc(64);
    const FlushReport report = subject.unmap_aliases();
    EXPECT_EQ(report.visited, 1U);
    EXPECT_EQ(report.flushes, 0U);
    EXPECT_EQ(subject.allocator.drain().flushes, 0U);
    EXPECT_EQ(subject.allocator.reclaim().flushes, 0U);
    EXPECT_EQ(subject.shootdown.calls(), 0U);
  }
}

TEST(CallersRange, TakesPartInTheHullEvenWithoutItsFlag) {
  Subject subject("v6.12");
  const std::uint64_t a = subject.alloc(4);
  subject.alloc(1);
  EXPECT_EQ(subject.unmap_aliases({pages(10, 20), false}).flushes, 0U);
  EXPECT_EQ(subject.unmap_aliases({pages(10, 20), true}).flushes, 1U);
  EXPECT_THAT(subject.shootdown.take_flushed(), ElementsAre(pages(10, 20)));
  subject.free(a, 4);
  EXPECT_EQ(subject.unmap_aliases({pages(10, 20), false}).flushes, 1U);
  EXPECT_THAT(subject.shootdown.take_flushed(), ElementsAre(pages(0, 20)));
}

// The kernel calls flush_tlb_kernel_range(max, 0) then.
TEST(CallersRange, AFlagAloneIsADegenerateFlush) {
  Subject subject("v6.12");
  EXPECT_EQ(subject.unmap_aliases({Range{}, true}).flushes, 1U);
  EXPECT_THAT(subject.shootdown.take_flushed(), IsEmpty());
  ASSERT_EQ(subject.detail.flushes.size(), 1U);
  EXPECT_EQ(subject.detail.flushes[0].range, Range{});
}

TEST(Gathering, RunsAreExactlyTheFreedSlots) {
  for (const std::string_view revision : {"p1", "p2", "v6.12"}) {
    SCOPED_TRACE(revision);
    Subject subject(revision);
    FlushPlan runs(Gather::runs, 8);
    std::vector<std::uint64_t> all;
    for (int i = 0; i < 16; ++i) {
      all.push_back(subject.alloc(4));
    }
    subject.free(all[1], 4);
    subject.free(all[4], 3);
    subject.free(all[5], 4);
    const FlushReport report = subject.allocator.unmap_aliases(runs);
    EXPECT_EQ(report.dirty_blocks, 1U);
    EXPECT_EQ(report.flushes, 2U);
    EXPECT_EQ(report.flushed_pages, 12U);
    EXPECT_THAT(subject.shootdown.take_flushed(), ElementsAre(pages(4, 8), pages(16, 24)));
    EXPECT_EQ(runs.hull(), pages(4, 24));
  }
}

// Collecting again, after make_dirty_again(), finds the same.
TEST(Collect, FindsTheRangesPurgesAndFlushesNothing) {
  for (const std::string_view revision : kAll) {
    SCOPED_TRACE(revision);
    Subject subject(revision, 2);
    subject.alloc(64, 0);
    subject.free(subject.alloc(64, 0), 64);  // a full block with a dirty range
    subject.free(subject.alloc(8, 1), 8);    // purgeable
    subject.alloc(8, 0);
    const std::string before = subject.picture();
    const auto again = [&] {
      subject.allocator.make_dirty_again(pages(64, 128));
      subject.allocator.make_dirty_again(pages(kSlots, kSlots + 8));
    };
    for (const Check check : kChecks) {
      FlushPlan by_xarray(Gather::hull);
      const FlushReport found = subject.allocator.collect(Walk::xarray, check, by_xarray);
      EXPECT_EQ(found.visited, 3U);
      EXPECT_EQ(found.block_locks, check == Check::locked ? 3U : 2U);
      EXPECT_EQ(found.dirty_blocks, 2U);
      EXPECT_THAT(by_xarray.ranges(), ElementsAre(pages(64, kSlots + 8)));
      EXPECT_EQ(subject.picture() == before, !subject.allocator.revision().reset_collected_range);
      again();
      FlushPlan by_list(Gather::runs);
      const FlushReport listed = subject.allocator.collect(Walk::free_list, check, by_list);
      EXPECT_EQ(listed.visited, 2U);
      EXPECT_EQ(listed.dirty_blocks, 1U);
      EXPECT_THAT(by_list.ranges(), ElementsAre(pages(kSlots, kSlots + 8)));
      again();
      EXPECT_EQ(subject.picture(), before);
    }
    EXPECT_EQ(subject.shootdown.calls(), 0U);
    EXPECT_EQ(subject.ledger.stale_pages(), 72U);
  }
}

TEST(FailingShootdown, OwesTheRangesToTheNextFlush) {
  for (const std::string_view revision : kAll) {
    if (revision == "v6.4") {
      continue;  // it does not find them in the first place
    }
    SCOPED_TRACE(revision);
    Subject subject(revision);
    subject.alloc(64);
    subject.free(subject.alloc(64), 64);
    subject.shootdown.error = ENOMEM;
    FlushReport report = subject.unmap_aliases();
    EXPECT_EQ(report.error, Error::system);
    EXPECT_EQ(report.system_errno, ENOMEM);
    EXPECT_EQ(report.flushes, 0U);
    EXPECT_EQ(report.flushed_pages, 0U);
    EXPECT_EQ(subject.ledger.stale_pages(), 64U) << "nothing was flushed";
    EXPECT_THAT(subject.detail.flushes, IsEmpty());
    // It fails again, with a further range.
    subject.alloc(64);
    subject.free(subject.alloc(2), 2);
    EXPECT_EQ(subject.unmap_aliases().error, Error::system);
    subject.shootdown.error = 0;
    subject.shootdown.flushed.clear();
    report = subject.unmap_aliases();
    EXPECT_EQ(report.error, Error::none);
    EXPECT_EQ(report.flushes, 1U);
    EXPECT_THAT(subject.shootdown.take_flushed(), ElementsAre(pages(64, kSlots + 66)));
    EXPECT_EQ(subject.ledger.stale_pages(), 0U);
    // Paid once.
    const FlushReport after = subject.unmap_aliases();
    EXPECT_EQ(after.flushes, subject.allocator.revision().reset_collected_range ? 0U : 1U);
  }
}

TEST(FailingShootdown, LeavesLazyAreasLazy) {
  for (const std::string_view revision : kAll) {
    SCOPED_TRACE(revision);
    Subject subject(revision, 1, 2);
    const std::uint64_t a = subject.alloc(64);
    subject.free(subject.alloc(64), 64);
    subject.free(a, 64);
    subject.shootdown.error = EAGAIN;
    for (const FlushReport& report :
         {subject.allocator.drain(), subject.allocator.reclaim(), subject.unmap_aliases()}) {
      EXPECT_EQ(report.error, Error::system);
      EXPECT_EQ(report.system_errno, EAGAIN);
      EXPECT_EQ(report.lazy_areas, 0U);
      EXPECT_EQ(subject.allocator.lazy_pages(), kSlots);
      EXPECT_EQ(subject.ledger.stale_pages(), kSlots);
      EXPECT_EQ(subject.allocator.broken_invariant(), "");
    }
    EXPECT_EQ(subject.alloc(1), kSlots) << "the lazy block's addresses are not given out";
    const AllocReport refused = subject.allocator.alloc_new_block(0, 1);
    EXPECT_EQ(refused.error, Error::busy);
    ASSERT_TRUE(refused.reclaim);
    EXPECT_EQ(refused.reclaim->system_errno, EAGAIN);
    subject.shootdown.error = 0;
    subject.shootdown.flushed.clear();
    EXPECT_EQ(subject.allocator.drain().lazy_areas, 1U);
    EXPECT_THAT(subject.shootdown.flushed, ElementsAre(pages(0, kSlots)));
    EXPECT_EQ(subject.ledger.stale_pages(), 0U);
    EXPECT_EQ(subject.allocator.alloc_new_block(0, 1).address, kBase);
  }
}

// A drain flushes what is owed along with the lazy list.
TEST(FailingShootdown, OwedRangesGoWithTheLazyList) {
  Subject subject("v6.12");
  subject.alloc(64);
  subject.free(subject.alloc(64), 64);
  subject.shootdown.error = ENOMEM;
  subject.unmap_aliases();
  subject.shootdown.error = 0;
  subject.shootdown.flushed.clear();
  const Address large = subject.allocator.map_ram(0, 65).address;
  ASSERT_EQ(subject.allocator.unmap_ram(large, 65).error, Error::none);
  EXPECT_EQ(subject.allocator.drain().error, Error::none);
  EXPECT_EQ(subject.ledger.stale_pages(), 0U);
  EXPECT_EQ(subject.unmap_aliases().flushes, 0U) << "paid";
}

TEST(FailingMap, GivesTheAddressesBack) {
  for (const std::uint64_t count : {8U, 200U}) {
    SCOPED_TRACE(count);
    Subject subject("v6.12");
    subject.shootdown.map_error = ENOMEM;
    const AllocReport report = subject.allocator.map_ram(0, count);
    EXPECT_EQ(report.error, Error::system);
    EXPECT_EQ(report.system_errno, ENOMEM);
    EXPECT_EQ(subject.ledger.stale_pages(), count);
    subject.shootdown.map_error = 0;
    EXPECT_EQ(subject.allocator.reclaim().lazy_areas, 1U);
    EXPECT_THAT(subject.allocator.state().blocks, IsEmpty());
    EXPECT_EQ(subject.allocator.map_ram(0, count).error, Error::none);
    ASSERT_FALSE(subject.shootdown.mapped.empty());
    EXPECT_EQ(subject.shootdown.mapped.back().pages(), count);
  }
}

}  // namespace
}  // namespace flushwalk
