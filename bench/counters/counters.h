// Counters: the front of this room. From --counters to a plan that every thread of a run can carry
// out, what counting costs, and what is said of it.
#ifndef FLUSHWALK_BENCH_COUNTERS_COUNTERS_H_
#define FLUSHWALK_BENCH_COUNTERS_COUNTERS_H_

#include <cstddef>
#include <iosfwd>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "bench/counters/counter_cost.h"
#include "bench/counters/counter_plan.h"
#include "bench/counters/encoder.h"
#include "bench/counters/event_sets.h"
#include "bench/counters/perf_calls.h"
#include "bench/support/bad_input.h"

namespace flushwalk {

// --counters without a value's meaning: hardware where there is a PMU, else software events,
// tracepoints and tables.
inline constexpr const char* kDefaultCounters = "default";
inline constexpr const char* kNoCounters = "none";

struct CounterRequest {
  std::string events = kDefaultCounters;  // sets and names, commas between them
  bool rotation = false;
  std::size_t threads = 1;  // at most at the same time
};

class Counters {
 public:
  // The calling thread tries each event. nullptr: none are wanted. A Problem: a name that is
  // nobody's, or another CPU's only. Whatever else is wrong with a counter is in its fault.
  static std::variant<std::unique_ptr<Counters>, Problem> make(const CounterRequest& request,
                                                               PerfCalls& calls = PerfCalls::real(),
                                                               EncoderSources sources = {});

  const CounterPlan& plan() const { return plan_; }
  PerfCalls& calls() const { return *calls_; }
  const std::vector<const Metric*>& metrics() const { return metrics_; }
  const CounterRequest& request() const { return request_; }
  const std::vector<std::string>& cpu_pmus() const { return cpu_pmus_; }
  std::size_t descriptors_each() const { return descriptors_each_; }

  // What is to be said on standard error before measuring: that counters were cut. Or nothing.
  std::string remark() const;

  // Timed on the calling thread, in some ms.
  CounterCost measure_cost() const;

 private:
  Counters() = default;

  CounterRequest request_;
  PerfCalls* calls_ = nullptr;
  CounterPlan plan_;
  std::vector<const Metric*> metrics_;
  std::vector<std::string> cpu_pmus_;
  std::size_t descriptors_each_ = 0;
};

// Whether the kernel offers a PMU to this user: cycles can be opened.
bool has_pmu(const Encoder& encoder, PerfCalls& calls);

// --list-counters: every event of every set, and whether it can be counted here.
void list_counters(std::ostream& out, PerfCalls& calls = PerfCalls::real(),
                   EncoderSources sources = {});

// kernel.perf_event_paranoid; -1 where it cannot be read.
int perf_event_paranoid();

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_COUNTERS_COUNTERS_H_
