// Counter plan: which events can be counted here, and which of them at once. Made once a run, by
// trying on the calling thread; every thread of every case then opens the same groups.
//
// Software events and tracepoints take no place on the PMU: they are always on, a group for each of
// the kernel's software PMUs: tracepoints that a software event led lost nearly all of their hits
// once the group had been switched off and on (Linux 6.18: 2 counted of 150). Hardware events that
// the PMU can count at once are one group; where there are several groups, one of them is on at a
// time. The kernel would change groups every few ms, and a timed part lasts some us: so the suite
// changes them itself, from sample to sample, or, with rotation, from repetition to repetition.
//
// Each counter has a status of its own: none that cannot be opened hides another.
#ifndef FLUSHWALK_BENCH_COUNTERS_COUNTER_PLAN_H_
#define FLUSHWALK_BENCH_COUNTERS_COUNTER_PLAN_H_

#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "bench/counters/encoder.h"
#include "bench/counters/perf_calls.h"

namespace flushwalk {

enum class CounterStatus {
  counted,
  multiplexed,        // counted for a part of the time, and scaled to all of it
  not_supported,      // neither this kernel nor this machine has it
  permission_denied,  // it is there, and not for this user
  not_scheduled,      // it could be counted, but was not
};
// "counted", "multiplexed", "not_supported", "permission_denied", "not_scheduled".
std::string_view name_of(CounterStatus status);

// Why a counter is not counted, in words for people.
struct CounterFault {
  CounterStatus status = CounterStatus::counted;
  int error = 0;         // errno, or 0 where no call has failed
  std::string reason{};  // empty: nothing is wrong
  std::string remedy{};  // what would allow it; empty: nothing on this machine
};

// What errno of opening an event of that kind means. paranoid: kernel.perf_event_paranoid, -1 where
// it cannot be read.
CounterFault fault_of(int error, const EncodedEvent& event, int paranoid);

struct PlannedCounter {
  EncodedEvent event;  // of one that has no encoding its name alone
  CounterFault fault{};
  int group = -1;  // among CounterPlan::turns; -1: none, or always on

  bool countable() const { return fault.status == CounterStatus::counted; }
};

struct CounterPlan {
  std::vector<PlannedCounter> counters;
  // Indices of `counters`.
  std::vector<std::vector<std::size_t>> always;
  std::vector<std::vector<std::size_t>> turns;  // one at a time
  bool rotation = false;                        // a turn lasts a repetition

  std::size_t descriptors() const;  // that one thread needs
};

struct PlanInputs {
  bool rotation = false;
  // File descriptors that each thread may take: counters beyond are cut.
  std::size_t most_descriptors = std::numeric_limits<std::size_t>::max();
  int paranoid = -1;
};

// Opens each of the counters on the calling thread, those without a fault, and closes them again.
CounterPlan make_counter_plan(std::vector<PlannedCounter> counters, const PlanInputs& inputs,
                              PerfCalls& calls);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_COUNTERS_COUNTER_PLAN_H_
