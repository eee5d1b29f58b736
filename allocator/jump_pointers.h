// JumpPointers: a walk of free lists sends for blocks ahead of it, by what the walk before has
// seen.
//
// A list is a chain through memory: where a block lies is known once the one before it has come,
// and a walk waits for each. So a block has a pointer to the one that was met kSteps later the last
// time (history pointers: Luk and Mowry, ASPLOS 1996; jump pointers: Roth and Sohi, ISCA 1999). A
// walk sends for what that points to, and corrects it when that block has its turn. It is a guess
// and never followed: it may be wrong, or where a block was that is freed by now.
//
// No kernel has them. They belong to the lockless check, which is no kernel's either; the locked
// one is left as it is. Over 1,024 queues, half of the blocks listed, ns a block without and with
// them: of 1,048,576 in order 20 and 7, shuffled 170 and 10; of 4,096 blocks 6 and 5. Where all of
// them lead astray and are corrected: 22 of a million in order, and 10 of 4,096.
#ifndef FLUSHWALK_ALLOCATOR_JUMP_POINTERS_H_
#define FLUSHWALK_ALLOCATOR_JUMP_POINTERS_H_

#include <array>
#include <atomic>
#include <cstddef>

#include "allocator/block.h"

namespace flushwalk {

// Of one walk, over all its queues. Several walks at once may correct the same blocks.
class JumpPointers {
 public:
  // In order and shuffled, at a million blocks: 24 take 10 and 12 ns a block, 32 take 9 and 10, 48
  // take 7 and 8, 64 take 7 and 9.
  static constexpr std::size_t kSteps = 64;

  // The next block of the walk, before it is looked at. In the walk's read-side critical section:
  // a block met before is written to, and may have been doomed meanwhile.
  void pass(Block& block) {
    __builtin_prefetch(block.jump.load(std::memory_order_relaxed));
    Block*& place = met_[passed_ % kSteps];
    if (passed_ >= kSteps && place->jump.load(std::memory_order_relaxed) != &block) {
      place->jump.store(&block, std::memory_order_relaxed);
    }
    place = &block;
    ++passed_;
  }

 private:
  std::array<Block*, kSteps> met_;  // the last ones
  std::size_t passed_ = 0;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_JUMP_POINTERS_H_
