#include "bench/flush_walk/load.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "allocator/fault_probe.h"
#include "allocator/tests/memory_probe.h"
#include "allocator/tests/sanitizers.h"
#include "bench/support/kernel_tables.h"

namespace flushwalk {
namespace {

using ::testing::Combine;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::Values;
using ::testing::ValuesIn;

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

std::unique_ptr<Load> build(const LoadShape& shape, ShootdownKind kind, Gather gather) {
  std::string error = "none";
  std::unique_ptr<Load> load = Load::build(shape, kind, gather, &error);
  EXPECT_NE(load, nullptr) << error;
  return load;
}

std::unique_ptr<Load> build(const LoadShape& shape, ShootdownKind kind) {
  return build(shape, kind, gather_for(kind));
}

bool is_dirty(const AllocatorState::BlockView& block) {
  return block.dirty_range.end > block.dirty_range.start;
}

std::string shape_name(const LoadShape& shape) {
  return fmt::format("{}b_{}f_{}d_{}s_{}q", shape.blocks, shape.full_percent, shape.dirty_percent,
                     shape.dirty_slots, shape.queues);
}

// What stands in the allocator, counted block by block.
struct Counted {
  explicit Counted(const AllocatorState& state) : blocks(state.blocks) {
    for (const AllocatorState::BlockView& block : blocks) {
      listed += block.on_list ? 1U : 0U;
      dirty += is_dirty(block) ? 1U : 0U;
      listed_dirty += block.on_list && is_dirty(block) ? 1U : 0U;
      dirty_slots += block.dirty;
      unlisted_dirty_slots += block.on_list ? 0 : block.dirty;
    }
  }

  std::vector<AllocatorState::BlockView> blocks;
  std::uint64_t listed = 0;
  std::uint64_t dirty = 0;
  std::uint64_t listed_dirty = 0;
  std::uint64_t dirty_slots = 0;
  std::uint64_t unlisted_dirty_slots = 0;
};

const LoadShape kShapes[] = {
    {1, 0, 0, 1, 1},     {1, 0, 100, 1, 1},    {1, 100, 100, 64, 1}, {1, 100, 0, 1, 1},
    {2, 50, 50, 1, 1},   {5, 80, 25, 1, 1},    {64, 0, 10, 1, 1},    {64, 90, 10, 1, 1},
    {64, 100, 10, 4, 1}, {64, 50, 100, 2, 1},  {64, 100, 100, 1, 5}, {100, 33, 7, 8, 3},
    {300, 50, 10, 1, 7}, {300, 0, 100, 64, 2}, {300, 99, 1, 32, 64}, {10, 50, 50, 1, 1024},
    {257, 1, 99, 16, 1},
};

class LoadOfShape : public ::testing::TestWithParam<LoadShape> {
 protected:
  void SetUp() override {
    load = build(GetParam(), ShootdownKind::none);
    ASSERT_NE(load, nullptr);
  }

