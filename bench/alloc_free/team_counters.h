// Team counters: the counters of the threads of alloc_free_bench, each opened, switched and read by
// its own thread: on from a window's first batch to its last one.
#ifndef FLUSHWALK_BENCH_ALLOC_FREE_TEAM_COUNTERS_H_
#define FLUSHWALK_BENCH_ALLOC_FREE_TEAM_COUNTERS_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "bench/counters/counter_rows.h"
#include "bench/counters/counters.h"
#include "bench/counters/thread_counters.h"
#include "bench/support/measurements.h"

namespace flushwalk {

class TeamCounters {
 public:
  // counters: null counts nothing, and all calls do nothing.
  TeamCounters(const Counters* counters, std::size_t threads, std::size_t rivals);

  // By the first thread, between windows.
  void begin_repetition() { ++repetitions_; }
  void begin_window(std::size_t rival) { ++windows_[rival]; }

  // By the thread itself.
  void open(std::size_t thread);
  void begin(std::size_t thread, std::size_t rival);
  void end(std::size_t thread);
  void add_to(std::size_t thread, std::size_t rival);

  // After a repetition, by the first thread. row: one of the thread's times. pairs: that it made in
  // the windows that were counted; of the flusher flushes.
  std::vector<CounterRow> take_rows(std::size_t thread, std::size_t rival, const CaseWork& work,
                                    const MeasurementRow& row);
  bool counting() const { return counters_ != nullptr; }

 private:
  const Counters* counters_;
  std::vector<std::optional<ThreadCounters>> threads_;
  std::vector<unsigned> windows_;  // by rival
  unsigned repetitions_ = 0;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_ALLOC_FREE_TEAM_COUNTERS_H_
