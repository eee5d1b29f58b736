// Block: one vmap block's accounting, and the descriptor around it (the kernel's struct
// vmap_block).
//
// BlockState is a plain state machine: no lock, memory or thread in it, each method one transition
// of SPEC section 1. A slot goes never-used -> in use -> dirty, once. The caller serialises
// transitions (Block::lock); unlocked_free() and unlocked_dirty() may be read by anyone and are the
// values of some recent moment.
//
// States of a block: served from (free > 0), full (free == 0, something in use or dirty < slots),
// doomed (dirty == slots: whoever made it so removes it, nobody else may touch it).
#ifndef FLUSHWALK_ALLOCATOR_BLOCK_H_
#define FLUSHWALK_ALLOCATOR_BLOCK_H_

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <new>

#include "allocator/dirty_list.h"
#include "allocator/geometry.h"
#include "allocator/rcu.h"
#include "allocator/rcu_list.h"
#include "allocator/spin_lock.h"

namespace flushwalk {

struct VmapArea;

// Half-open range of slots; empty is (slots, 0).
struct SlotRange {
  unsigned start;
  unsigned end;

  friend bool operator==(const SlotRange&, const SlotRange&) = default;
};

class BlockState {
 public:
  static constexpr unsigned used_map_words(unsigned slots) { return (slots + 63) / 64; }

  // slots: up to kMostSlots. used_map: used_map_words(slots) words that outlive the state; they
  // need not be initialised.
  static constexpr unsigned kMostSlots = 0xffff;
  BlockState(unsigned slots, std::uint64_t* used_map);

  unsigned slots() const { return slots_; }
  unsigned free() const { return free_.load(std::memory_order_relaxed); }
  unsigned dirty() const { return dirty_.load(std::memory_order_relaxed); }
  unsigned in_use() const { return slots_ - free() - dirty(); }
  // Slots handed out so far; also the next slot to hand out.
  unsigned handed_out() const { return slots_ - free(); }
  SlotRange dirty_range() const { return {dirty_min_, dirty_max()}; }

  // Each reads one word, without the lock: `free` only falls, so a value that is too small for a
  // request stays so.
  unsigned unlocked_free() const { return free(); }
  unsigned unlocked_dirty() const { return dirty(); }

  // Here and below `count` is a request's: 1 to 64. Hands out `count` slots; count <= free().
  // Returns the first.
  unsigned serve(unsigned count) {
    assert(count != 0 && count <= free());
    const unsigned slot = handed_out();
    store(free_, free() - count);
    for_each_word(slot, count, [](std::uint64_t& word, std::uint64_t mask) { word |= mask; });
    return slot;
  }

  // Slots [slot, slot + count) go out of use. False, and no change, unless all of them are in use.
  bool clear_used(unsigned slot, unsigned count) {
    if (slot + count > handed_out()) {
      return false;
    }
    std::uint64_t not_in_use = 0;
    for_each_word(slot, count,
                  [&](std::uint64_t& word, std::uint64_t mask) { not_in_use |= ~word & mask; });
    if (not_in_use != 0) {
      return false;
    }
    for_each_word(slot, count, [](std::uint64_t& word, std::uint64_t mask) { word &= ~mask; });
    return true;
  }

  // Slots [slot, slot + count), cleared before, are dirty now. The last one dooms the block.
  void mark_dirty(unsigned slot, unsigned count) {
    dirty_min_ = std::min(dirty_min_, narrow(slot));
    store(dirty_max_, std::max(dirty_max(), slot + count));
    store(dirty_, dirty() + count);
    assert(free() + dirty() <= slots_);
  }

  bool doomed() const { return dirty() == slots_; }
  // Nothing in use, not yet doomed. Then free() > 0.
  bool purgeable() const { return free() + dirty() == slots_ && dirty() != slots_; }
  // The same from two single reads without the lock; to be confirmed under it.
  bool unlocked_purgeable() const {
    const unsigned dirty = unlocked_dirty();
    return unlocked_free() + dirty == slots_ && dirty != slots_;
  }
  bool has_dirty_slots() const { return dirty() != 0; }
  bool has_dirty_range() const { return dirty_max() != 0; }
  // The same without the lock. A free that has returned, as far as the caller can know, is seen.
  bool unlocked_has_dirty_range() const { return has_dirty_range(); }

  // The purge action: no more allocation, doomed, the range is the whole block.
  void doom();

  // The dirty range has been handed to a flush (from patch 3 on).
  void reset_dirty_range();
  // Puts a range back that reset_dirty_range() cleared, so that a benchmark can flush the same
  // again.
  void restore_dirty_range(SlotRange range);

  bool slot_in_use(unsigned slot) const { return (used_map_[slot / 64] >> (slot % 64) & 1) != 0; }

