// Throughput measurement: threads that make the same operation at once, each on pages of its own,
// in one process: they interrupt each other, and wait for the process's mmap lock. The arms
// untouched and noop take that lock as often, and shoot nothing down.
//
// A repetition takes `samples` operations of each thread and arm, in windows of up to 50, the arms
// in turn. All threads begin a window together. Each operation is timed by its thread; undoing it
// is part of the loop, and of the throughput.
#ifndef FLUSHWALK_BENCH_SHOOTDOWN_THROUGHPUT_MEASUREMENT_H_
#define FLUSHWALK_BENCH_SHOOTDOWN_THROUGHPUT_MEASUREMENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/shootdown/shootdown_axes.h"
#include "bench/shootdown/target.h"
#include "bench/shootdown/timed_operation.h"
#include "bench/support/case_group.h"
#include "bench/support/proof.h"
#include "bench/support/statistics.h"
#include "bench/support/turn_order.h"
#include "bench/support/worker_team.h"

namespace flushwalk {

// Many, since all threads begin at one moment, and their first calls meet.
inline constexpr unsigned kOperationsPerWindow = 1000;

// What one thread did in a window.
struct ThreadWindow {
  Ticks begin;  // of its first loop
  std::span<const OperationTimes> operations;
};

// Operations that began and ended while all threads were at work (from the last begin to the end of
// the operation that the first thread to finish did last), a second; nullopt where there was no
// such time.
std::optional<double> throughput_of(std::span<const ThreadWindow> threads, const Clock& clock);

// One arm in one repetition.
struct ThroughputResult : Proof {
  std::vector<double> throughput;         // a second, by window
  std::vector<std::vector<Ticks>> times;  // of single operations, by thread
  std::vector<ThreadCounts> counts;       // of all its windows, by thread
  std::uint64_t calls = 0;                // of one operation
};

class ThroughputMeasurement : public Measurement {
 public:
  static std::unique_ptr<ThroughputMeasurement> prepare(const ShootdownGroup& group,
                                                        const MeasuringContext& context,
                                                        std::string* error);

  std::vector<CaseOutcome> measure(unsigned repetition, std::string* error) override;
  // The pages of all threads' targets; what their last operations took away is nowhere.
  MemorySample memory() const override;
  // The same, before it becomes rows: a result for each arm, in the group's order.
  std::vector<ThroughputResult> sample(std::string* error);

 private:
  // A thread's, of all arms.
  struct Worker {
    std::vector<std::unique_ptr<Target>> targets;  // by arm
    SampleBuffer<OperationTimes> operations{kOperationsPerWindow};
    Ticks begin = 0;
    ThreadCounts counts;
    int failed = 0;
  };

  ThroughputMeasurement(const ShootdownGroup& group, const MeasuringContext& context);
  bool make_workers(std::string* error);
  bool take_window(std::size_t arm, unsigned operations, ThroughputResult* result,
                   std::string* error);
  void work(std::size_t arm, unsigned operations, Worker* worker, StartLine* line) const;
  void keep(ThroughputResult* result) const;

  ShootdownGroup group_;
  MeasuringContext context_;
  std::vector<int> cpus_;  // of all threads, the calling one's first
  TurnOrder order_;        // goes on from repetition to repetition
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<WorkerTeam> team_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SHOOTDOWN_THROUGHPUT_MEASUREMENT_H_
