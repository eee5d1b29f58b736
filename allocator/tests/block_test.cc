#include "allocator/block.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <vector>

namespace flushwalk {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr unsigned kSlotsOfBlock = 256;
constexpr SlotRange kNone{kSlotsOfBlock, 0};

class BlockStateTest : public ::testing::Test {
 protected:
  std::vector<SlotRange> runs() const {
    std::vector<SlotRange> found;
    state.for_each_dirty_run([&](SlotRange run) { found.push_back(run); });
    return found;
  }
  void free_slots(unsigned slot, unsigned count) {
    ASSERT_TRUE(state.clear_used(slot, count));
    state.mark_dirty(slot, count);
  }
  const char* broken() const { return state.broken_invariant(true); }

  // Not initialised to zero: the state has to do it.
  std::vector<std::uint64_t> map =
      std::vector<std::uint64_t>(BlockState::used_map_words(kSlotsOfBlock), ~std::uint64_t{0});
  BlockState state{kSlotsOfBlock, map.data()};
};

TEST_F(BlockStateTest, ANewBlockHasNeverUsedSlotsOnly) {
  EXPECT_EQ(state.slots(), kSlotsOfBlock);
  EXPECT_EQ(state.free(), kSlotsOfBlock);
  EXPECT_EQ(state.dirty(), 0U);
  EXPECT_EQ(state.in_use(), 0U);
  EXPECT_EQ(state.dirty_range(), kNone);
  EXPECT_FALSE(state.has_dirty_range());
  EXPECT_FALSE(state.has_dirty_slots());
  EXPECT_FALSE(state.slot_in_use(0));
  EXPECT_EQ(broken(), nullptr);
}

TEST_F(BlockStateTest, ServesOneAfterAnotherWithoutAlignment) {
  EXPECT_EQ(state.serve(1), 0U);
  EXPECT_EQ(state.serve(64), 1U);
  EXPECT_EQ(state.serve(2), 65U);
  EXPECT_EQ(state.handed_out(), 67U);
  EXPECT_EQ(state.free(), kSlotsOfBlock - 67);
  EXPECT_EQ(state.unlocked_free(), kSlotsOfBlock - 67);
  for (unsigned slot = 0; slot < kSlotsOfBlock; ++slot) {
    EXPECT_EQ(state.slot_in_use(slot), slot < 67) << slot;
  }
  EXPECT_EQ(broken(), nullptr);
}

TEST_F(BlockStateTest, FreedSlotsAreDirtyAndNeverServedAgain) {
  state.serve(4);
  state.serve(4);
  free_slots(0, 4);
  EXPECT_EQ(state.dirty(), 4U);
  EXPECT_EQ(state.unlocked_dirty(), 4U);
  EXPECT_EQ(state.in_use(), 4U);
  EXPECT_EQ(state.dirty_range(), (SlotRange{0, 4}));
  EXPECT_EQ(state.serve(1), 8U);
  EXPECT_EQ(broken(), nullptr);
}

TEST_F(BlockStateTest, TheDirtyRangeIsTheHull) {
  state.serve(64);
  state.serve(64);
  free_slots(70, 2);
  free_slots(8, 8);
  EXPECT_EQ(state.dirty_range(), (SlotRange{8, 72}));
  free_slots(16, 1);
  EXPECT_EQ(state.dirty_range(), (SlotRange{8, 72}));
  EXPECT_THAT(runs(), ElementsAre(SlotRange{8, 17}, SlotRange{70, 72}));
}

TEST_F(BlockStateTest, RefusesToClearWhatIsNotInUse) {
  EXPECT_FALSE(state.clear_used(0, 1)) << "never handed out";
  state.serve(64);
  state.serve(64);
  EXPECT_FALSE(state.clear_used(127, 2)) << "the second slot was never handed out";
  EXPECT_FALSE(state.clear_used(kSlotsOfBlock - 1, 2)) << "beyond the block";
  EXPECT_FALSE(state.clear_used(128, 1)) << "never handed out";
  EXPECT_TRUE(state.clear_used(60, 8));
  EXPECT_FALSE(state.clear_used(60, 8)) << "twice";
  for (unsigned first = 53; first < 68; ++first) {
    EXPECT_FALSE(state.clear_used(first, 8)) << "partly in use, from " << first;
  }
  EXPECT_FALSE(state.clear_used(0, 64)) << "one word holds a slot that is not in use";
  // None of the refusals changed anything.
  for (unsigned slot = 0; slot < 128; ++slot) {
    EXPECT_EQ(state.slot_in_use(slot), slot < 60 || slot >= 68) << slot;
  }
}

TEST_F(BlockStateTest, TheLastFreeDoomsTheBlock) {
  for (unsigned i = 0; i < 4; ++i) {
    state.serve(64);
  }
  EXPECT_EQ(state.free(), 0U);
  for (unsigned i = 0; i < 4; ++i) {
    EXPECT_FALSE(state.doomed());
    EXPECT_FALSE(state.purgeable()) << "a full block is not purged";
    free_slots(i * 64, 64);
  }
  EXPECT_TRUE(state.doomed());
  EXPECT_FALSE(state.purgeable());
  EXPECT_FALSE(state.unlocked_purgeable());
  EXPECT_EQ(state.dirty_range(), (SlotRange{0, kSlotsOfBlock}));
}

TEST_F(BlockStateTest, PurgeableOnlyWithNothingInUse) {
  state.serve(2);
  EXPECT_FALSE(state.purgeable());
  EXPECT_FALSE(state.unlocked_purgeable());
  free_slots(0, 1);
  EXPECT_FALSE(state.purgeable());
  free_slots(1, 1);
  EXPECT_TRUE(state.purgeable());
  EXPECT_TRUE(state.unlocked_purgeable());
  state.serve(1);
  EXPECT_FALSE(state.purgeable());
  EXPECT_FALSE(state.unlocked_purgeable());
}

TEST_F(BlockStateTest, DoomTakesEverySlot) {
  state.serve(8);
  free_slots(0, 8);
  state.doom();
  EXPECT_TRUE(state.doomed());
  EXPECT_EQ(state.free(), 0U);
  EXPECT_EQ(state.dirty(), kSlotsOfBlock);
  EXPECT_EQ(state.in_use(), 0U);
  EXPECT_EQ(state.dirty_range(), (SlotRange{0, kSlotsOfBlock}));
  EXPECT_FALSE(state.purgeable()) << "not a second time";
  EXPECT_FALSE(state.clear_used(0, 1));
  EXPECT_FALSE(state.clear_used(kSlotsOfBlock - 1, 1));
}

TEST_F(BlockStateTest, AResetRangeIsEmptyAndStartsAnew) {
  state.serve(64);
  free_slots(0, 16);
  state.reset_dirty_range();
  EXPECT_EQ(state.dirty_range(), kNone);
  EXPECT_FALSE(state.has_dirty_range());
  EXPECT_TRUE(state.has_dirty_slots());
  EXPECT_THAT(runs(), IsEmpty());
  EXPECT_NE(state.broken_invariant(true), nullptr) << "before patch 3 it never is";
  EXPECT_EQ(state.broken_invariant(false), nullptr);
  free_slots(32, 4);
  EXPECT_EQ(state.dirty_range(), (SlotRange{32, 36}));
  state.restore_dirty_range({0, 16});
  EXPECT_EQ(state.dirty_range(), (SlotRange{0, 16}));
  EXPECT_TRUE(state.has_dirty_range());
}

TEST_F(BlockStateTest, RunsEndWhereNothingWasHandedOut) {
  state.serve(8);
  free_slots(0, 8);
  state.doom();
  EXPECT_EQ(state.dirty_range(), (SlotRange{0, kSlotsOfBlock}));
  // Of a doomed block nothing counts as handed out any more but all of it.
  EXPECT_THAT(runs(), ElementsAre(SlotRange{0, kSlotsOfBlock}));
}

TEST_F(BlockStateTest, RunsAcrossWordsAndAtTheLastSlot) {
  for (unsigned i = 0; i < 4; ++i) {
    state.serve(64);
  }
  free_slots(60, 10);
  free_slots(128, 64);
  free_slots(255, 1);
  EXPECT_THAT(runs(), ElementsAre(SlotRange{60, 70}, SlotRange{128, 192}, SlotRange{255, 256}));
}

TEST(BlockStateInvariants, EachIsNoticed) {
  std::vector<std::uint64_t> map(2);
  BlockState state(128, map.data());
  state.serve(8);
  map[0] |= 1U << 20;
  EXPECT_STREQ(state.broken_invariant(true),
               "the used map does not have slots - free - dirty bits");
  map[0] = 0x7f | (1U << 20);
  EXPECT_STREQ(state.broken_invariant(true), "the used map has a slot that was never handed out");
  map[0] = 0xff;
  EXPECT_EQ(state.broken_invariant(true), nullptr);
  state.restore_dirty_range({4, 8});
  EXPECT_STREQ(state.broken_invariant(true), "a dirty range without dirty slots");
  state.restore_dirty_range({8, 8});
  EXPECT_STREQ(state.broken_invariant(true), "the dirty range is neither empty nor ascending");
  state.restore_dirty_range({128, 0});
  state.mark_dirty(0, 1);
  EXPECT_STREQ(state.broken_invariant(true),
               "the used map does not have slots - free - dirty bits");
}

// What a block is, told without cleverness.
class NaiveBlock {
 public:
  enum class Slot { never_used, in_use, dirty };

