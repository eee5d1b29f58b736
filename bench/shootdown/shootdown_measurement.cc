#include "bench/shootdown/shootdown_measurement.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "bench/shootdown/shootdown_rows.h"

namespace flushwalk {
namespace {

constexpr unsigned kWarmUps = 2;
// More than a responder takes for a turn of its loop with a page walk in it.
constexpr double kSlowestTurnNs = 100;

std::string why_failed(Operation operation, int failed) {
  return fmt::format("{}: {}: {}", name_of(operation), call_of(operation), std::strerror(failed));
}

Ticks period_of(const ShootdownGroup& group, const Clock& clock) {
  return group.rate == 0 ? 0 : clock.ns_to_ticks(1e9 / group.rate);
}

}  // namespace

ShootdownMeasurement::ShootdownMeasurement(const ShootdownGroup& group,
                                           const MeasuringContext& context)
    : group_(group),
      context_(context),
      order_(context.seed, group.arms.size()),
      period_(period_of(group, context.clock)),
      rounds_(context.clock.ns_to_ticks(kSlowestTurnNs * 2 * group.working_set)) {}

std::unique_ptr<ShootdownMeasurement> ShootdownMeasurement::prepare(const ShootdownGroup& group,
                                                                    const MeasuringContext& context,
                                                                    std::string* error) {
  std::unique_ptr<ShootdownMeasurement> made(new ShootdownMeasurement(group, context));
  try {
    if (!made->start_processes(error) || !made->make_targets(error) || !made->warm_up(error)) {
      return nullptr;
    }
  } catch (const std::bad_alloc&) {
    *error = fmt::format("no memory for {} samples", context.samples);
    return nullptr;
  }
  return made;
}

// Processes first: they are forked while there is one thread, and no page to share.
bool ShootdownMeasurement::start_processes(std::string* error) {
  std::size_t calls = 0;
  for (const Arm arm : group_.arms) {
    Rival& rival = rivals_.emplace_back();
    rival.operation = operation_of(group_.operation, arm);
    rival.interrupts = interrupts(group_.operation, arm) && is_interrupted(group_.activity);
    calls += rival.operation == Operation::dontneed_loop ? group_.pages : 2;
    if (arm == Arm::single_threaded) {
      rival.single = SingleThreaded::start(group_.target(arm), context_.clock, period_, error);
      if (rival.single == nullptr) {
        return false;
      }
    }
  }
  // A batch has an operation more.
  const std::size_t gaps = gaps_to_keep(2 * context_.samples * calls);
  crew_ = ResponderCrew::start({group_.activity, group_.working_set, rivals_.size(), gaps},
                               context_, error);
  if (crew_ != nullptr) {
    counters_.emplace(context_.counters, crew_->counting(), rivals_.size());
  }
  return crew_ != nullptr;
}

bool ShootdownMeasurement::make_targets(std::string* error) {
  for (std::size_t i = 0; i < rivals_.size(); ++i) {
    if (rivals_[i].single == nullptr) {
      rivals_[i].target = Target::build(group_.target(group_.arms[i]), error);
      if (rivals_[i].target == nullptr) {
        return false;
      }
    }
  }
  return true;
}

// Nobody counts yet, and the responders sleep.
bool ShootdownMeasurement::warm_up(std::string* error) {
  for (const Rival& rival : rivals_) {
    for (unsigned i = 0; i < kWarmUps; ++i) {
      if (rival.single != nullptr) {
        if (rival.single->take(1, error).empty()) {
          return false;
        }
        continue;
      }
      int failed = rival.target->make_ready();
      failed = failed != 0 ? failed : rival.target->operate();
      if (failed != 0) {
        *error = why_failed(rival.operation, failed);
        return false;
      }
    }
  }
  return true;
}

std::vector<ArmResult> ShootdownMeasurement::sample(std::string* error) {
  std::vector<ArmResult> results;
  for (const Rival& rival : rivals_) {
    ArmResult& result = results.emplace_back(context_.samples);
    result.operations.reserve(context_.samples);
    result.batches.reserve(context_.samples / kSamplesPerBatch + 1);
    result.calls = rival.target != nullptr ? rival.target->calls() : 1;
  }
  if (!are_huge(error)) {
    return {};
  }
  counters_->begin_repetition();
  if (!crew_->run(error)) {
    return {};
  }
  const ThreadCounts before = thread_counts_before();
  const bool taken = take_all(&results, error);
  const ThreadCounts counts = thread_counts_after() - before;
  // Also after a failure: what was said first is what counts.
  std::string other;
  if (!crew_->pause(taken ? error : &other) || !taken) {
    return {};
  }
  for (ArmResult& result : results) {
    result.migrations = counts.migrations;
    judge(&result);
  }
  return results;
}

// Where they should be: each repetition, for the kernel may have run out of them.
bool ShootdownMeasurement::are_huge(std::string* error) {
  for (const Rival& rival : rivals_) {
    if (rival.target == nullptr || group_.page_size != PageSize::huge) {
      continue;
    }
    if (const int failed = rival.target->make_ready(); failed != 0) {
      *error = why_failed(rival.operation, failed);
      return false;
    }
    *error = rival.target->why_not_huge();
    if (!error->empty()) {
      return false;
    }
  }
  return true;
}

bool ShootdownMeasurement::take_all(std::vector<ArmResult>* results, std::string* error) {
  for (unsigned taken = 0; taken < context_.samples;
       taken += kSamplesPerBatch, order_.next_turn()) {
    const unsigned samples = std::min(kSamplesPerBatch, context_.samples - taken);
    for (std::size_t i = 0; i < rivals_.size(); ++i) {
      const std::size_t rival = order_[i];
      if (!take_batch(rival, samples, &(*results)[rival], error)) {
        return false;
      }
    }
  }
  return true;
}

bool ShootdownMeasurement::take_batch(std::size_t which, unsigned samples, ArmResult* result,
                                      std::string* error) {
  if (context_.stop.load(std::memory_order_relaxed)) {
    *error = "interrupted";
    return false;
  }
  return rivals_[which].single != nullptr ? take_single(which, samples, result, error)
                                          : take_here(which, samples, result, error);
}

bool ShootdownMeasurement::take_here(std::size_t which, unsigned samples, ArmResult* result,
                                     std::string* error) {
  Rival& rival = rivals_[which];
  int failed = rival.target->make_ready();
  failed = failed != 0 ? failed : rival.target->operate();
  Ticks next = context_.clock.now() + period_;
  const TlbBatch tlb(context_.placement.responders, tlb_row_tells(rival.operation));
  counters_->begin_batch(rival.interrupts);
  for (unsigned i = 0; failed == 0 && i < samples; ++i) {
    failed = take_sample(which, result, &next);
  }
  wait_until(context_.clock, next);
  const Ticks end = context_.clock.now();
  counters_->end_batch(which);
  tlb.end(result);
  if (failed != 0) {
    *error = why_failed(rival.operation, failed);
    return false;
  }
  const Ticks begin = result->operations[result->operations.size() - samples].begin;
  result->batches.push_back({begin, end, samples});
  return true;
}

// Also where nothing should be shot down: then it shows that nothing was.
bool ShootdownMeasurement::tlb_row_tells(Operation operation) const {
  return tlb_row_counts(context_.mechanism) && operation != Operation::membarrier &&
         group_.responders != 0;
}

// 0 or errno.
int ShootdownMeasurement::take_sample(std::size_t which, ArmResult* result, Ticks* next) {
  Rival& rival = rivals_[which];
  int failed = rival.target->make_ready();
  if (failed != 0) {
    return failed;
  }
  wait_until(context_.clock, *next);
  counters_->begin_responders(which);
  const Usage before = read_usage();
  counters_->begin(which);
  const OperationTimes times = timed_operation(context_.clock, *rival.target, &failed);
  counters_->end();
  const Usage after = read_usage();
  // An order would cut off the responders' rounds over their pages.
  wait_until(context_.clock, times.end + rounds_);
  counters_->end_responders();
  if (failed != 0) {
    return failed;
  }
  *next = times.begin + period_;
  result->context_switches += after.switches - before.switches;
  result->page_faults += after.faults - before.faults;
  result->times.push(times.end - times.begin);
  const std::uint64_t calls = rival.interrupts ? result->calls : 0;
  result->expected += calls * group_.responders;
  result->operations.push_back({times.begin, times.end, calls});
  return 0;
}

bool ShootdownMeasurement::take_single(std::size_t which, unsigned samples, ArmResult* result,
                                       std::string* error) {
  const TlbBatch tlb(context_.placement.responders, tlb_row_tells(rivals_[which].operation));
  const auto taken = rivals_[which].single->take(samples, error);
  const Ticks end = context_.clock.now();
  tlb.end(result);
  for (const SingleThreaded::Sample& sample : taken) {
    result->context_switches += sample.switches;
    result->page_faults += sample.faults;
    result->times.push(sample.end - sample.begin);
    result->operations.push_back({sample.begin, sample.end, 0});
  }
  if (taken.empty()) {
    *error =
        fmt::format("{} in a process of one thread: {}", name_of(rivals_[which].operation), *error);
    return false;
  }
  result->batches.push_back({taken.front().begin, end, samples});
  return true;
}

void ShootdownMeasurement::judge(ArmResult* result) const {
  const bool interrupted = result->expected != 0;
  result->seen.resize(group_.responders);
  result->proven.assign(interrupted ? result->operations.size() : 0, true);
  for (std::size_t i = 0; i < group_.responders; ++i) {
    ArmResult::Seen& seen = result->seen[i];
    ResponderResult& responder = result->responders[i];
    const auto gaps = crew_->gaps(i);
    responder.counts = crew_->counts(i);
    responder.lost_gaps = crew_->lost_gaps(i);
    if (is_interrupted(group_.activity)) {
      seen.cpu_lost = shares_lost(result->batches, gaps, proof_limits(context_.clock).longest_rest);
    }
    if (!interrupted) {
      seen.stray = count_stray(result->operations, gaps);
      continue;
    }
    OperationVerdicts verdicts =
        judge_operations(result->operations, gaps, proof_limits(context_.clock));
    seen.away = verdicts.count(Verdict::away);
    seen.ran_on = verdicts.count(Verdict::ran_on);
    seen.too_long = verdicts.count(Verdict::too_long);
    seen.unproven = seen.away + seen.ran_on + seen.too_long;
    seen.why_unproven = why_unproven(verdicts, responder.cpu, responder.counts, context_.mechanism);
    for (std::size_t each = 0; each < verdicts.verdicts.size(); ++each) {
      result->proven[each] = result->proven[each] && verdicts.verdicts[each] == Verdict::proven;
    }
    responder.proven = verdicts.proven;
    responder.exact = verdicts.exact;
    responder.stalls = std::move(verdicts.stalls);
    responder.first_rounds = std::move(verdicts.first_rounds);
    responder.second_rounds = std::move(verdicts.second_rounds);
  }
}

MemorySample ShootdownMeasurement::memory() const {
  MemorySample sample;
  for (const Rival& rival : rivals_) {
    if (rival.target != nullptr && rival.target->make_ready() == 0) {
      sample.add(rival.target->page_addresses());
    }
  }
  return sample;
}

std::vector<CaseOutcome> ShootdownMeasurement::measure(unsigned repetition, std::string* error) {
  std::vector<ArmResult> results = sample(error);
  std::vector<CaseOutcome> outcomes;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Rival& rival = rivals_[i];
    ArmResult& result = results[i];
    outcomes.push_back(make_shootdown_outcome({group_, context_.placement, context_.clock},
                                              group_.arms[i], repetition, &result));
    if (rival.single == nullptr) {
      const std::uint64_t operations = result.operations.size();
      outcomes.back().counter_rows =
          counters_->take_rows(i,
                               {.operation = "operation",
                                .operations = operations,
                                .shootdowns = rival.interrupts ? operations * result.calls : 0},
                               outcomes.back().rows);
    }
  }
  return outcomes;
}

}  // namespace flushwalk
