// RCU: liburcu's QSBR flavour behind four names, and the list of what waits for a grace period.
//
// Why QSBR. A walk enters a read-side critical section for each entry, as the kernel's xa_for_each
// does, and in the kernel (without preemption) that costs nothing. Pair of lock and unlock,
// measured on a 2-vCPU AMD EPYC guest: qsbr 0.3 ns, memb 1.9 (inlined; 10 as a call), bp 2.2,
// mb 56. Beside a visited block of 10 ns the others would be measured instead of the walk. And a
// grace period of memb or bp sends an IPI to every CPU that runs the process (membarrier): a
// shootdown's twin, in the middle of a shootdown benchmark. QSBR sends none.
//
// The contract, which is the kernel's for a CPU: a thread that has called the allocator counts as a
// reader of everything until it passes a quiescent state. The facade's calls end with one. A thread
// that will not call again for a while, or blocks, opens an Offline scope; otherwise release() in
// another thread waits for it. Grace periods happen in RetireList::release() only: never inside a
// timed section, and without a thread of their own on the measured CPUs.
//
// What a reader may see: a pointer published by a release store and read by an acquire load stays
// valid to the reader's next quiescent state, even when it has been unlinked meanwhile.
#ifndef FLUSHWALK_ALLOCATOR_RCU_H_
#define FLUSHWALK_ALLOCATOR_RCU_H_

#include <cstddef>

#include "allocator/spin_lock.h"

namespace flushwalk::rcu {

// Registers the calling thread as a reader at its first call; the thread's end unregisters it.
void register_this_thread();

// The calling thread holds no protected pointer now. One that never was a reader has nothing to
// say.
void quiescent();

// For as long as it lives, the calling thread holds no protected pointer and does not call the
// allocator.
class Offline {
 public:
  Offline();
  ~Offline();
  Offline(const Offline&) = delete;
  Offline& operator=(const Offline&) = delete;
};

// Marks a read-side critical section in the code. With QSBR it costs the check that the thread is
// registered.
class ReadSection {
 public:
  ReadSection() {
    if (!registered_) [[unlikely]] {
      register_this_thread();
    }
  }
  ReadSection(const ReadSection&) = delete;
  ReadSection& operator=(const ReadSection&) = delete;
  ~ReadSection() {}

 private:
  friend void register_this_thread();
  friend void quiescent();
  static thread_local constinit bool registered_;
};

// Embedded in what is retired. One list at a time.
struct RetireNode {
  RetireNode* next = nullptr;
  void (*free)(RetireNode* node, void* context) = nullptr;
  void* context = nullptr;
};

// What has been unlinked and may still be seen by readers. Any thread may add; release() frees
// after a grace period. The owner must call release() now and then, or memory grows.
class RetireList {
 public:
  RetireList() = default;
  RetireList(const RetireList&) = delete;
  RetireList& operator=(const RetireList&) = delete;
  // No reader may be left: frees without a grace period.
  ~RetireList();

  // free(node, context) is called once, by release() or the destructor. Takes a lock, allocates
  // nothing.
  void add(RetireNode* node, void (*free)(RetireNode*, void*), void* context);

  // Waits for a grace period if anything was retired, then frees it. The caller must hold no lock
  // that a reader waits for, and no protected pointer. Returns how many were freed.
  std::size_t release();

  std::size_t size() const;

 private:
  static std::size_t free_all(RetireNode* node);

  mutable SpinLockOf<LockKind::memory> lock_;
  RetireNode* head_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace flushwalk::rcu

#endif  // FLUSHWALK_ALLOCATOR_RCU_H_
