// By hand: the loop that somebody writes who wants to flush a list of ranges and has no suite: the
// system calls of a backend, one a range, and nothing else. What the suite's flush costs beside it
// is the suite's own.
//
// It keeps no book of what it did but a bit: mprotect_range toggles, and what was taken away may
// come back. So it flushes the same ranges each time, and is told them again to undo it.
#ifndef FLUSHWALK_BENCH_FLUSH_RANGE_BY_HAND_H_
#define FLUSHWALK_BENCH_FLUSH_RANGE_BY_HAND_H_

#include <span>
#include <string>

#include "allocator/arena.h"
#include "allocator/geometry.h"
#include "allocator/shootdown.h"

namespace flushwalk {

// Why there is no such loop of a backend; empty where there is.
std::string why_not_by_hand(ShootdownKind kind);

class ByHand {
 public:
  // Of membarrier: registers. The arena outlives it; nothing of it is executable.
  ByHand(ShootdownKind kind, const Arena& arena);

  // 0, or the errno of the first call that failed.
  int flush(std::span<const Range> ranges);
  // Untimed: gives access back, if a flush has taken it. 0 or errno.
  int restore(std::span<const Range> ranges);
  // Untimed: undoes an odd number of toggles. 0 or errno.
  int settle(std::span<const Range> ranges);

 private:
  ShootdownKind kind_;
  const Arena& arena_;
  bool executable_ = false;
  bool revoked_ = false;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_FLUSH_RANGE_BY_HAND_H_
