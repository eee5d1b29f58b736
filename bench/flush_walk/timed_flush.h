// Timed flush: the timed part, all of it. Nothing else happens between the readings of the clock:
// no allocation, no system call but the shootdown's own, no lock but those of the walk. Tests hold
// it to that.
#ifndef FLUSHWALK_BENCH_FLUSH_WALK_TIMED_FLUSH_H_
#define FLUSHWALK_BENCH_FLUSH_WALK_TIMED_FLUSH_H_

#include <cstdint>
#include <optional>

#include "allocator/flush_plan.h"
#include "allocator/shootdown.h"
#include "allocator/vmap_allocator.h"
#include "bench/support/clock.h"

namespace flushwalk {

// How a flush looks for dirty blocks.
struct Way {
  // A walk alone is one, with the kernel's check.
  Way(Walk how, Check looks = Check::locked,  // NOLINT: implicit
      std::optional<std::uint32_t> delay_ns = std::nullopt)
      : walk(how), check(looks), injected_delay_ns(delay_ns) {}

  Walk walk;
  Check check;
  // A second arm of the same work, to try the comparison itself: its walk ends with a loop of so
  // many ns. nullopt: what it is without.
  std::optional<std::uint32_t> injected_delay_ns;

  friend bool operator==(const Way&, const Way&) = default;
};

struct FlushTimes {
  Ticks begin;
  Ticks walked;  // walk and gather are done, the shootdown begins
  Ticks end;
};

// At least so many ticks, and less than a reading of the clock more. 0 ticks are one branch that is
// never taken: an arm without a delay executes what a plain case does.
inline void spin_for(const Clock& clock, Ticks ticks) {
  if (ticks == 0) {
    return;
  }
  const Ticks begin = clock.now_begin();
  while (clock.now_end() - begin < ticks) {
  }
}

// Walks, gathers into `plan` (cleared by the caller, with room for what the walk finds) and shoots
// down. *report: what the walk did; system_errno where the shootdown failed. Without a shootdown,
// end is walked. delay: the way's injected one, which is part of the walk's time.
inline FlushTimes timed_flush(const Clock& clock, VmapAllocator& allocator, const Way& way,
                              FlushPlan& plan, Shootdown* shootdown, FlushReport* report,
                              Ticks delay = 0) {
  FlushTimes times{};
  times.begin = clock.now_begin();
  *report = allocator.collect(way.walk, way.check, plan);
  spin_for(clock, delay);
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
