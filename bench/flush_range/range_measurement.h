// Range measurement: takes the samples of one group of cases, its gathers and codes in turn.
//
// A repetition takes `samples` flushes of each rival, there and back, as flush_walk_bench does with
// its walks: in batches of ten, with the kernel's TLB row read around each. A batch begins with a
// flush that is not timed: the rival before has left its own data in the caches, and a long array
// more of it than a hull. Before each flush, untimed: access comes back where the backend takes it
// away, what it wants touched is touched, and the working set is read twice, behind which there is
// no system call but the flush's and, where counters are wanted, those that switch them on. After
// it, where there are responders and a working set, the initiator waits until they have read theirs
// twice.
#ifndef FLUSHWALK_BENCH_FLUSH_RANGE_RANGE_MEASUREMENT_H_
#define FLUSHWALK_BENCH_FLUSH_RANGE_RANGE_MEASUREMENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/flush_range/by_hand.h"
#include "bench/flush_range/dirty_space.h"
#include "bench/flush_range/range_axes.h"
#include "bench/support/case_counters.h"
#include "bench/support/case_group.h"
#include "bench/support/proof.h"
#include "bench/support/responders.h"
#include "bench/support/statistics.h"
#include "bench/support/turn_order.h"
#include "bench/support/working_set.h"

namespace flushwalk {

// One rival in one repetition.
struct RangeResult : Proof {
  explicit RangeResult(std::size_t samples) : shootdown(samples), read(samples), again(samples) {}

  SampleBuffer<Ticks> shootdown;
  // The working set after the same flushes; empty where there is none.
  SampleBuffer<Ticks> read;
  SampleBuffer<Ticks> again;
  // Of one flush.
  std::uint64_t calls = 0;
  std::uint64_t ranges = 0;
  std::uint64_t flushed_pages = 0;
  std::uint64_t hull_pages = 0;
  std::uint64_t blocks = 0;
};

class RangeMeasurement : public Measurement {
 public:
  static std::unique_ptr<RangeMeasurement> prepare(const RangeGroup& group,
                                                   const MeasuringContext& context,
                                                   std::string* error);

  std::vector<CaseOutcome> measure(unsigned repetition, std::string* error) override;
  MemorySample memory() const override;
  // The same, before it becomes rows: a result for each rival, in the group's order.
  std::vector<RangeResult> sample(std::string* error);

 private:
  struct Rival {
    DirtySpace* space;
    FlushPlan plan;
    std::optional<ByHand> by_hand;  // nullopt: the suite's
  };
  struct Sampling;

  RangeMeasurement(const RangeGroup& group, const MeasuringContext& context);
  bool make_rivals(std::string* error);
  bool start_responders(std::string* error);
  bool warm_up(std::string* error);
  bool take_batch(std::size_t rival, unsigned samples, Sampling* sampling, std::string* error);
  bool untimed_flush(std::size_t rival, std::string* error);
  bool take_sample(std::size_t rival, Sampling* sampling, std::string* error);
  int restore(Rival* rival) const;
  int settle(Rival* rival) const;
  void wait_for_responders() const;
  std::uint64_t calls_of(const Rival& rival) const;

  RangeGroup group_;
  MeasuringContext context_;
  TurnOrder order_;  // goes on from repetition to repetition
  bool interrupts_;  // the backend does, and there is somebody to be interrupted
  std::unique_ptr<DirtySpace> for_one_range_;  // null where no rival has it
  std::unique_ptr<DirtySpace> for_arrays_;
  std::unique_ptr<WorkingSet> working_set_;
  std::unique_ptr<WorkingSet> to_read_;     // of responders where the working set is empty
  std::vector<Rival> rivals_;               // as in the group
  std::unique_ptr<Responders> responders_;  // null without any
  std::optional<CaseCounters> counters_;    // once there are responders
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_FLUSH_RANGE_RANGE_MEASUREMENT_H_