  // Calls visit(SlotRange) for each run: a maximal stretch of freed slots inside the dirty range.
  // Of a doomed block: of all that was handed out.
  template <class Visit>
  void for_each_dirty_run(Visit&& visit) const {
    const unsigned end = std::min(dirty_max(), handed_out());
    unsigned slot = dirty_min_;
    while (slot < end) {
      if (slot_in_use(slot)) {
        ++slot;
        continue;
      }
      const unsigned start = slot;
      while (slot < end && !slot_in_use(slot)) {
        ++slot;
      }
      visit(SlotRange{start, slot});
    }
  }

  // nullptr, or the first invariant of SPEC section 1 that does not hold.
  const char* broken_invariant(bool range_survives_flush) const;

 private:
  unsigned dirty_max() const { return dirty_max_.load(std::memory_order_relaxed); }

  // Calls visit(word, mask) for each word of the used map that [slot, slot + count) touches: one or
  // two, for no request is longer than a word.
  template <class Visit>
  void for_each_word(unsigned slot, unsigned count, Visit&& visit) {
    const unsigned bit = slot % 64;
    const std::uint64_t ones = ~std::uint64_t{0} >> (64 - count);
    visit(used_map_[slot / 64], ones << bit);
    if (bit + count > 64) [[unlikely]] {
      visit(used_map_[slot / 64 + 1], ones >> (64 - bit));
    }
  }

  // Small, so that a walk finds all that it reads of a block in one cache line. The counters are
  // written under the lock, and read without it: relaxed, as nothing else is inferred from them.
  using Counter = std::uint16_t;
  static Counter narrow(unsigned value) { return static_cast<Counter>(value); }
  static void store(std::atomic<Counter>& counter, unsigned value) {
    counter.store(narrow(value), std::memory_order_relaxed);
  }

  std::uint64_t* used_map_;
  Counter slots_;
  Counter dirty_min_;
  std::atomic<Counter> free_;
  std::atomic<Counter> dirty_{0};
  std::atomic<Counter> dirty_max_{0};
};

// The descriptor. What a walk reads (links, counters, lock, address) shares the first cache line;
// the used map follows the descriptor in the same pool object. An object is an odd number of lines,
// 320 bytes for a block of 1,024 slots: side by side in 256 bytes (as the kernel's 232 lie in
// kmalloc-256) all first lines would share a quarter of a cache's sets, and 16,384 blocks no longer
// fit in an L2 of 2 MiB (free list 9.6 ns a block instead of 8.5, xarray 14 instead of 12).
class alignas(64) Block : public RcuListNode {
 public:
  static constexpr std::size_t bytes_for(unsigned slots);

  // A block at va_start, all slots never used, whose list is that of `queue`. memory:
  // bytes_for(slots) bytes.
  static Block* create(void* memory, unsigned slots, Address va_start, unsigned queue);

  static Block* of_list_node(RcuListNode* node) { return static_cast<Block*>(node); }
  static Block* of_dirty_node(DirtyListNode* node);
  static Block* of_retire_node(rcu::RetireNode* node);

  Address address_of(unsigned slot) const { return va_start + (Address{slot} << kPageShift); }
  Range addresses_of(SlotRange slots) const {
    return {address_of(slots.start), address_of(slots.end)};
  }

  // The base, RcuListNode, links the free list of `queue`; its writers hold that queue's lock.
  [[no_unique_address]] BlockState state;  // the lock lies in its padding
  SpinLockOf<LockKind::block> lock;        // guards state
  Address va_start;                        // constant
  DirtyListNode dirty_node;                // its place on a dirty list
  std::uint32_t queue;  // whose free list the block is on while it has never-used slots; constant
  std::atomic<Block*> jump{this};  // for walks of that list (jump_pointers.h); at first itself

  // The second line.
  alignas(64) VmapArea* area = nullptr;  // constant once published
  std::uint64_t serial = 0;              // creation order; constant once published
  Block* next_purged = nullptr;          // belongs to the thread that doomed the block
  rcu::RetireNode retire_node;

 private:
  // In braces: with parentheses va_start could be the macro of <cstdarg>.
  Block(unsigned slots, std::uint64_t* used_map, Address start, unsigned owner)
      : state(slots, used_map), va_start{start}, queue(owner) {}
};

static_assert(alignof(Block) == 64 && sizeof(Block) == 128);

// offsetof on a type with atomics is conditionally supported; g++ and clang both support it.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
inline Block* Block::of_dirty_node(DirtyListNode* node) {
  return reinterpret_cast<Block*>(reinterpret_cast<std::byte*>(node) - offsetof(Block, dirty_node));
}
static_assert(offsetof(Block, jump) + sizeof(Block::jump) <= 64,
              "a walk reads one cache line of a block");
#pragma GCC diagnostic pop

constexpr std::size_t Block::bytes_for(unsigned slots) {
  constexpr std::size_t kLine = 64;
  const std::size_t bytes =
      sizeof(Block) + BlockState::used_map_words(slots) * sizeof(std::uint64_t);
  return ((bytes + kLine - 1) / kLine | 1) * kLine;
}

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_BLOCK_H_
