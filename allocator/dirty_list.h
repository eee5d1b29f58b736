// DirtyLists: the blocks of a queue that have a dirty range, the oldest first, in two parts: those
// that still had never-used slots, and full ones. The walks `dirty_list` (both parts) and
// `list_and_full` (the full ones) take their blocks from here. A block is in one part at a time,
// and on the lists of one queue, which a walk finds by queue_set.h.
//
// Each part is a ring of pointers, and not a chain through the blocks: a walk takes a handful from
// it under one turn of the lock, and sends for them before it visits (taken_blocks.h). With a chain
// it would wait for each block in turn (65,536 blocks, all dirty, 90 % full: 1.5 times as long a
// block as a free list of those not full).
//
// A free must not fail, so room is made when a block is: a ring holds twice as many pointers as the
// queue has blocks. A block that is doomed leaves a gap behind; a ring that has run full is at
// least half gaps, and closes them.
//
// Under the lists' own lock, all of it. A block may be listed anew while a walk has it in its
// hands: at worst the next walk finds it clean. One that is doomed then is not on the list any
// more, the walk meets it, and RCU keeps it in memory until the walk's end. flush_walk.h says why
// nothing is missed.
#ifndef FLUSHWALK_ALLOCATOR_DIRTY_LIST_H_
#define FLUSHWALK_ALLOCATOR_DIRTY_LIST_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <mutex>
#include <span>

#include "allocator/spin_lock.h"

namespace flushwalk {

enum class DirtyPart : std::uint8_t { full, others };
inline constexpr DirtyPart kDirtyParts[] = {DirtyPart::full, DirtyPart::others};

// In each block. Its number in the ring, where the ring has it.
struct DirtyListNode {
  std::uint32_t place = 0;
};

class DirtyLists {
 public:
  DirtyLists() = default;
  DirtyLists(const DirtyLists&) = delete;
  DirtyLists& operator=(const DirtyLists&) = delete;

  // Before the queue gets a block, and for each that add() may be called for. False: no memory,
  // nothing has changed.
  bool make_room();
  // The block of make_room() is gone: its node, if it was ever added, leaves its list.
  void forget(const DirtyListNode* node);

  // Appends a block's node to that part. One that is listed stays where it is, but for one of the
  // others that has become full.
  void add(DirtyPart which, DirtyListNode* node);

  bool has(DirtyPart which, const DirtyListNode* node) const {
    const std::lock_guard guard(lock_);
    return ring_of(which).has(node);
  }

  // Moves the oldest of that part to `room`, as many as it holds, and returns their number. *left
  // begins as kAll, and is then how many are still to be taken of those that were there at the
  // first call; 0 ends the taking. What is added meanwhile is left for the next walk, or taken too.
  // One walk at a time.
  static constexpr std::uint32_t kAll = ~std::uint32_t{0};
  std::size_t take(DirtyPart which, std::span<DirtyListNode*> room, std::uint32_t* left) {
    const std::lock_guard guard(lock_);
    return ring_of(which).take(room, left);
  }

 private:
  // Numbers go on and on; the node with number n is in entries[n % capacity]. nullptr: a gap.
  struct Ring {
    std::uint32_t head = 0;
    std::uint32_t tail = 0;
    std::unique_ptr<DirtyListNode*[]> entries;
    std::uint32_t capacity = 0;  // a power of two, or 0

    std::uint32_t size() const { return tail - head; }
    DirtyListNode*& at(std::uint32_t number) const { return entries[number & (capacity - 1)]; }
    bool has(const DirtyListNode* node) const {
      return node->place - head < size() && at(node->place) == node;
    }
    void remove(const DirtyListNode* node) {
      if (has(node)) {
        at(node->place) = nullptr;
      }
    }
    void append(DirtyListNode* node);
    void close_gaps();
    void grow(std::unique_ptr<DirtyListNode*[]>* larger, std::uint32_t larger_capacity);
    std::size_t take(std::span<DirtyListNode*> room, std::uint32_t* left) {
      std::uint32_t number = head;
      const std::uint32_t end = number + std::min(*left, size());
      std::size_t taken = 0;
      for (; number != end && taken < room.size(); ++number) {
        DirtyListNode* const node = at(number);
        if (node != nullptr) {
          room[taken++] = node;
        }
      }
      head = number;
      *left = end - number;
      return taken;
    }
  };

  Ring& ring_of(DirtyPart part) { return rings_[static_cast<std::size_t>(part)]; }
  const Ring& ring_of(DirtyPart part) const { return rings_[static_cast<std::size_t>(part)]; }

  std::array<Ring, std::size(kDirtyParts)> rings_;
  std::uint32_t blocks_ = 0;
  mutable SpinLockOf<LockKind::queue> lock_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_DIRTY_LIST_H_
