#include "allocator/block.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace flushwalk {

BlockState::BlockState(unsigned slots, std::uint64_t* used_map)
    : used_map_(used_map), slots_(narrow(slots)), dirty_min_(narrow(slots)), free_(narrow(slots)) {
  assert(slots <= kMostSlots);
  std::fill_n(used_map_, used_map_words(slots), 0);
}

void BlockState::doom() {
  assert(purgeable());
  // The slots never handed out count as dirty from here on; the used map stays clear.
  store(free_, 0);
  store(dirty_, slots_);
  dirty_min_ = 0;
  store(dirty_max_, slots_);
}

void BlockState::reset_dirty_range() {
  dirty_min_ = slots_;
  store(dirty_max_, 0);
}

void BlockState::restore_dirty_range(SlotRange range) {
  dirty_min_ = narrow(range.start);
  store(dirty_max_, range.end);
}

const char* BlockState::broken_invariant(bool range_survives_flush) const {
  if (free() + dirty() > slots_) {
    return "free + dirty exceeds the slots";
  }
  unsigned used = 0;
  for (unsigned word = 0; word < used_map_words(slots_); ++word) {
    used += static_cast<unsigned>(std::popcount(used_map_[word]));
  }
  if (used != in_use()) {
    return "the used map does not have slots - free - dirty bits";
  }
  for (unsigned slot = handed_out(); slot < slots_; ++slot) {
    if (slot_in_use(slot)) {
      return "the used map has a slot that was never handed out";
    }
  }
  const bool range_empty = dirty_min_ == slots_ && dirty_max() == 0;
  if (!range_empty && dirty_min_ >= dirty_max()) {
    return "the dirty range is neither empty nor ascending";
  }
  if (!range_empty && dirty() == 0) {
    return "a dirty range without dirty slots";
  }
  if (range_survives_flush && range_empty && dirty() != 0) {
    return "dirty slots outside the dirty range";
  }
  return nullptr;
}

Block* Block::create(void* memory, unsigned slots, Address va_start, unsigned queue) {
  auto* const used_map =
      reinterpret_cast<std::uint64_t*>(static_cast<std::byte*>(memory) + sizeof(Block));
  return new (memory) Block(slots, used_map, va_start, queue);
}

// offsetof on a type with atomics is conditionally supported; g++ and clang both support it.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
Block* Block::of_retire_node(rcu::RetireNode* node) {
  return reinterpret_cast<Block*>(reinterpret_cast<std::byte*>(node) -
                                  offsetof(Block, retire_node));
}
#pragma GCC diagnostic pop

}  // namespace flushwalk
