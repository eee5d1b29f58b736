// Alloc-free measurement: takes the samples of one group of cases, its rivals in turn.
//
// A turn of a rival is two windows. In the first each thread makes batches of pairs, a sample each.
// A batch uses up whole blocks of a thread that has its queue alone: the block which is created,
// used up, and lazily freed is in every sample at its true share. In the second window single calls
// are timed. In a window all threads start together, warm up by one batch, and count what the
// kernel did to them from then on. Between windows the first thread drains the lazy list and frees
// descriptors, untimed, while the others are offline to RCU: so a run can go on forever.
//
// Threads do not end a window together. What all of them did is counted over the time in which all
// of them were at work, from the last begin to the first end, a batch that is cut by it in
// proportion.
//
// The flusher, where there is one, has flushed once when the threads start, and goes on until the
// last of them has ended.
#ifndef FLUSHWALK_BENCH_ALLOC_FREE_ALLOC_FREE_MEASUREMENT_H_
#define FLUSHWALK_BENCH_ALLOC_FREE_ALLOC_FREE_MEASUREMENT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "allocator/spin_lock.h"
#include "bench/alloc_free/alloc_free_axes.h"
#include "bench/alloc_free/pair_loop.h"
#include "bench/alloc_free/stripes.h"
#include "bench/alloc_free/team_counters.h"
#include "bench/support/case_group.h"
#include "bench/support/clock.h"
#include "bench/support/oracle_counts.h"
#include "bench/support/statistics.h"
#include "bench/support/turn_order.h"
#include "bench/support/worker_team.h"

namespace flushwalk {

// Pairs in a batch: as many as use up a block, at least 64.
unsigned pairs_per_batch(unsigned pages);

inline constexpr unsigned kBatchesPerWindow = 8;
inline constexpr unsigned kSinglePairsPerSample = 16;

struct BatchTimes {
  Ticks begin;
  Ticks end;
};

// One thread, one rival, one repetition.
struct WorkerResult {
  explicit WorkerResult(std::size_t samples)
      : batches(samples),
        alloc(samples * kSinglePairsPerSample),
        free(samples * kSinglePairsPerSample) {}

  int cpu = 0;
  SampleBuffer<BatchTimes> batches;
  SampleBuffer<Ticks> alloc;
  SampleBuffer<Ticks> free;
  PairCounts counts;                   // of the batches
  PairCounts single;                   // of the single calls
  LockWaits waits;                     // of the batches
  std::uint64_t context_switches = 0;  // in both windows
  std::uint64_t page_faults = 0;
  std::optional<std::uint64_t> migrations;  // of the whole repetition: all rivals'
};

struct FlusherResult {
  explicit FlusherResult(std::size_t capacity) : times(capacity) {}

  int cpu = 0;
  SampleBuffer<Ticks> times;  // while the threads worked on batches; more are only counted
  std::uint64_t flushes = 0;
  std::uint64_t purged_blocks = 0;
  std::uint64_t idle_windows = 0;  // in which no flush ended
};

// One rival in one repetition.
struct AllocFreeResult {
  std::vector<WorkerResult> workers;
  std::optional<FlusherResult> flusher;
  std::uint64_t windows = 0;        // of batches
  std::vector<double> throughput;   // pairs a second, a value a window
  std::uint64_t windows_apart = 0;  // in which the threads never were at work all at once
  std::array<std::vector<double>, kLockKinds> lock_waits;  // ticks a pair, a value a window
  std::vector<double> exchange_waits;                      // the same
  BlockMemory memory;
  std::optional<OracleCounts> oracle{};
};

// Pairs a tick while all threads were at work; nullopt when they never were. Each element: one
// thread's batches, in their order.
std::optional<double> common_rate(const std::vector<std::span<const BatchTimes>>& threads,
                                  unsigned pairs_per_batch);

class AllocFreeMeasurement {
 public:
  // Builds the rivals' allocators, starts the threads and warms up. nullptr, with one line in
  // *error.
  static std::unique_ptr<AllocFreeMeasurement> prepare(const AllocFreeGroup& group,
                                                       const MeasuringContext& context,
                                                       std::string* error);

  // One repetition: a result for each rival, in their order. Empty, with one line in *error, when
  // stop was set.
  std::vector<AllocFreeResult> measure(std::string* error);

  // After measure(): the rival's counters, thread by thread, beside the rows of its times.
  std::vector<CounterRow> take_counter_rows(std::size_t rival, const AllocFreeResult& result,
                                            const std::vector<MeasurementRow>& rows);

  MemorySample memory() const;
  std::size_t rivals() const { return stripes_.size(); }
  Stripes& stripes(std::size_t rival) { return *stripes_[rival]; }

 private:
  struct Window;

  AllocFreeMeasurement(const AllocFreeGroup& group, const MeasuringContext& context);
  std::vector<AllocFreeResult> empty_results() const;
  void take_turn(std::size_t rival, unsigned samples, AllocFreeResult* result);
  void run_window(std::size_t rival, unsigned samples, bool single, AllocFreeResult* result);
  void work(Window& window, unsigned thread);
  void flush(Window& window);
  void add_window(const Window& window, AllocFreeResult* result) const;
  void count_migrations(std::vector<AllocFreeResult>* results, bool begin);

  const AllocFreeGroup group_;
  MeasuringContext context_;
  TurnOrder order_;  // goes on from repetition to repetition
  unsigned batch_pairs_;
  std::vector<std::unique_ptr<Stripes>> stripes_;         // by rival
  std::vector<std::optional<std::uint64_t>> migrations_;  // by thread, when the repetition began
  TeamCounters counters_;
  std::unique_ptr<WorkerTeam> team_;  // last: its threads end before what they use goes
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_ALLOC_FREE_ALLOC_FREE_MEASUREMENT_H_
