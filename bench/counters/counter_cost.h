// Counter cost: what counting takes, measured where it is used. Switching and reading stand outside
// of timed parts; what an event costs when it is hit, or a flush that is counted, is inside.
#ifndef FLUSHWALK_BENCH_COUNTERS_COUNTER_COST_H_
#define FLUSHWALK_BENCH_COUNTERS_COUNTER_COST_H_

#include <optional>

#include "bench/counters/counter_plan.h"
#include "bench/counters/perf_calls.h"

namespace flushwalk {

// ns, medians over the calling thread's rounds.
struct CounterCost {
  double begin_ns = 0;  // switching one thread's counters on
  double end_ns = 0;    // and off
  double read_ns = 0;   // reading them
  // A flush of one page by mprotect, which reaches CPUs that ran this process lately, while nothing
  // is counted, and while all is: the difference is contained in each counted one. nullopt: no
  // memory for it.
  std::optional<double> flush_ns{};
  std::optional<double> counted_flush_ns{};
};

CounterCost measure_counter_cost(const CounterPlan& plan, PerfCalls& calls);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_COUNTERS_COUNTER_COST_H_
