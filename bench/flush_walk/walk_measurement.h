// Walk measurement: takes the samples of one group of cases, its walks in turn.
//
// A repetition takes `samples` flushes of each walk over the same load in turns (turn_order.h), so
// that a drift of the machine meets all alike: A B B A B A A B. Where CPUs are interrupted the
// letters stand for batches of ten flushes, and the kernel's TLB row is read around each batch, so
// that it tells the walks apart. All that is set-up or book-keeping stands outside of the timed
// part (timed_flush.h). Where the parts of a flush are asked for alone, each letter's are taken
// right after it: the walk without a shootdown, and the shootdown of what an untimed walk has
// gathered.
#ifndef FLUSHWALK_BENCH_FLUSH_WALK_WALK_MEASUREMENT_H_
#define FLUSHWALK_BENCH_FLUSH_WALK_WALK_MEASUREMENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "allocator/flush_plan.h"
#include "bench/flush_walk/load.h"
#include "bench/flush_walk/timed_flush.h"
#include "bench/flush_walk/walk_axes.h"
#include "bench/support/case_counters.h"
#include "bench/support/case_group.h"
#include "bench/support/clock.h"
#include "bench/support/gap_matching.h"
#include "bench/support/oracle_counts.h"
#include "bench/support/proof.h"
#include "bench/support/responders.h"
#include "bench/support/statistics.h"
#include "bench/support/turn_order.h"

namespace flushwalk {

// A part of a flush by itself, in turn with whole flushes.
struct PartAlone : Proof {
  explicit PartAlone(std::size_t samples) : time(samples) {}

  SampleBuffer<Ticks> time;
};

// One walk in one repetition.
struct WalkResult : Proof {
  explicit WalkResult(std::size_t samples) : flush(samples), walk(samples), shootdown(samples) {}

  SampleBuffer<Ticks> flush;
  SampleBuffer<Ticks> walk;       // of the same flushes
  SampleBuffer<Ticks> shootdown;  // flush = walk + shootdown
  FlushReport report;             // of one flush: they are all alike
  std::uint64_t ranges = 0;
  std::uint64_t hull_pages = 0;
  std::uint64_t calls = 0;  // of one flush
  std::uint64_t stale_slots = 0;
  std::optional<OracleCounts> oracle{};
  std::optional<PartAlone> walk_alone{};
  std::optional<PartAlone> shootdown_alone{};
};

class WalkMeasurement {
 public:
  // Builds the load and starts the responders. nullptr, with one line in *error.
  static std::unique_ptr<WalkMeasurement> prepare(const WalkGroup& group,
                                                  const MeasuringContext& context,
                                                  std::string* error);

  // One repetition: a result for each walk of the group, in its order. Empty, with one line in
  // *error, when a flush failed or stop was set.
  std::vector<WalkResult> measure(std::string* error);

  // After measure(): the walk's counters, beside the rows of its times.
  std::vector<CounterRow> take_counter_rows(std::size_t walk, const WalkResult& result,
                                            const std::vector<MeasurementRow>& rows);

  MemorySample memory() const;
  std::uint64_t listed_blocks() const { return load_->listed_blocks(); }
  std::uint64_t dirty_blocks() const { return load_->dirty_blocks(); }

 private:
  struct Sampling;

  WalkMeasurement(const WalkGroup& group, const MeasuringContext& context);
  int warm_up();
  bool take_batch(std::size_t walk, unsigned flushes, Sampling* sampling, std::string* error);
  bool take_sample(std::size_t walk, Sampling* sampling, std::string* error);
  bool take_parts(std::size_t walk, unsigned flushes, Sampling* sampling, std::string* error);
  bool take_part(std::size_t walk, bool is_walk, Sampling* sampling, std::string* error);
  bool make_ready(std::string* error);
  void match(const Sampling& sampling, std::vector<WalkResult>* results) const;

  WalkGroup group_;
  MeasuringContext context_;
  TurnOrder order_;  // goes on from repetition to repetition
  bool interrupts_;  // the backend does, and there is somebody to be interrupted
  std::unique_ptr<Load> load_;
  std::unique_ptr<Responders> responders_;  // null without any
  std::optional<CaseCounters> counters_;    // once there are responders
  FlushPlan plan_{Gather::hull};            // of the load, once there is one
  std::vector<std::uint64_t> stale_slots_;  // by walk
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_FLUSH_WALK_WALK_MEASUREMENT_H_
