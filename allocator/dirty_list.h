// DirtyLists: the blocks of a queue that have a dirty range, the oldest first, in two parts: those
// that still had never-used slots, and full ones. The walks `dirty_list` (both parts) and
// `list_and_full` (the full ones) take their blocks from here. A block is on the lists of the queue
// whose xarray holds it, in one part at a time.
//
// A walk takes a part whole: one turn of the lock for a queue, and none where nothing is listed.
// What it has taken is a chain of its own, which it follows as it would a free list, with the next
// block on its way to the cache while it visits one. Meanwhile
//
// - add() may be called for any block. One that the walk has taken and not come to yet stays there:
//   `place` still says that it is listed. The walk sets that to 0 before it visits the block, and
//   has read the link before: from then on add() may link the block anew.
// - remove() may be called for a block that is in the walk's hands: it leaves the chain as it is,
//   and the walk meets a doomed block, which RCU keeps in memory until the walk's end. Which blocks
//   those are is told by the part's turn, which each taking changes: one walk at a time (the purge
//   mutex sees to that) goes through all of its chain, so two turns are enough.
//
// add() and the walk's visit both hold the block's own lock, which orders them: flush_walk.h says
// why nothing is missed.
#ifndef FLUSHWALK_ALLOCATOR_DIRTY_LIST_H_
#define FLUSHWALK_ALLOCATOR_DIRTY_LIST_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <mutex>

#include "allocator/spin_lock.h"

namespace flushwalk {

enum class DirtyPart : std::uint8_t { full, others };
inline constexpr DirtyPart kDirtyParts[] = {DirtyPart::full, DirtyPart::others};

class DirtyListNode {
 public:
  // On a list, or taken by a walk that has not come to it yet. Exact with the block's lock held.
  bool listed() const { return place_.load(std::memory_order_relaxed) != 0; }
  // Among the full ones, likewise.
  bool listed_as_full() const { return (place_.load(std::memory_order_relaxed) & kFull) != 0; }

 private:
  friend class DirtyLists;
  static constexpr std::uintptr_t kTurn = 1;
  static constexpr std::uintptr_t kFull = 2;
  static constexpr std::uintptr_t kTags = kTurn | kFull;

  DirtyListNode* before() const {
    return reinterpret_cast<DirtyListNode*>(place_.load(std::memory_order_relaxed) & ~kTags);
  }
  void put_after(DirtyListNode* node, std::uintptr_t tags) {
    place_.store(reinterpret_cast<std::uintptr_t>(node) | tags, std::memory_order_relaxed);
  }

  std::atomic<DirtyListNode*> next_{nullptr};  // read without the lock in a head, and by a walk
  // The node before, tagged with its part and that part's turn; 0: not listed.
  std::atomic<std::uintptr_t> place_{0};
};

class DirtyLists {
 public:
  DirtyLists() {
    for (Part& part : parts_) {
      part.make_empty();
    }
  }
  DirtyLists(const DirtyLists&) = delete;
  DirtyLists& operator=(const DirtyLists&) = delete;

  // Appends a block's node to that part. One that is listed stays where it is, but for one of the
  // others that has become full. With the block's lock held.
  void add(DirtyPart which, DirtyListNode* node) {
    const std::lock_guard guard(lock_);
    if (node->listed()) {
      if (true || in_hands(*node)) {
        return;
      }
      unlink(node);
    }
    Part& part = parts_[index_of(which)];
    DirtyListNode* const last = part.head.before();
    node->next_.store(&part.head, std::memory_order_relaxed);
    node->put_after(last, tags_of(which));
    last->next_.store(node, std::memory_order_release);
    part.head.put_after(node, 0);
  }

  // Takes a doomed block's node off its list, if it is on one.
  void remove(DirtyListNode* node) {
    const std::lock_guard guard(lock_);
    if (node->listed() && !in_hands(*node)) {
      unlink(node);
      node->place_.store(0, std::memory_order_relaxed);
    }
  }

  // Without the lock: what was added before the caller asks, as far as it can know, is seen.
  bool empty(DirtyPart which) const {
    const DirtyListNode& head = parts_[index_of(which)].head;
    return next_of(head, std::memory_order_acquire) == &head;
  }
  // Has the first of that part on its way to the cache: it is where take_all() begins.
  void fetch_first(DirtyPart which) const {
    __builtin_prefetch(next_of(parts_[index_of(which)].head), 1);
  }

  // Takes all that is in that part, and calls visit(DirtyListNode&) for each; returns their number.
  // What is added meanwhile is left for the next walk.
  template <class Visit>
  std::uint64_t take_all(DirtyPart which, Visit&& visit) {
    Part& part = parts_[index_of(which)];
    DirtyListNode* node = nullptr;
    const DirtyListNode* last = nullptr;
    {
      const std::lock_guard guard(lock_);
      node = next_of(part.head);
      last = part.head.before();
      if (node == &part.head) {
        return 0;
      }
      part.make_empty();
      part.turn ^= DirtyListNode::kTurn;
    }
    for (std::uint64_t taken = 1;; ++taken) {
      DirtyListNode* const next = next_of(*node);
      const bool is_last = node == last;
      __builtin_prefetch(next, 1);
      node->place_.store(0, std::memory_order_relaxed);
      visit(*node);
      if (is_last) {
        return taken;
      }
      node = next;
    }
  }

 private:
  struct Part {
    DirtyListNode head;       // circular; before() is the last
    std::uintptr_t turn = 0;  // 0 or kTurn

    void make_empty() {
      head.next_.store(&head, std::memory_order_relaxed);
      head.put_after(&head, 0);
    }
  };

  static constexpr std::size_t index_of(DirtyPart part) { return static_cast<std::size_t>(part); }
  static DirtyListNode* next_of(const DirtyListNode& node,
                                std::memory_order order = std::memory_order_relaxed) {
    return node.next_.load(order);
  }
  std::uintptr_t tags_of(DirtyPart part) const {
    return parts_[index_of(part)].turn | (part == DirtyPart::full ? DirtyListNode::kFull : 0);
  }
  // Whether a walk has taken the listed node and not come to it yet.
  bool in_hands(const DirtyListNode& node) const {
    const DirtyPart part = node.listed_as_full() ? DirtyPart::full : DirtyPart::others;
    return (node.place_.load(std::memory_order_relaxed) & DirtyListNode::kTags) != tags_of(part);
  }
  // The neighbour's own tags stay.
  static void unlink(DirtyListNode* node) {
    DirtyListNode* const next = next_of(*node);
    DirtyListNode* const before = node->before();
    before->next_.store(next, std::memory_order_relaxed);
    next->put_after(before, next->place_.load(std::memory_order_relaxed) & DirtyListNode::kTags);
  }

  // First, and of it the link to the first of the full ones: see queue.h.
  std::array<Part, std::size(kDirtyParts)> parts_;
  SpinLockOf<LockKind::queue> lock_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_DIRTY_LIST_H_
