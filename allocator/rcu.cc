#include "allocator/rcu.h"

#include <urcu/urcu-qsbr.h>

#include <mutex>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FLUSHWALK_TSAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define FLUSHWALK_TSAN 1
#endif

#if defined(FLUSHWALK_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace flushwalk::rcu {
namespace {

// ThreadSanitizer does not see liburcu's grace periods. These two say what one is: all that a
// reader did before its quiescent state happens before what follows the grace period. A program
// that frees without waiting has no acquire and is still reported.
#if defined(FLUSHWALK_TSAN)
char tsan_token;
void note_quiescent() { __tsan_release(&tsan_token); }
void note_grace_period() { __tsan_acquire(&tsan_token); }
#else
void note_quiescent() {}
void note_grace_period() {}
#endif

struct Registration {
  Registration() { urcu_qsbr_register_thread(); }
  ~Registration() {
    note_quiescent();
    urcu_qsbr_unregister_thread();
  }
};

}  // namespace

thread_local constinit bool ReadSection::registered_ = false;

void register_this_thread() {
  static thread_local Registration registration;
  ReadSection::registered_ = true;
}

void quiescent() {
  // liburcu would take the thread for one that is registered already.
  if (!ReadSection::registered_) {
    return;
  }
  note_quiescent();
  urcu_qsbr_quiescent_state();
}

Offline::Offline() {
  register_this_thread();
  note_quiescent();
  urcu_qsbr_thread_offline();
}

Offline::~Offline() { urcu_qsbr_thread_online(); }

RetireList::~RetireList() { free_all(head_); }

void RetireList::add(RetireNode* node, void (*free)(RetireNode*, void*), void* context) {
  node->free = free;
  node->context = context;
  const std::lock_guard guard(lock_);
  node->next = head_;
  head_ = node;
  ++size_;
}

std::size_t RetireList::release() {
  RetireNode* retired = nullptr;
  {
    const std::lock_guard guard(lock_);
    retired = head_;
    head_ = nullptr;
    size_ = 0;
  }
  if (retired == nullptr) {
    return 0;
  }
  register_this_thread();
  note_quiescent();
  urcu_qsbr_synchronize_rcu();
  note_grace_period();
  return free_all(retired);
}

std::size_t RetireList::size() const {
  const std::lock_guard guard(lock_);
  return size_;
}

std::size_t RetireList::free_all(RetireNode* node) {
  std::size_t freed = 0;
  while (node != nullptr) {
    RetireNode* const next = node->next;
    node->free(node, node->context);
    node = next;
    ++freed;
  }
  return freed;
}

}  // namespace flushwalk::rcu
