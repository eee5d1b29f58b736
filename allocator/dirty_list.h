// DirtyList: the blocks of a queue that have a dirty range, the oldest first: what the walk
// `dirty_list` takes its blocks from. One list at a time has a block: that of the queue whose
// xarray holds it.
//
// A doomed block is freed, so it must leave the list at that moment, wherever it stands: doubly
// linked, under a lock of its own. The walk takes a handful of blocks at a time, so that the lock
// is taken once for many, and not at all where the list is empty: what was added before the walk
// began is seen without it.
#ifndef FLUSHWALK_ALLOCATOR_DIRTY_LIST_H_
#define FLUSHWALK_ALLOCATOR_DIRTY_LIST_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>

#include "allocator/spin_lock.h"

namespace flushwalk {

struct DirtyListNode {
  std::atomic<DirtyListNode*> next_dirty{nullptr};  // read without the lock in the list's head only
  DirtyListNode* prev_dirty = nullptr;              // nullptr: on no list
};

class DirtyList {
 public:
  static constexpr std::size_t kHandful = 32;

  // What a walk has in its hands, and how far it goes.
  struct Handful {
    std::array<DirtyListNode*, kHandful> nodes;
    std::size_t count = 0;
    const DirtyListNode* last = nullptr;  // of the list when the walk began; only compared with
  };

  DirtyList() {
    head_.next_dirty.store(&head_, std::memory_order_relaxed);
    head_.prev_dirty = &head_;
  }
  DirtyList(const DirtyList&) = delete;
  DirtyList& operator=(const DirtyList&) = delete;

  // Appends the node, unless it is on the list.
  void add(DirtyListNode* node) {
    const std::lock_guard guard(lock_);
    if (node->prev_dirty != nullptr) {
      return;
    }
    node->next_dirty.store(&head_, std::memory_order_relaxed);
    node->prev_dirty = head_.prev_dirty;
    node->prev_dirty->next_dirty.store(node, std::memory_order_release);
    head_.prev_dirty = node;
  }

  // Takes the node off, if it is on the list.
  void remove(DirtyListNode* node) {
    const std::lock_guard guard(lock_);
    if (node->prev_dirty != nullptr) {
      DirtyListNode* const next = next_of(*node);
      node->prev_dirty->next_dirty.store(next, std::memory_order_relaxed);
      next->prev_dirty = node->prev_dirty;
      node->prev_dirty = nullptr;
    }
  }

  // Takes off the oldest nodes, at most a handful, and none that was added after the first call
  // with that handful. False when the walk has had all.
  bool take(Handful* taken) {
    taken->count = 0;
    if (head_.next_dirty.load(std::memory_order_acquire) == &head_) {
      return false;
    }
    const std::lock_guard guard(lock_);
    if (taken->last == nullptr) {
      taken->last = head_.prev_dirty;
    } else if (taken->last == &head_) {
      return false;
    }
    DirtyListNode* node = next_of(head_);
    while (node != &head_ && taken->count < kHandful && taken->last != &head_) {
      taken->nodes[taken->count++] = node;
      node->prev_dirty = nullptr;
      // Of `last` on, nothing is the walk's. It may have been freed meanwhile, and never be met:
      // then the end of the list ends the walk.
      taken->last = node == taken->last ? &head_ : taken->last;
      node = next_of(*node);
    }
    head_.next_dirty.store(node, std::memory_order_relaxed);
    node->prev_dirty = &head_;
    return taken->count != 0;
  }

 private:
  static DirtyListNode* next_of(const DirtyListNode& node) {
    return node.next_dirty.load(std::memory_order_relaxed);
  }

  SpinLockOf<LockKind::queue> lock_;
  DirtyListNode head_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_DIRTY_LIST_H_
