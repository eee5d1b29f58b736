// What each gather makes of the same dirty blocks, lazy areas and caller's range.
#include "allocator/flush_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "allocator/tests/subject.h"

namespace flushwalk {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Range kEverything = pages(0, 64 * kSlots);

FlushPlan make_plan(Gather gather) { return FlushPlan(gather, 8, kEverything); }

// Two dirty blocks: in the first, slots 4..8 and 16..24 are freed, and 8..16 in use between them;
// in the second, the first 64.
class Gathered : public ::testing::Test {
 protected:
  Gathered() {
    std::vector<std::uint64_t> all;
    for (unsigned i = 0; i < kSlots / 4; ++i) {
      all.push_back(subject.alloc(4));
    }
    subject.free(all[1], 4);
    subject.free(all[4], 4);
    subject.free(all[5], 4);
    const std::uint64_t second = subject.alloc(64);
    subject.alloc(1);
    subject.free(second, 64);
  }

  // The ranges of unmap_aliases with that gather, as the backend was given them.
  std::vector<Range> flushed(Gather gather, const CallerRange& caller = {}) {
    FlushPlan plan = make_plan(gather);
    report = subject.allocator.unmap_aliases(plan, caller);
    EXPECT_EQ(plan.hull().start, pages(4, 0).start) << name_of(gather);
    return subject.shootdown.take_flushed();
  }

  Subject subject{"v6.12"};
  FlushReport report;
};

TEST_F(Gathered, HullIsOneRange) {
  EXPECT_THAT(flushed(Gather::hull), ElementsAre(pages(4, kSlots + 64)));
  EXPECT_EQ(report.dirty_blocks, 2U);
  EXPECT_EQ(subject.ledger.stale_pages(), 0U);
}

TEST_F(Gathered, PerBlockIsEachBlocksDirtyRange) {
  EXPECT_THAT(flushed(Gather::per_block), ElementsAre(pages(4, 24), pages(kSlots, kSlots + 64)));
  EXPECT_EQ(report.flushes, 2U);
  EXPECT_EQ(report.flushed_pages, 20U + 64U);
  EXPECT_EQ(subject.ledger.stale_pages(), 0U);
}

TEST_F(Gathered, RunsAreTheFreedSlots) {
  EXPECT_THAT(flushed(Gather::runs),
              ElementsAre(pages(4, 8), pages(16, 24), pages(kSlots, kSlots + 64)));
  EXPECT_EQ(report.flushed_pages, 4U + 8U + 64U);
  EXPECT_EQ(subject.ledger.stale_pages(), 0U);
}

TEST_F(Gathered, FullIsEverything) {
  EXPECT_THAT(flushed(Gather::full), ElementsAre(kEverything));
  EXPECT_EQ(report.flushes, 1U);
  EXPECT_EQ(report.flushed_pages, kEverything.pages());
  EXPECT_EQ(subject.ledger.stale_pages(), 0U);
}

// Areas of their own, of more pages than a block serves, freed and lazy; and the caller's range.
TEST_F(Gathered, LazyAreasAndTheCallersRangeAreRangesOfTheirOwnInAnArray) {
  const CallerRange caller{pages(5000, 5001), false};
  for (const Gather gather : {Gather::per_block, Gather::runs}) {
    SCOPED_TRACE(name_of(gather));
    Subject own("v6.12");
    const Address area = own.allocator.map_ram(0, 65).address;
    own.alloc(4);
    own.free(own.alloc(4), 4);
    const std::uint64_t dirty = own.detail.flushes.size();
    EXPECT_EQ(own.allocator.unmap_ram(area, 65).error, Error::none);
    FlushPlan plan = make_plan(gather);
    const FlushReport flush = own.allocator.unmap_aliases(plan, caller, &own.detail);
    EXPECT_EQ(flush.lazy_areas, 1U);
    ASSERT_EQ(own.detail.dirty_ranges.size(), 1U);
    const Address block = own.detail.dirty_ranges[0].block_start;
    EXPECT_THAT(own.shootdown.take_flushed(),
                ElementsAre(caller.range, Range{block + 4 * kPageSize, block + 8 * kPageSize},
                            Range{area, area + 65 * kPageSize}));
    EXPECT_EQ(own.detail.flushes.size(), dirty + 3);
    EXPECT_EQ(own.ledger.stale_pages(), 0U);
  }
}

TEST(FlushPlan, WithoutAnythingThereIsNoRangeWhateverTheGather) {
  for (const Gather gather : kGathers) {
    FlushPlan plan = make_plan(gather);
    EXPECT_THAT(plan.ranges(), IsEmpty()) << name_of(gather);
    plan.add(Range{});
    EXPECT_THAT(plan.ranges(), IsEmpty()) << name_of(gather);
    EXPECT_TRUE(plan.hull().empty());
  }
}

TEST(FlushPlan, IsEmptyAgainOnceCleared) {
  for (const Gather gather : kGathers) {
    FlushPlan plan = make_plan(gather);
    plan.add(pages(3, 4));
    plan.add(pages(1, 2));
    EXPECT_EQ(plan.hull(), pages(1, 4));
    EXPECT_EQ(plan.ranges().size(), is_array(gather) ? 2U : 1U) << name_of(gather);
    plan.clear();
    EXPECT_THAT(plan.ranges(), IsEmpty()) << name_of(gather);
    EXPECT_TRUE(plan.hull().empty());
    plan.add(pages(7, 9));
    const Range expected = gather == Gather::full ? kEverything : pages(7, 9);
    EXPECT_THAT(plan.ranges(), ElementsAre(expected)) << name_of(gather);
  }
}

TEST(FlushPlan, HasRoomForWhatItWasToldOf) {
  for (const Gather gather : {Gather::per_block, Gather::runs}) {
    FlushPlan plan(gather, 100);
    plan.add(pages(0, 1));
    const Range* const first = plan.ranges().data();
    for (std::uint64_t page = 1; page < 100; ++page) {
      plan.add(pages(2 * page, 2 * page + 1));
    }
    EXPECT_EQ(plan.ranges().data(), first) << "it has moved: " << name_of(gather);
    EXPECT_EQ(plan.ranges().size(), 100U);
  }
}

TEST(FlushPlan, GathersHaveTheirNames) {
  EXPECT_THAT(std::vector<std::string>(
                  {std::string(name_of(kGathers[0])), std::string(name_of(kGathers[1])),
                   std::string(name_of(kGathers[2])), std::string(name_of(kGathers[3]))}),
              ElementsAre("hull", "per_block", "runs", "full"));
}

// What a failed flush owes is part of the next one, also as part of everything.
TEST(FullGather, OwesEverythingAfterAFailure) {
  Subject subject("v6.12");
  subject.alloc(64);
  subject.free(subject.alloc(64), 64);
  FlushPlan plan = make_plan(Gather::full);
  subject.shootdown.error = ENOMEM;
  EXPECT_EQ(subject.allocator.unmap_aliases(plan).error, Error::system);
  subject.shootdown.take_flushed();
  subject.shootdown.error = 0;
  EXPECT_EQ(subject.allocator.unmap_aliases(plan).error, Error::none);
  EXPECT_THAT(subject.shootdown.take_flushed(), ElementsAre(kEverything));
  EXPECT_EQ(subject.ledger.stale_pages(), 0U);
}

}  // namespace
}  // namespace flushwalk
