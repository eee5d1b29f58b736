// Series measurement: takes the samples of one group of cases, its revisions in turn.
//
// A repetition takes `samples` rounds of the workload under each revision, there and back, as
// flush_walk_bench does with its walks; where CPUs are interrupted in batches of ten, with the
// kernel's TLB row read around each. A sample is the timed part of a round. Every round of a case
// must do the same work as its first one: where it did not, the rows say so and are invalid.
//
// Where a shootdown is real, memory stands behind the addresses, of which the first page of each
// range that any revision flushes was touched: every flush has something to take from a TLB, and
// little to look at beside it.
#ifndef FLUSHWALK_BENCH_PATCH_SERIES_SERIES_MEASUREMENT_H_
#define FLUSHWALK_BENCH_PATCH_SERIES_SERIES_MEASUREMENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "allocator/arena.h"
#include "allocator/shootdown.h"
#include "bench/patch_series/round.h"
#include "bench/patch_series/series_axes.h"
#include "bench/support/case_counters.h"
#include "bench/support/case_group.h"
#include "bench/support/oracle_counts.h"
#include "bench/support/proof.h"
#include "bench/support/responders.h"
#include "bench/support/statistics.h"
#include "bench/support/turn_order.h"

namespace flushwalk {

// One revision in one repetition.
struct SeriesResult : Proof {
  explicit SeriesResult(std::size_t samples) : round(samples), flush(samples) {}

  SampleBuffer<Ticks> round;
  SampleBuffer<Ticks> flush;  // of the same rounds; empty where the workload does not flush
  RoundCounts counts;         // of one round: they are all alike
  std::uint64_t stale_slots = 0;
  std::uint64_t calls = 0;   // of one round
  std::uint64_t unlike = 0;  // rounds that did other work
  std::optional<OracleCounts> oracle{};
};

class SeriesMeasurement : public Measurement {
 public:
  static std::unique_ptr<SeriesMeasurement> prepare(const SeriesGroup& group,
                                                    const MeasuringContext& context,
                                                    std::string* error);

  std::vector<CaseOutcome> measure(unsigned repetition, std::string* error) override;
  MemorySample memory() const override;
  // The same, before it becomes rows: a result for each revision, in the group's order.
  std::vector<SeriesResult> sample(std::string* error);

 private:
  struct Rival {
    Sequence sequence;
    Survey survey;
    std::unique_ptr<Rounds> rounds;
  };
  struct Sampling;

  SeriesMeasurement(const SeriesGroup& group, const MeasuringContext& context);
  bool make_rivals(std::string* error);
  bool start_responders(std::string* error);
  bool warm_up(std::string* error);
  CaseWork work_of(const SeriesResult& result) const;
  bool take_batch(std::size_t rival, unsigned samples, Sampling* sampling, std::string* error);
  bool take_sample(std::size_t rival, Sampling* sampling, std::string* error);

  SeriesGroup group_;
  MeasuringContext context_;
  TurnOrder order_;  // goes on from repetition to repetition
  bool interrupts_;  // the backend does, and there is somebody to be interrupted
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<Shootdown> backend_;
  std::unique_ptr<RoundShootdown> shootdown_;  // null: none
  std::vector<Rival> rivals_;                  // by revision
  std::vector<Address> touched_;
  std::unique_ptr<Responders> responders_;  // null without any
  std::optional<CaseCounters> counters_;    // once there are responders
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_PATCH_SERIES_SERIES_MEASUREMENT_H_
