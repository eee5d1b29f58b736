// DirtyList: the blocks of a queue that have a dirty range, the oldest first: what the walk
// `dirty_list` takes its blocks from. One list at a time has a block: that of the queue whose
// xarray holds it.
//
// A doomed block is freed, so it must leave the list at that moment, wherever it stands: doubly
// linked, under a lock of its own. The walk takes a handful of blocks at a time, so that the lock
// is taken once for many.
#ifndef FLUSHWALK_ALLOCATOR_DIRTY_LIST_H_
#define FLUSHWALK_ALLOCATOR_DIRTY_LIST_H_

#include <array>
#include <cstddef>
#include <mutex>

#include "allocator/spin_lock.h"

namespace flushwalk {

struct DirtyListNode {
  DirtyListNode* next_dirty = nullptr;
  DirtyListNode* prev_dirty = nullptr;  // nullptr: on no list
};

class DirtyList {
 public:
  static constexpr std::size_t kHandful = 32;
  using Handful = std::array<DirtyListNode*, kHandful>;

  DirtyList() { head_.next_dirty = head_.prev_dirty = &head_; }
  DirtyList(const DirtyList&) = delete;
  DirtyList& operator=(const DirtyList&) = delete;

  // Appends the node, unless it is on the list.
  void add(DirtyListNode* node) {
    const std::lock_guard guard(lock_);
    if (node->prev_dirty != nullptr) {
      return;
    }
    node->next_dirty = &head_;
    node->prev_dirty = head_.prev_dirty;
    node->prev_dirty->next_dirty = node;
    head_.prev_dirty = node;
  }

  // Takes the node off, if it is on the list.
  void remove(DirtyListNode* node) {
    const std::lock_guard guard(lock_);
    if (node->prev_dirty != nullptr) {
      unlink(node);
    }
  }

  // The last node that is on the list now; nullptr when it is empty. Only to be compared with.
  const DirtyListNode* last() {
    const std::lock_guard guard(lock_);
    return head_.prev_dirty == &head_ ? nullptr : head_.prev_dirty;
  }

  // Takes off the oldest nodes, at most a handful, and none behind `last`. Returns how many.
  std::size_t take(const DirtyListNode* last, Handful* taken) {
    const std::lock_guard guard(lock_);
    std::size_t count = 0;
    while (count < kHandful && head_.next_dirty != &head_) {
      DirtyListNode* const node = head_.next_dirty;
      unlink(node);
      (*taken)[count++] = node;
      if (node == last) {
        break;
      }
    }
    return count;
  }

 private:
  static void unlink(DirtyListNode* node) {
    node->prev_dirty->next_dirty = node->next_dirty;
    node->next_dirty->prev_dirty = node->prev_dirty;
    node->prev_dirty = nullptr;
  }

  SpinLockOf<LockKind::queue> lock_;
  DirtyListNode head_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_DIRTY_LIST_H_