  std::unique_ptr<Load> load;
};

TEST_P(LoadOfShape, IsAsAsked) {
  const LoadShape shape = GetParam();
  const Counted counted(load->allocator().state());
  const std::uint64_t full = shape.blocks * shape.full_percent / 100;
  const std::uint64_t listed = shape.blocks - full;
  EXPECT_THAT(counted.blocks, SizeIs(shape.blocks));
  EXPECT_EQ(counted.listed, listed);
  EXPECT_EQ(load->listed_blocks(), listed);
  // The same share of the full ones and of the others.
  EXPECT_EQ(counted.listed_dirty, listed * shape.dirty_percent / 100);
  EXPECT_EQ(counted.dirty - counted.listed_dirty, full * shape.dirty_percent / 100);
  EXPECT_EQ(load->dirty_blocks(), counted.dirty);
  EXPECT_EQ(counted.dirty_slots, counted.dirty * shape.dirty_slots);
  EXPECT_EQ(load->allocator().broken_invariant(), "");
}

TEST_P(LoadOfShape, BlocksHaveTheShapeThatTheHeaderTells) {
  const LoadShape shape = GetParam();
  const std::vector<AllocatorState::BlockView> blocks = load->allocator().state().blocks;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const AllocatorState::BlockView& block = blocks[i];
    EXPECT_EQ(block.queue, i % shape.queues);
    if (i != 0) {
      EXPECT_GT(block.start, blocks[i - 1].start);
      EXPECT_FALSE(!block.on_list && blocks[i - 1].on_list) << "full blocks lie lowest";
    }
    if (is_dirty(block)) {
      EXPECT_EQ(block.dirty_range.start, 0U);
      EXPECT_EQ(block.dirty_range.end, shape.dirty_slots);
    }
    EXPECT_EQ(block.free, block.on_list ? kBlockSlots - shape.dirty_slots - 1 : 0U);
  }
}

// Evenly: in no stretch of blocks are there more or fewer dirty ones than its share, but for one.
TEST_P(LoadOfShape, DirtyBlocksAreSpreadEvenly) {
  const LoadShape shape = GetParam();
  const std::vector<AllocatorState::BlockView> blocks = load->allocator().state().blocks;
  for (const bool listed : {false, true}) {
    std::uint64_t seen = 0;
    std::uint64_t dirty = 0;
    for (const AllocatorState::BlockView& block : blocks) {
      if (block.on_list == listed) {
        ++seen;
        dirty += is_dirty(block) ? 1U : 0U;
        EXPECT_EQ(dirty, seen * shape.dirty_percent / 100);
      }
    }
  }
}

TEST_P(LoadOfShape, FreeListWalkFindsTheListedDirtyOnesAndTheOthersAll) {
  const Counted counted(load->allocator().state());
  FlushPlan plan(Gather::hull);
  const FlushReport list = load->allocator().collect(Walk::free_list, Check::locked, plan);
  EXPECT_EQ(list.visited, counted.listed);
  EXPECT_EQ(list.block_locks, counted.listed);
  EXPECT_EQ(list.dirty_blocks, counted.listed_dirty);
  EXPECT_EQ(load->stale_slots(plan), counted.unlisted_dirty_slots);
  for (const Walk walk : kWalks) {
    if (walk == Walk::free_list) {
      continue;
    }
    load->make_dirty_again();
    plan.clear();
    const FlushReport all = load->allocator().collect(walk, Check::lockless, plan);
    const bool dirty_only = walk == Walk::marked || walk == Walk::dirty_list;
    const std::uint64_t old_and_missed = counted.listed + counted.dirty - counted.listed_dirty;
    EXPECT_EQ(all.visited, walk == Walk::list_and_full ? old_and_missed
                           : dirty_only                ? counted.dirty
                                                       : counted.blocks.size())
        << name_of(walk);
    EXPECT_EQ(all.block_locks, counted.dirty) << name_of(walk);
    EXPECT_EQ(all.dirty_blocks, counted.dirty) << name_of(walk);
    EXPECT_EQ(load->stale_slots(plan), 0U) << name_of(walk);
  }
}

TEST(Load, ListedSpreadLeavesFullBlocksClean) {
  const auto load = build({.blocks = 400,
                           .full_percent = 50,
                           .dirty_percent = 10,
                           .queues = 2,
                           .spread = Spread::listed},
                          ShootdownKind::none);
  const Counted counted(load->allocator().state());
  EXPECT_EQ(counted.dirty, 20U);
  EXPECT_EQ(counted.listed_dirty, 20U);
  EXPECT_EQ(counted.unlisted_dirty_slots, 0U);
}

// The same blocks, whose descriptors lie elsewhere.
TEST(Load, ShuffledDescriptorsAreTheSameLoad) {
  LoadShape load_shape{.blocks = 1000, .full_percent = 50, .dirty_percent = 10, .queues = 3};
  std::vector<std::uint64_t> steps;
  for (const Descriptors descriptors : kDescriptors) {
    load_shape.descriptors = descriptors;
    const auto load = build(load_shape, ShootdownKind::none);
    const Counted counted(load->allocator().state());
    EXPECT_EQ(counted.dirty, 100U);
    EXPECT_EQ(counted.listed, 500U);
    EXPECT_EQ(load->allocator().broken_invariant(), "");
    std::uint64_t neighbours = 0;
    const auto place = [&](Address address) {
      return reinterpret_cast<std::uintptr_t>(load->allocator().descriptor_at(address));
    };
    // The block before of the same queue.
    for (std::size_t i = load_shape.queues; i < counted.blocks.size(); ++i) {
      const Address before = counted.blocks[i - load_shape.queues].start;
      neighbours += place(counted.blocks[i].start) - place(before) ==
                            load->allocator().block_pool().object_bytes()
                        ? 1U
                        : 0U;
    }
    steps.push_back(neighbours);
  }
  EXPECT_GE(steps[0], 980U) << "side by side, but for the slabs' ends";
  EXPECT_LE(steps[1], 10U);
}

TEST_P(LoadOfShape, RunsCoverExactlyTheDirtySlots) {
  const Counted counted(load->allocator().state());
  FlushPlan plan(Gather::runs, load->dirty_blocks());
  load->allocator().collect(Walk::xarray, Check::locked, plan);
  EXPECT_THAT(plan.ranges(), SizeIs(counted.dirty));
  std::uint64_t pages = 0;
  for (const Range& range : plan.ranges()) {
    pages += range.pages();
  }
  EXPECT_EQ(pages, counted.dirty_slots);
  EXPECT_EQ(load->stale_slots(plan), 0U);
  plan.clear();
  EXPECT_EQ(load->stale_slots(plan), counted.dirty_slots);
}

INSTANTIATE_TEST_SUITE_P(Shapes, LoadOfShape, ValuesIn(kShapes),
                         [](const auto& shape) { return shape_name(shape.param); });

class LoadOnMemory : public ::testing::TestWithParam<std::tuple<LoadShape, ShootdownKind>> {
 protected:
  void SetUp() override {
    const std::string reason = why_unsupported(kind());
    if (!reason.empty()) {
      GTEST_SKIP() << reason;
    }
    load = build(shape(), kind());
    ASSERT_NE(load, nullptr);
    state = load->allocator().state();
  }