  explicit NaiveBlock(unsigned slots) : slots_(slots, Slot::never_used), flushed_(slots, true) {}

  unsigned count(Slot kind) const {
    return static_cast<unsigned>(std::count(slots_.begin(), slots_.end(), kind));
  }
  bool all_in_use(unsigned slot, unsigned count) const {
    return slot + count <= slots_.size() &&
           std::all_of(slots_.begin() + slot, slots_.begin() + slot + count,
                       [](Slot s) { return s == Slot::in_use; });
  }
  bool in_use(unsigned slot) const { return slots_[slot] == Slot::in_use; }
  void set(unsigned slot, unsigned count, Slot kind) {
    std::fill_n(slots_.begin() + slot, count, kind);
    std::fill_n(flushed_.begin() + slot, count, kind != Slot::dirty);
  }
  void flush() { std::fill(flushed_.begin(), flushed_.end(), true); }

  // The hull of what is dirty and not flushed.
  SlotRange hull() const {
    const auto size = static_cast<unsigned>(slots_.size());
    SlotRange range{size, 0};
    for (unsigned slot = 0; slot < size; ++slot) {
      if (!flushed_[slot]) {
        range.start = std::min(range.start, slot);
        range.end = slot + 1;
      }
    }
    return range;
  }
  std::vector<SlotRange> runs() const {
    std::vector<SlotRange> found;
    const SlotRange range = hull();
    for (unsigned slot = range.start; slot < range.end; ++slot) {
      if (slots_[slot] != Slot::dirty) {
        continue;
      }
      if (!found.empty() && found.back().end == slot) {
        ++found.back().end;
      } else {
        found.push_back({slot, slot + 1});
      }
    }
    return found;
  }

