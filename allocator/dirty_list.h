// DirtyLists: the blocks of a queue that have a dirty range, the oldest first, in two parts: those
// that still had never-used slots, and full ones. The walks `dirty_list` (both parts) and
// `list_and_full` (the full ones) take their blocks from here. A block is in one part at a time,
// and on the lists of one queue, which a walk finds by queue_set.h.
//
// Each part is a ring of pointers, and not a chain through the blocks: a walk takes a handful from
// it under one turn of the lock, and with each block that it visits sends for one of the next
// handful. With a chain it would wait for each block in turn (65,536 blocks, all dirty, 90 % full:
// 1.5 times as long a block as a free list of those not full). To send for a whole handful at once
// is no better, for then the visits wait for all of them.
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

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <mutex>

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

  // Takes all that is in that part, and calls visit(DirtyListNode&) for each; returns their number.
  // What is added meanwhile is left for the next walk, or visited too. One walk at a time.
  template <class Visit>
  std::uint64_t take_all(DirtyPart which, Visit&& visit) {
    Ring& ring = ring_of(which);
    Handful handfuls[2];
    std::uint32_t left = 0;
    {
      const std::lock_guard guard(lock_);
      left = ring.take(ring.size(), &handfuls[0]);
    }
    handfuls[0].fetch();
    std::uint64_t taken = 0;
    for (std::size_t turn = 0; handfuls[turn % 2].count != 0; ++turn) {
      Handful& next = handfuls[(turn + 1) % 2];
      if (left != 0) {
        const std::lock_guard guard(lock_);
        left = ring.take(left, &next);
      } else {
        next.count = 0;
      }
      taken += handfuls[turn % 2].count;
      handfuls[turn % 2].visit_each(next, visit);
    }
    return taken;
  }

 private:
  // As many as are on their way to the cache at once. In a second-level cache's reach 12 to 32 cost
  // the same; a million blocks in order cost 16.4 ns each with 12, and 12.6 with 24, 32 or 48.
  struct Handful {
    std::array<DirtyListNode*, 24> nodes;
    std::size_t count = 0;

    void fetch() const {
      for (std::size_t i = 0; i < count; ++i) {
        __builtin_prefetch(nodes[i], 1);
      }
    }
    template <class Visit>
    void visit_each(const Handful& next, Visit& visit) const {
      for (std::size_t i = 0; i < count; ++i) {
        if (i < next.count) {
          __builtin_prefetch(next.nodes[i], 1);
        }
        visit(*nodes[i]);
      }
    }
  };

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
    // Of the `left` oldest a handful; returns how many are left.
    std::uint32_t take(std::uint32_t left, Handful* handful) {
      std::uint32_t number = head;
      const std::uint32_t end = tail;
      handful->count = 0;
      for (; left != 0 && number != end && handful->count < handful->nodes.size();
           ++number, --left) {
        DirtyListNode* const node = at(number);
        if (node != nullptr) {
          handful->nodes[handful->count++] = node;
        }
      }
      head = number;
      return number == end ? 0 : left;
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