  static const LoadShape& shape() { return std::get<0>(GetParam()); }
  static ShootdownKind kind() { return std::get<1>(GetParam()); }

  FlushReport flush(Walk walk) {
    FlushPlan plan = load->make_plan();
    FlushReport report = load->allocator().collect(walk, Check::locked, plan);
    EXPECT_EQ(load->shootdown().flush(plan.ranges()), 0);
    return report;
  }

  std::vector<Address> freed_pages() const {
    std::vector<Address> pages;
    for (const AllocatorState::BlockView& block : state.blocks) {
      for (unsigned slot = block.dirty_range.start; slot < block.dirty_range.end; ++slot) {
        pages.push_back(block.start + slot * kPageSize);
      }
    }
    return pages;
  }

  std::unique_ptr<Load> load;
  AllocatorState state;
};

TEST_P(LoadOnMemory, IsTheSameLoadAsWithoutMemory) {
  const auto without = build(shape(), ShootdownKind::none);
  EXPECT_EQ(load->listed_blocks(), without->listed_blocks());
  EXPECT_EQ(load->dirty_blocks(), without->dirty_blocks());
  EXPECT_EQ(load->allocator().broken_invariant(), "");
  const Counted counted(state);
  EXPECT_EQ(counted.listed, load->listed_blocks());
  EXPECT_EQ(counted.dirty, load->dirty_blocks());
}

TEST_P(LoadOnMemory, TheAnchorIsTheHighestDirtyBlockAndBeginsAGiB) {
  const auto highest = std::find_if(state.blocks.rbegin(), state.blocks.rend(), is_dirty);
  if (highest == state.blocks.rend()) {
    EXPECT_THAT(load->live_pages(), IsEmpty());
    return;
  }
  EXPECT_EQ(highest->start % kGiB, 0U);
  ASSERT_THAT(load->live_pages(), SizeIs(16));
  const unsigned handed_out = kBlockSlots - highest->free;
  for (std::size_t i = 0; i < load->live_pages().size(); ++i) {
    const std::uint64_t slot = (load->live_pages()[i] - highest->start) / kPageSize;
    EXPECT_EQ(slot, highest->dirty_range.end + i);
    EXPECT_LT(slot, handed_out) << "never handed out";
  }
}

// What a flush leaves in use works before, after, and after many.
TEST_P(LoadOnMemory, NoFlushTakesAPageInUseAway) {
  for (int i = 0; i < 5; ++i) {
    for (const Walk walk : kWalks) {
      for (const Address page : load->live_pages()) {
        ASSERT_FALSE(probe_read(page).faulted);
        ASSERT_FALSE(probe_write(page, 7).faulted);
      }
      flush(walk);
      load->make_dirty_again();
      ASSERT_EQ(load->restore_access(), 0);
    }
  }
  flush(Walk::xarray);
  for (const Address page : load->live_pages()) {
    EXPECT_FALSE(probe_write(page, 8).faulted);
    EXPECT_EQ(probe_read(page).value, 8);
  }
}

TEST_P(LoadOnMemory, ARevokingFlushTakesTheFreedPagesAndRearmGivesThemBack) {
  if (kThreadSanitizer) {
    GTEST_SKIP() << "ThreadSanitizer does not survive a siglongjmp out of SIGSEGV";
  }
  const std::vector<Address> pages = freed_pages();
  for (int i = 0; i < 3; ++i) {
    for (const Address page : pages) {
      ASSERT_FALSE(probe_write(page, 9).faulted);
    }
    flush(Walk::xarray);
    for (const Address page : pages) {
      const ProbeResult read = probe_read(page);
      ASSERT_EQ(read.faulted, revokes(kind()));
      if (!read.faulted) {
        ASSERT_EQ(read.value, kind() == ShootdownKind::dontneed ? 0 : 9);
      }
      ASSERT_EQ(probe_write(page, 1).faulted, revokes(kind()));
    }
    load->make_dirty_again();
    ASSERT_EQ(load->restore_access(), 0);
  }
}

// A page that no page table knows would cost no shootdown.
TEST_P(LoadOnMemory, ARearmedLoadHasItsPagesInThePageTables) {
  const int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (pagemap < 0) {
    GTEST_SKIP() << "no /proc/self/pagemap";
  }
  const auto present = [&](Address page) {
    std::uint64_t entry = 0;
    EXPECT_EQ(pread(pagemap, &entry, sizeof(entry), static_cast<off_t>(page / kPageSize * 8)), 8);
    return (entry >> 63) != 0;
  };
  for (int i = 0; i < 2; ++i) {
    for (const Address page : load->live_pages()) {
      ASSERT_TRUE(present(page));
    }
    const std::vector<Address> pages = freed_pages();
    for (const Address page : pages) {
      // A hull needs the anchor's first one alone.
      if (is_array(gather_for(kind())) ||
          page == load->live_pages()[0] - shape().dirty_slots * kPageSize) {
        ASSERT_TRUE(present(page)) << i;
      }
    }
    flush(Walk::xarray);
    load->make_dirty_again();
    ASSERT_EQ(load->restore_access(), 0);
  }
  close(pagemap);
}

// The free-list walk revokes nothing in full blocks: their freed pages stay as they are.
TEST_P(LoadOnMemory, TheFreeListWalkRevokesListedBlocksOnly) {
  if (kThreadSanitizer) {
    GTEST_SKIP() << "ThreadSanitizer does not survive a siglongjmp out of SIGSEGV";
  }
  flush(Walk::free_list);
  for (const AllocatorState::BlockView& block : state.blocks) {
    if (is_dirty(block)) {
      ASSERT_EQ(probe_read(block.start).faulted, revokes(kind()) && block.on_list);
    }
  }
  load->make_dirty_again();
  EXPECT_EQ(load->restore_access(), 0);
}

TEST_P(LoadOnMemory, EveryFlushFindsAndCallsTheSame) {
  for (const Walk walk : kWalks) {
    ASSERT_EQ(load->shootdown().settle(), 0);
    FlushPlan plan = load->make_plan();
    const FlushReport expected = load->allocator().collect(walk, Check::locked, plan);
    load->make_dirty_again();
    for (int i = 0; i < 4; ++i) {
      const std::uint64_t before = load->shootdown().calls();
      const FlushReport report = flush(walk);
      EXPECT_EQ(report.visited, expected.visited);
      EXPECT_EQ(report.dirty_blocks, expected.dirty_blocks);
      EXPECT_EQ(load->shootdown().calls() - before, expected_calls(kind(), plan.ranges().size()));
      load->make_dirty_again();
      ASSERT_EQ(load->restore_access(), 0);
    }
  }
}

std::string memory_test_name(
    const ::testing::TestParamInfo<std::tuple<LoadShape, ShootdownKind>>& test) {
  return shape_name(std::get<0>(test.param)) + "_" + std::string(name_of(std::get<1>(test.param)));
}

// The anchor is a listed block, a full one though others are listed, and a full one of full ones.
INSTANTIATE_TEST_SUITE_P(Shapes, LoadOnMemory,
                         Combine(Values(LoadShape{64, 50, 10, 1, 1}, LoadShape{64, 90, 10, 1, 1},
                                        LoadShape{5, 80, 25, 2, 2}, LoadShape{300, 100, 10, 4, 3},
                                        LoadShape{64, 0, 100, 64, 1}, LoadShape{1, 0, 100, 1, 1},
                                        LoadShape{1, 100, 100, 64, 1}, LoadShape{64, 50, 0, 1, 1}),
                                 Values(ShootdownKind::noop, ShootdownKind::membarrier,
                                        ShootdownKind::mprotect_range, ShootdownKind::cold_range,
                                        ShootdownKind::mprotect, ShootdownKind::munmap,
                                        ShootdownKind::guard, ShootdownKind::dontneed)),
                         memory_test_name);

// Whether a page is in the page tables and was touched since the kernel was told that it is cold.
std::uint64_t referenced_pages(Address address) {
  return std::strtoull(map_detail(address, "Referenced").c_str(), nullptr, 10) / (kPageSize >> 10);
}

// What MADV_COLD makes cold must be touched again, or the next flush would shoot nothing down. The
// kernel's own watchers of accesses (DAMON) move the same marks: one undisturbed round is enough.
TEST(LoadForColdRange, EachRangeHasATouchedPageAgainBeforeEachFlush) {
  const LoadShape shape{64, 50, 25, 4, 3};
  for (const Gather gather : kGathers) {
    SCOPED_TRACE(name_of(gather));
    const auto load = build(shape, ShootdownKind::cold_range, gather);
    ASSERT_NE(load, nullptr);
    const Address somewhere = load->live_pages()[0];
    const std::uint64_t live = load->live_pages().size();
    const std::uint64_t touched = is_array(gather) ? load->dirty_blocks() * 4 : 1;
    if (referenced_pages(somewhere) == 0) {
      GTEST_SKIP() << "/proc/self/smaps does not tell what was touched";
    }
    const std::uint64_t cold = gather == Gather::full ? 0 : live;
    bool touched_again = false;
    for (int i = 0; i < 500 && !touched_again; ++i) {
      FlushPlan plan = load->make_plan();
      load->allocator().collect(Walk::xarray, Check::locked, plan);
      EXPECT_EQ(plan.ranges().size(), is_array(gather) ? load->dirty_blocks() : 1);
      ASSERT_EQ(load->shootdown().flush(plan.ranges()), 0);
      // The pages in use lie behind the anchor's freed one.
      const bool was_cold = referenced_pages(somewhere) == cold;
      load->make_dirty_again();
      ASSERT_EQ(load->restore_access(), 0);
      touched_again = was_cold && referenced_pages(somewhere) == cold + touched;
    }
    EXPECT_TRUE(touched_again);
  }
}

TEST(LoadPlan, FullIsAllThatABlockCanLieIn) {
  for (const ShootdownKind kind : {ShootdownKind::none, ShootdownKind::noop}) {
    const auto load = build({64, 50, 25, 4, 3}, kind, Gather::full);
    ASSERT_NE(load, nullptr);
    FlushPlan plan = load->make_plan();
    load->allocator().collect(Walk::free_list, Check::locked, plan);
    ASSERT_EQ(plan.ranges().size(), 1U);
    const Range everything = plan.ranges()[0];
    const AllocatorState state = load->allocator().state();
    EXPECT_LE(everything.start, state.blocks.front().start);
    EXPECT_GE(everything.end, state.blocks.back().start + kBlockSlots * kPageSize);
    EXPECT_EQ(load->stale_slots(plan), 0U) << "also of what the walk did not find";
  }
}

TEST(LoadWithoutMemory, HasNoPages) {
  EXPECT_THAT(build({64, 50, 10, 1, 1}, ShootdownKind::none)->live_pages(), IsEmpty());
}

class WhyTooLarge : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto text = read_kernel_file("/proc/sys/vm/max_map_count");
    const auto read = text ? parse_unsigned(text->substr(0, text->find('\n'))) : std::nullopt;
    if (!read || *read < 2000 || *read > kMostBlocks) {
      GTEST_SKIP() << "vm.max_map_count is such that its border cannot be reached";
    }
    limit = *read;
    // Two mappings a run, and 1,024 for the rest of the process.
    most_runs = (limit - 1024) / 2;
  }

  std::uint64_t limit = 0;
  std::uint64_t most_runs = 0;
};

