// Timed flush: the timed part, all of it. Nothing else happens between the readings of the clock:
// no allocation, no system call but the shootdown's own, no lock but those of the walk. Tests hold
// it to that.
#ifndef FLUSHWALK_BENCH_FLUSH_WALK_TIMED_FLUSH_H_
#define FLUSHWALK_BENCH_FLUSH_WALK_TIMED_FLUSH_H_

#include "allocator/flush_plan.h"
#include "allocator/shootdown.h"
#include "allocator/vmap_allocator.h"
#include "bench/support/clock.h"

namespace flushwalk {

// How a flush looks for dirty blocks.
struct Way {
  // A walk alone is one, with the kernel's check.
  Way(Walk how, Check looks = Check::locked) : walk(how), check(looks) {}  // NOLINT: implicit

  Walk walk;
  Check check;

  friend bool operator==(const Way&, const Way&) = default;
};

struct FlushTimes {
  Ticks begin;
  Ticks walked;  // walk and gather are done, the shootdown begins
  Ticks end;
};

// Walks, gathers into `plan` (cleared by the caller, with room for what the walk finds) and shoots
// down. *report: what the walk did; system_errno where the shootdown failed. Without a shootdown,
// end is walked.
inline FlushTimes timed_flush(const Clock& clock, VmapAllocator& allocator, Way way,
                              FlushPlan& plan, Shootdown* shootdown, FlushReport* report) {
  FlushTimes times{};
  times.begin = clock.now_begin();
  *report = allocator.collect(way.walk, way.check, plan);
  times.walked = clock.now_end();
  times.end = times.walked;
  if (shootdown != nullptr) {
    report->system_errno = shootdown->flush(plan.ranges());
    times.end = clock.now_end();
  }
  return times;
}

struct PartTimes {
  Ticks begin;
  Ticks end;
  int system_errno;
};

// The walk of a flush alone, with its gather; `plan` as above.
inline PartTimes timed_walk(const Clock& clock, VmapAllocator& allocator, Way way,
                            FlushPlan& plan) {
  PartTimes times{};
  times.begin = clock.now_begin();
  allocator.collect(way.walk, way.check, plan);
  times.end = clock.now_end();
  return times;
}

// The shootdown of a flush alone, of what is in the plan.
inline PartTimes timed_shootdown(const Clock& clock, const FlushPlan& plan, Shootdown* shootdown) {
  PartTimes times{};
  times.begin = clock.now_begin();
  times.system_errno = shootdown->flush(plan.ranges());
  times.end = clock.now_end();
  return times;
}

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_FLUSH_WALK_TIMED_FLUSH_H_