 private:
  std::vector<Slot> slots_;
  std::vector<bool> flushed_;
};

void expect_equal(const BlockState& state, const NaiveBlock& naive, bool range_survives_flush) {
  using Slot = NaiveBlock::Slot;
  ASSERT_EQ(state.free(), naive.count(Slot::never_used));
  ASSERT_EQ(state.dirty(), naive.count(Slot::dirty));
  ASSERT_EQ(state.in_use(), naive.count(Slot::in_use));
  ASSERT_EQ(state.dirty_range(), naive.hull());
  ASSERT_EQ(state.has_dirty_range(), naive.hull().end != 0);
  ASSERT_EQ(state.doomed(), naive.count(Slot::dirty) == state.slots());
  ASSERT_EQ(state.purgeable(), state.in_use() == 0 && !state.doomed());
  ASSERT_EQ(state.unlocked_purgeable(), state.purgeable());
  std::vector<SlotRange> runs;
  state.for_each_dirty_run([&](SlotRange run) { runs.push_back(run); });
  ASSERT_EQ(runs, naive.runs());
  ASSERT_EQ(state.broken_invariant(range_survives_flush), nullptr);
}

// Serves, frees and flushes at random until the block is doomed.
void walk_at_random(unsigned slots, unsigned seed, bool with_flushes) {
  std::mt19937 random(seed);
  std::vector<std::uint64_t> map(BlockState::used_map_words(slots), random());
  BlockState state(slots, map.data());
  NaiveBlock naive(slots);
  std::vector<SlotRange> live;
  while (!state.doomed()) {
    const auto what = random() % 8;
    const unsigned count = 1U << (random() % 7);
    if (what < 3 && count <= state.free()) {
      const unsigned slot = state.serve(count);
      ASSERT_EQ(slot, slots - naive.count(NaiveBlock::Slot::never_used));
      naive.set(slot, count, NaiveBlock::Slot::in_use);
      live.push_back({slot, slot + count});
    } else if (what < 6 && !live.empty()) {
      std::swap(live[random() % live.size()], live.back());
      const SlotRange freed = live.back();
      live.pop_back();
      ASSERT_TRUE(state.clear_used(freed.start, freed.end - freed.start));
      state.mark_dirty(freed.start, freed.end - freed.start);
      naive.set(freed.start, freed.end - freed.start, NaiveBlock::Slot::dirty);
    } else if (what == 6 && with_flushes) {
      state.reset_dirty_range();
      naive.flush();
    } else if (const auto slot = static_cast<unsigned>(random() % slots);
               !naive.all_in_use(slot, count)) {
      ASSERT_FALSE(state.clear_used(slot, count));
    }
    ASSERT_NO_FATAL_FAILURE(expect_equal(state, naive, !with_flushes));
  }
}

TEST(BlockStateRandomWalk, EqualsANaiveModelBeforePatch3) {
  for (unsigned seed = 0; seed < 10; ++seed) {
    SCOPED_TRACE(seed);
    ASSERT_NO_FATAL_FAILURE(walk_at_random(seed % 2 == 0 ? 128 : 1024, seed, false));
  }
}

TEST(BlockStateRandomWalk, EqualsANaiveModelFromPatch3On) {
  for (unsigned seed = 0; seed < 10; ++seed) {
    SCOPED_TRACE(seed);
    ASSERT_NO_FATAL_FAILURE(walk_at_random(seed % 2 == 0 ? 2 : 128, seed, true));
  }
}

TEST(Block, KnowsItsAddresses) {
  constexpr Address kStart = 0xffffc90000080000;
  void* const memory = std::aligned_alloc(alignof(Block), 192);
  ASSERT_LE(Block::bytes_for(128), 192U);
  Block* const block = Block::create(memory, 128, kStart, 3);
  EXPECT_EQ(block->queue, 3U);
  EXPECT_EQ(block->va_start, kStart);
  EXPECT_EQ(block->state.slots(), 128U);
  EXPECT_EQ(block->state.free(), 128U);
  EXPECT_FALSE(block->lock.is_locked());
  EXPECT_EQ(block->address_of(127), kStart + 127 * kPageSize);
  EXPECT_EQ(block->addresses_of({2, 5}), (Range{kStart + 2 * kPageSize, kStart + 5 * kPageSize}));
  EXPECT_EQ(Block::of_list_node(block), block);
  EXPECT_EQ(Block::of_retire_node(&block->retire_node), block);
  // The whole map is usable memory of the descriptor.
  block->state.serve(64);
  block->state.serve(64);
  EXPECT_EQ(block->state.broken_invariant(true), nullptr);
  std::free(memory);
}

// Wide enough for the map, and no power of two: first lines side by side would share few of a
// cache's sets.
TEST(Block, TakesAnOddNumberOfLines) {
  EXPECT_EQ(Block::bytes_for(1024), 5 * 64U);
  EXPECT_EQ(Block::bytes_for(512), 3 * 64U);
  EXPECT_EQ(Block::bytes_for(576), 5 * 64U) << "nine words of map";
  EXPECT_EQ(Block::bytes_for(2), 3 * 64U);
}

}  // namespace
}  // namespace flushwalk