TEST_F(WhyTooLarge, TellsTheNumbersOfALoadWithMoreRunsThanMappings) {
  for (const ShootdownKind kind : {ShootdownKind::mprotect, ShootdownKind::munmap}) {
    EXPECT_EQ(why_too_large({most_runs, 50, 100, 1, 1}, kind, Gather::runs), "");
    const std::uint64_t runs = most_runs + 1;
    EXPECT_EQ(why_too_large({runs, 50, 100, 1, 1}, kind, Gather::runs),
              fmt::format("{} runs need up to {} mappings, vm.max_map_count allows {}", runs,
                          runs * 2 + 1024, limit));
  }
}

TEST_F(WhyTooLarge, CountsDirtyBlocksNotAll) {
  EXPECT_EQ(why_too_large({most_runs, 50, 10, 64, 1}, ShootdownKind::mprotect, Gather::runs), "");
  EXPECT_EQ(why_too_large({kMostBlocks, 50, 0, 1, 1}, ShootdownKind::munmap, Gather::runs), "");
}

TEST_F(WhyTooLarge, ConcernsArraysOfWhatSplitsMappingsOnly) {
  for (const ShootdownKind kind : kShootdownKinds) {
    for (const Gather gather : kGathers) {
      const std::string reason = why_too_large({kMostBlocks, 50, 100, 1, 1}, kind, gather);
      EXPECT_EQ(reason.empty(), !splits_mappings(gather, kind))
          << name_of(kind) << " " << name_of(gather) << ": " << reason;
    }
  }
}

