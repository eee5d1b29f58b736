// AllocatorObserver: moments inside the allocator that no caller can see from outside. Tests,
// replays and the oracle stand there; timed runs have no observer.
//
// It observes and never decides: what it does at such a moment may take time and call the allocator
// where that is said, and changes nothing else.
#ifndef FLUSHWALK_ALLOCATOR_OBSERVER_H_
#define FLUSHWALK_ALLOCATOR_OBSERVER_H_

#include "allocator/geometry.h"

namespace flushwalk {

class AllocatorObserver {
 public:
  virtual ~AllocatorObserver() = default;

  // By the last free of the block that begins at block_start, with the block's lock held: whoever
  // takes that lock next finds it doomed. May not call the allocator.
  virtual void block_doomed(Address /*block_start*/) {}
  // By the same free, after it has dropped the lock. In the kernel's way (LastFree::lazy) the area
  // is not on the lazy list yet: this is the residual window, and any call may be made in it.
  virtual void block_unlocked() {}
  // By the same free, when the block's area is on the lazy list, or wherever else it goes: the end
  // of the window. May not call the allocator.
  virtual void block_left(Address /*block_start*/) {}
  // By a flush, right before it takes the lazy list, with the purge mutex held: what is put there
  // from now on is left for the next. May not call the allocator.
  virtual void takes_lazy_list() {}
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_OBSERVER_H_
