// Timed ranges: the timed part, all of it: the flush of ranges that were planned before, then the
// working set, read twice. Nothing else happens between the readings of the clock: no walk, no
// allocation, no system call but the flush's own. Tests hold it to that.
#ifndef FLUSHWALK_BENCH_FLUSH_RANGE_TIMED_RANGES_H_
#define FLUSHWALK_BENCH_FLUSH_RANGE_TIMED_RANGES_H_

#include <span>

#include "allocator/geometry.h"
#include "bench/support/clock.h"
#include "bench/support/working_set.h"

namespace flushwalk {

struct RangeTimes {
  Ticks begin;
  Ticks flushed;
  Ticks read;   // the working set, for the first time after the flush
  Ticks again;  // and once more: all of it is in the TLB, if it fits
};

// flusher: what has int flush(std::span<const Range>), which gives 0 or errno: the suite's
// Shootdown or ByHand.
template <class Flusher>
RangeTimes timed_ranges(const Clock& clock, Flusher& flusher, std::span<const Range> ranges,
                        const WorkingSet& working_set, int* error) {
  RangeTimes times{};
  times.begin = clock.now_begin();
  *error = flusher.flush(ranges);
  times.flushed = clock.now_end();
  working_set.read();
  times.read = clock.now_end();
  working_set.read();
  times.again = clock.now_end();
  return times;
}

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_FLUSH_RANGE_TIMED_RANGES_H_
