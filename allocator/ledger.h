// Ledger: shadow accounting of stale pages: which freed page has been covered by which flush.
//
// It observes and never decides: the allocator behaves the same with and without it, and timed runs
// go without. A page is stale from its free until a flush that covers it has returned. Concurrent
// callers are safe; the count is exact when frees do not race with the flush they are compared to.
#ifndef FLUSHWALK_ALLOCATOR_LEDGER_H_
#define FLUSHWALK_ALLOCATOR_LEDGER_H_

#include <cstdint>
#include <mutex>

#include "allocator/geometry.h"
#include "allocator/range_set.h"

namespace flushwalk {

class Ledger {
 public:
  // The pages of `range` were freed just now.
  void freed(const Range& range) {
    const std::lock_guard guard(mutex_);
    stale_.add(range);
  }
  // A flush of `range` has returned. An empty range covers nothing.
  void flushed(const Range& range) {
    const std::lock_guard guard(mutex_);
    stale_.remove(range);
  }

  std::uint64_t stale_pages() const {
    const std::lock_guard guard(mutex_);
    return stale_.bytes() >> kPageShift;
  }
  bool is_stale(Address address) const {
    const std::lock_guard guard(mutex_);
    return stale_.contains(address);
  }

 private:
  mutable std::mutex mutex_;
  RangeSet stale_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_LEDGER_H_