// With more it would begin a flush by undoing the ones before.
TEST_F(WhyTooLarge, ARangeFlushOfAnArrayHasALimitOfItsOwn) {
  const std::uint64_t most = kMostExecutableRanges;
  if (most + 1 > most_runs) {
    GTEST_SKIP() << "vm.max_map_count is the limit here";
  }
  const ShootdownKind kind = ShootdownKind::mprotect_range;
  EXPECT_EQ(why_too_large({most, 50, 100, 1, 1}, kind, Gather::per_block), "");
  EXPECT_EQ(why_too_large({most + 1, 50, 100, 1, 1}, kind, Gather::per_block),
            fmt::format("{} ranges are more than the {} that it keeps apart", most + 1, most));
  EXPECT_EQ(why_too_large({most + 1, 50, 100, 1, 1}, ShootdownKind::mprotect, Gather::runs), "");
}

// The other side of the promise: what is not refused can be had.
TEST_F(WhyTooLarge, ALoadNearTheLimitCanBeFlushed) {
  const ShootdownKind kind = ShootdownKind::mprotect;
  const std::string reason = why_unsupported(kind);
  if (!reason.empty() || most_runs > 40'000) {
    GTEST_SKIP() << (reason.empty() ? "vm.max_map_count would make a long test" : reason);
  }
  // No block need be full, and one queue is the quickest to fill.
  const auto load = build({most_runs, 0, 100, 1, 1}, kind);
  ASSERT_NE(load, nullptr);
  FlushPlan plan(Gather::runs, load->dirty_blocks());
  load->allocator().collect(Walk::xarray, Check::locked, plan);
  EXPECT_EQ(load->shootdown().flush(plan.ranges()), 0);
}

}  // namespace
}  // namespace flushwalk
