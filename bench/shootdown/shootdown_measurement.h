// Shootdown measurement: takes the samples of one group of cases, its arms in turn.
//
// A repetition takes `samples` operations of each arm, there and back, in batches of ten, with the
// kernel's TLB row read around each. A batch begins with an operation that is not timed. Operations
// begin at the group's rate at most; between them, untimed, the last one is undone and its pages
// are written, and responders with a working set have the time to go over it twice.
//
// What one operation did to each responder is judged afterwards (operation_proof.h), and the times
// of proven ones are separated from the others'.
#ifndef FLUSHWALK_BENCH_SHOOTDOWN_SHOOTDOWN_MEASUREMENT_H_
#define FLUSHWALK_BENCH_SHOOTDOWN_SHOOTDOWN_MEASUREMENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/shootdown/operation_proof.h"
#include "bench/shootdown/responder_crew.h"
#include "bench/shootdown/shootdown_axes.h"
#include "bench/shootdown/single_threaded.h"
#include "bench/shootdown/target.h"
#include "bench/shootdown/timed_operation.h"
#include "bench/support/case_counters.h"
#include "bench/support/case_group.h"
#include "bench/support/proof.h"
#include "bench/support/statistics.h"
#include "bench/support/turn_order.h"

namespace flushwalk {

// One arm in one repetition.
struct ArmResult : Proof {
  explicit ArmResult(std::size_t samples) : times(samples) {}

  SampleBuffer<Ticks> times;  // of every operation
  // The same operations; each makes no calls where nothing should be interrupted.
  std::vector<ShootdownWindow> operations;
  // From a batch's first operation until the next one after it might begin; calls: operations.
  std::vector<ShootdownWindow> batches;
  std::uint64_t calls = 0;  // of one operation

  // By responder.
  struct Seen {
    std::uint64_t unproven = 0;
    std::uint64_t away = 0;
    std::uint64_t ran_on = 0;
    std::uint64_t too_long = 0;
    std::uint64_t stray = 0;
    std::string why_unproven;
    std::vector<double> cpu_lost;  // shares_lost(); empty where no clock tells
  };
  std::vector<Seen> seen;
  // Whether each responder was seen to be interrupted, by operation; empty where none should be.
  std::vector<bool> proven;
};

class ShootdownMeasurement : public Measurement {
 public:
  static std::unique_ptr<ShootdownMeasurement> prepare(const ShootdownGroup& group,
                                                       const MeasuringContext& context,
                                                       std::string* error);

  std::vector<CaseOutcome> measure(unsigned repetition, std::string* error) override;
  // The pages of all targets, which it makes ready for that.
  MemorySample memory() const override;
  // The same, before it becomes rows: a result for each arm, in the group's order.
  std::vector<ArmResult> sample(std::string* error);
  // Of the last sample(): for tests, which judge again.
  std::span<const Gap> gaps(std::size_t responder) const { return crew_->gaps(responder); }

 private:
  struct Rival {
    Operation operation;
    bool interrupts;                         // this process's responders, and they tell
    std::unique_ptr<Target> target;          // one of the two
    std::unique_ptr<SingleThreaded> single;  // ...
  };

  ShootdownMeasurement(const ShootdownGroup& group, const MeasuringContext& context);
  bool start_processes(std::string* error);
  bool make_targets(std::string* error);
  bool warm_up(std::string* error);
  bool are_huge(std::string* error);
  bool take_all(std::vector<ArmResult>* results, std::string* error);
  bool take_batch(std::size_t rival, unsigned samples, ArmResult* result, std::string* error);
  bool take_here(std::size_t rival, unsigned samples, ArmResult* result, std::string* error);
  bool take_single(std::size_t rival, unsigned samples, ArmResult* result, std::string* error);
  bool tlb_row_tells(Operation operation) const;
  int take_sample(std::size_t rival, ArmResult* result, Ticks* next);
  void judge(ArmResult* result) const;

  ShootdownGroup group_;
  MeasuringContext context_;
  TurnOrder order_;            // goes on from repetition to repetition
  Ticks period_;               // from one operation's begin to the next one's, at least
  Ticks rounds_;               // two rounds over a working set, at most
  std::vector<Rival> rivals_;  // as the group's arms
  std::unique_ptr<ResponderCrew> crew_;
  std::optional<CaseCounters> counters_;  // once there are responders
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SHOOTDOWN_SHOOTDOWN_MEASUREMENT_H_
