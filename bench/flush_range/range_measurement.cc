#include "bench/flush_range/range_measurement.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "allocator/spin_lock.h"
#include "bench/flush_range/range_rows.h"
#include "bench/flush_range/timed_ranges.h"

namespace flushwalk {
namespace {

constexpr std::size_t kPagesToRead = 16;
// Flushes after which a backend's book-keeping has been as large as it gets: there and back.
constexpr unsigned kWarmUps = 2;
// More than a responder takes for a turn of its loop with a page walk in it.
constexpr double kSlowestTurnNs = 100;

}  // namespace

// The state of one repetition.
struct RangeMeasurement::Sampling {
  std::vector<RangeResult> results;                   // by rival
  std::vector<std::vector<ShootdownWindow>> windows;  // by rival
};

RangeMeasurement::RangeMeasurement(const RangeGroup& group, const MeasuringContext& context)
    : group_(group),
      context_(context),
      order_(context.seed, group.rivals.size()),
      interrupts_(interrupts(group.shootdown) && group.responders != 0) {}

std::unique_ptr<RangeMeasurement> RangeMeasurement::prepare(const RangeGroup& group,
                                                            const MeasuringContext& context,
                                                            std::string* error) {
  std::unique_ptr<RangeMeasurement> made(new RangeMeasurement(group, context));
  try {
    if (!made->make_rivals(error) || !made->start_responders(error)) {
      return nullptr;
    }
    const std::size_t rivals = group.rivals.size();
    made->counters_.emplace(nullptr, nullptr, rivals);  // nobody counts what warms up
    if (!made->warm_up(error)) {
      return nullptr;
    }
    made->counters_.emplace(context.counters, made->responders_.get(), rivals);
  } catch (const std::bad_alloc&) {
    *error = fmt::format("no memory for {} ranges", group.shape.ranges);
    return nullptr;
  }
  return made;
}

bool RangeMeasurement::make_rivals(std::string* error) {
  for (const RangeRival& wanted : group_.rivals) {
    const bool array = is_array(wanted.gather);
    std::unique_ptr<DirtySpace>& space = array ? for_arrays_ : for_one_range_;
    if (space == nullptr) {
      space = DirtySpace::build(group_.shape, group_.shootdown, array, error);
      if (space == nullptr) {
        return false;
      }
    }
    Rival rival{space.get(), space->plan(wanted.gather), std::nullopt};
    if (wanted.code == Code::by_hand) {
      rival.by_hand.emplace(group_.shootdown, space->arena());
    }
    rivals_.push_back(std::move(rival));
  }
  working_set_ = WorkingSet::create(group_.working_set, error);
  return working_set_ != nullptr;
}

bool RangeMeasurement::start_responders(std::string* error) {
  if (group_.responders == 0) {
    return true;
  }
  if (group_.working_set == 0) {
    to_read_ = WorkingSet::create(kPagesToRead, error);
    if (to_read_ == nullptr) {
      return false;
    }
  }
  std::size_t ranges = 0;
  for (const Rival& rival : rivals_) {
    // A batch has a flush more, and its settle.
    ranges += 2 * rival.plan.ranges().size() + 1;
  }
  responders_ = Responders::start(context_.machine, context_.placement.responders, context_.clock,
                                  (to_read_ != nullptr ? to_read_ : working_set_)->bytes(),
                                  gaps_to_keep(context_.samples * ranges), error, context_.counters,
                                  rivals_.size());
  return responders_ != nullptr;
}

bool RangeMeasurement::warm_up(std::string* error) {
  Sampling sampling;
  for (std::size_t i = 0; i < rivals_.size(); ++i) {
    sampling.results.emplace_back(kWarmUps);
    sampling.windows.emplace_back().reserve(kWarmUps);
    if (!take_batch(i, kWarmUps, &sampling, error)) {
      return false;
    }
  }
  return true;
}

std::vector<RangeResult> RangeMeasurement::sample(std::string* error) {
  Sampling sampling;
  for (std::size_t i = 0; i < rivals_.size(); ++i) {
    sampling.results.emplace_back(context_.samples);
    sampling.windows.emplace_back().reserve(context_.samples);
  }
  counters_->begin_repetition();
  if (responders_ != nullptr) {
    responders_->run();
  }
  const ThreadCounts before = thread_counts_before();
  const unsigned batch = interrupts_ ? kSamplesPerBatch : 1;
  bool ok = true;
  for (unsigned taken = 0; ok && taken < context_.samples; taken += batch, order_.next_turn()) {
    const unsigned samples = std::min(batch, context_.samples - taken);
    for (std::size_t i = 0; ok && i < rivals_.size(); ++i) {
      ok = take_batch(order_[i], samples, &sampling, error);
    }
  }
  const ThreadCounts counts = thread_counts_after() - before;
  if (responders_ != nullptr) {
    responders_->pause();
  }
  if (!ok) {
    return {};
  }
  for (std::size_t i = 0; i < rivals_.size(); ++i) {
    sampling.results[i].migrations = counts.migrations;
    if (responders_ != nullptr) {
      match_responders(*responders_, sampling.windows[i], context_.clock, &sampling.results[i]);
    }
  }
  return std::move(sampling.results);
}

bool RangeMeasurement::take_batch(std::size_t rival, unsigned samples, Sampling* sampling,
                                  std::string* error) {
  if (!untimed_flush(rival, error)) {
    return false;
  }
  const bool in_tlb_row = interrupts_ && flushes_tlb(group_.shootdown);
  const TlbBatch tlb(context_.placement.responders,
                     in_tlb_row && tlb_row_counts(context_.mechanism));
  counters_->begin_batch(interrupts_);
  for (unsigned i = 0; i < samples; ++i) {
    if (context_.stop.load(std::memory_order_relaxed)) {
      *error = "interrupted";
      return false;
    }
    if (!take_sample(rival, sampling, error)) {
      return false;
    }
  }
  counters_->end_batch(rival);
  tlb.end(&sampling->results[rival]);
  // The next rival finds the space as this one did.
  int failed = restore(&rivals_[rival]);
  failed = failed != 0 ? failed : settle(&rivals_[rival]);
  if (failed != 0) {
    *error =
        fmt::format("{}: between flushes: {}", name_of(group_.shootdown), std::strerror(failed));
  }
  return failed == 0;
}

bool RangeMeasurement::untimed_flush(std::size_t which, std::string* error) {
  Rival& rival = rivals_[which];
  int failed = restore(&rival);
  if (failed == 0) {
    failed = rival.by_hand ? rival.by_hand->flush(rival.plan.ranges())
                           : rival.space->shootdown().flush(rival.plan.ranges());
  }
  if (failed != 0) {
    *error = fmt::format("{}: {}", name_of(group_.shootdown), std::strerror(failed));
  }
  return failed == 0;
}

bool RangeMeasurement::take_sample(std::size_t which, Sampling* sampling, std::string* error) {
  Rival& rival = rivals_[which];
  RangeResult& result = sampling->results[which];
  const std::span<const Range> ranges = rival.plan.ranges();
  int failed = restore(&rival);
  if (failed != 0) {
    *error =
        fmt::format("{}: restoring access: {}", name_of(group_.shootdown), std::strerror(failed));
    return false;
  }
  const std::uint64_t calls_before = rival.space->shootdown().calls();
  counters_->begin_responders(which);
  const Usage before = read_usage();
  working_set_->read();
  working_set_->read();
  counters_->begin(which);
  const RangeTimes times =
      rival.by_hand
          ? timed_ranges(context_.clock, *rival.by_hand, ranges, *working_set_, &failed)
          : timed_ranges(context_.clock, rival.space->shootdown(), ranges, *working_set_, &failed);
  counters_->end();
  const Usage after = read_usage();
  // Orders would cut off the responders' rounds.
  wait_for_responders();
  counters_->end_responders();
  if (failed != 0) {
    *error = fmt::format("{}: {}", name_of(group_.shootdown), std::strerror(failed));
    return false;
  }
  result.calls = rival.by_hand ? calls_of(rival) : rival.space->shootdown().calls() - calls_before;
  result.context_switches += after.switches - before.switches;
  result.page_faults += after.faults - before.faults;
  result.shootdown.push(times.flushed - times.begin);
  if (group_.working_set != 0) {
    result.read.push(times.read - times.flushed);
    result.again.push(times.again - times.read);
  }
  if (interrupts_) {
    result.expected += result.calls * responders_->size();
    sampling->windows[which].push_back({times.begin, times.flushed, result.calls});
  }
  return true;
}

// Access where it was taken away, and touched pages where the backend wants them.
int RangeMeasurement::restore(Rival* rival) const {
  int failed = 0;
  if (revokes(group_.shootdown)) {
    if (rival->by_hand) {
      failed = rival->by_hand->restore(rival->plan.ranges());
    } else {
      for (const Range& range : rival->plan.ranges()) {
        failed = failed != 0 ? failed : rival->space->shootdown().map(range);
      }
    }
  }
  if (failed == 0 && wants_touched_pages(group_.shootdown)) {
    rival->space->touch();
  }
  return failed;
}

int RangeMeasurement::settle(Rival* rival) const {
  return rival->by_hand ? rival->by_hand->settle(rival->plan.ranges())
                        : rival->space->shootdown().settle();
}

// Their two rounds after a flush are cut off by the next one.
void RangeMeasurement::wait_for_responders() const {
  if (!interrupts_ || group_.working_set == 0) {
    return;
  }
  const Ticks turns = context_.clock.ns_to_ticks(kSlowestTurnNs * 2 * group_.working_set);
  const Ticks begin = context_.clock.now();
  while (context_.clock.now() - begin < turns) {
    cpu_relax();
  }
}

// By hand nobody counts; the loop makes one call a range.
std::uint64_t RangeMeasurement::calls_of(const Rival& rival) const {
  return group_.shootdown == ShootdownKind::membarrier ? 1 : rival.plan.ranges().size();
}

MemorySample RangeMeasurement::memory() const {
  MemorySample sample;
  sample.add(working_set_->bytes());
  for (const Rival& rival : rivals_) {
    // What a revoking backend has taken away is on no node for now.
    sample.add(rival.space->touched_pages());
  }
  return sample;
}

std::vector<CaseOutcome> RangeMeasurement::measure(unsigned repetition, std::string* error) {
  std::vector<RangeResult> results = sample(error);
  std::vector<CaseOutcome> outcomes;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const FlushPlan& plan = rivals_[i].plan;
    RangeResult& result = results[i];
    result.ranges = plan.ranges().size();
    for (const Range& range : plan.ranges()) {
      result.flushed_pages += range.pages();
    }
    result.hull_pages = plan.hull().pages();
    result.blocks = plan.dirty_blocks();
    outcomes.push_back(make_range_outcome({group_, context_.placement, context_.clock},
                                          group_.rivals[i], repetition, &result));
    const std::uint64_t flushes = result.shootdown.size();
    outcomes.back().counter_rows = counters_->take_rows(
        i, {.operations = flushes, .shootdowns = interrupts_ ? flushes * result.calls : 0},
        outcomes.back().rows);
  }
  return outcomes;
}

}  // namespace flushwalk
