// RcuList: the free list of a queue. Doubly linked, circular, intrusive; one locked writer, any
// readers.
//
// What a reader may see: while it walks, nodes may be added at the tail and removed anywhere.
// push_back() fills the node before the release store to its predecessor's `next` publishes it,
// which pairs with the acquire load in next(). erase() leaves the removed node's own `next` as it
// was, so that a walk that stands on it (perhaps the walk that removed it) steps on into the list.
// A removed node is freed only after a grace period.
#ifndef FLUSHWALK_ALLOCATOR_RCU_LIST_H_
#define FLUSHWALK_ALLOCATOR_RCU_LIST_H_

#include <atomic>

namespace flushwalk {

struct RcuListNode {
  std::atomic<RcuListNode*> next{nullptr};
  RcuListNode* prev = nullptr;  // writers only
};

class RcuList {
 public:
  RcuList() {
    head_.next.store(&head_, std::memory_order_relaxed);
    head_.prev = &head_;
  }
  RcuList(const RcuList&) = delete;
  RcuList& operator=(const RcuList&) = delete;

  // Both need the owner's lock.
  void push_back(RcuListNode* node) {
    RcuListNode* const last = head_.prev;
    node->prev = last;
    node->next.store(&head_, std::memory_order_relaxed);
    head_.prev = node;
    last->next.store(node, std::memory_order_release);
  }
  static void erase(RcuListNode* node) {
    RcuListNode* const next = node->next.load(std::memory_order_relaxed);
    next->prev = node->prev;
    node->prev->next.store(next, std::memory_order_release);
  }

  // Readers: in a read-side critical section. end() is not a node of the list.
  const RcuListNode* end() const { return &head_; }
  RcuListNode* first() const { return next(&head_); }
  static RcuListNode* next(const RcuListNode* node) {
    return node->next.load(std::memory_order_acquire);
  }

 private:
  RcuListNode head_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_RCU_LIST_H_
