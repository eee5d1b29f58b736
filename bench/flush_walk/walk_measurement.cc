#include "bench/flush_walk/walk_measurement.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace flushwalk {

// The state of one repetition.
struct WalkMeasurement::Sampling {
  std::vector<WalkResult> results;                    // by walk
  std::vector<std::vector<ShootdownWindow>> windows;  // by walk
  std::vector<std::vector<ShootdownWindow>> alone;    // those of shootdowns alone
};

WalkMeasurement::WalkMeasurement(const WalkGroup& group, const MeasuringContext& context)
    : group_(group),
      context_(context),
      order_(context.seed, group.walks.size()),
      interrupts_(interrupts(group.axes.shootdown) && group.axes.responders != 0) {}

std::unique_ptr<WalkMeasurement> WalkMeasurement::prepare(const WalkGroup& group,
                                                          const MeasuringContext& context,
                                                          std::string* error) {
  std::unique_ptr<WalkMeasurement> made(new WalkMeasurement(group, context));
  made->load_ = Load::build(group.axes.load, group.axes.shootdown, group.axes.gather(), error);
  if (made->load_ == nullptr) {
    return nullptr;
  }
  Load& load = *made->load_;
  made->plan_ = load.make_plan();
  if (group.axes.responders != 0) {
    const std::size_t gaps = context.samples * group.walks.size() * (load.dirty_blocks() + 1) *
                             (group.parts_alone ? 2 : 1);
    made->responders_ = Responders::start(context.machine, context.placement.responders,
                                          context.clock, load.live_pages(), gaps_to_keep(gaps),
                                          error, context.counters, group.walks.size());
    if (made->responders_ == nullptr) {
      return nullptr;
    }
  }
  made->counters_.emplace(context.counters, made->responders_.get(), group.walks.size());
  for (const Way& way : group.walks) {
    made->plan_.clear();
    load.allocator().collect(way.walk, way.check, made->plan_);
    made->stale_slots_.push_back(load.stale_slots(made->plan_));
    load.make_dirty_again();
    if (const int failed = made->warm_up(); failed != 0) {
      *error = fmt::format("{}: {}", name_of(group.axes.shootdown), std::strerror(failed));
      return nullptr;
    }
  }
  return made;
}

// Flushes the plan once: a backend's book-keeping allocates when it first grows, and a timed part
// must not. 0 or errno.
int WalkMeasurement::warm_up() {
  Shootdown& shootdown = load_->shootdown();
  if (const int failed = shootdown.flush(plan_.ranges()); failed != 0) {
    return failed;
  }
  const int failed = shootdown.settle();
  return failed != 0 ? failed : load_->restore_access();
}

std::vector<WalkResult> WalkMeasurement::measure(std::string* error) {
  Sampling sampling;
  const std::size_t walks = group_.walks.size();
  for (std::size_t walk = 0; walk < walks; ++walk) {
    sampling.results.emplace_back(context_.samples).stale_slots = stale_slots_[walk];
    sampling.windows.emplace_back().reserve(context_.samples);
    sampling.alone.emplace_back().reserve(group_.parts_alone ? context_.samples : 0);
    if (group_.parts_alone) {
      sampling.results.back().walk_alone.emplace(context_.samples);
      sampling.results.back().shootdown_alone.emplace(context_.samples);
    }
  }
  counters_->begin_repetition();
  if (responders_ != nullptr) {
    responders_->run();
  }
  const ThreadCounts before = thread_counts_before();
  const unsigned batch = interrupts_ ? kSamplesPerBatch : 1;
  bool ok = true;
  for (unsigned taken = 0; ok && taken < context_.samples; taken += batch, order_.next_turn()) {
    const unsigned flushes = std::min(batch, context_.samples - taken);
    for (std::size_t i = 0; ok && i < walks; ++i) {
      const std::size_t walk = order_[i];
      ok = take_batch(walk, flushes, &sampling, error) &&
           (!group_.parts_alone || take_parts(walk, flushes, &sampling, error));
    }
  }
  const ThreadCounts counts = thread_counts_after() - before;
  if (responders_ != nullptr) {
    responders_->pause();
  }
  if (!ok) {
    return {};
  }
  for (WalkResult& result : sampling.results) {
    result.migrations = counts.migrations;
    for (std::optional<PartAlone>* part : {&result.walk_alone, &result.shootdown_alone}) {
      if (part->has_value()) {
        (*part)->migrations = counts.migrations;
      }
    }
  }
  match(sampling, &sampling.results);
  return std::move(sampling.results);
}

bool WalkMeasurement::take_batch(std::size_t walk, unsigned flushes, Sampling* sampling,
                                 std::string* error) {
  WalkResult& result = sampling->results[walk];
  if (const int failed = load_->shootdown().settle(); failed != 0) {
    *error = fmt::format("{}: between flushes: {}", name_of(group_.axes.shootdown),
                         std::strerror(failed));
    return false;
  }
  const bool in_tlb_row = interrupts_ && flushes_tlb(group_.axes.shootdown);
  const TlbBatch tlb(context_.placement.responders,
                     in_tlb_row && tlb_row_counts(context_.mechanism));
  counters_->begin_batch(interrupts_);
  const Way& way = group_.walks[walk];
  // Reading the table, or the other walk, has left its own data in the caches.
  plan_.clear();
  load_->allocator().collect(way.walk, way.check, plan_);
  load_->make_dirty_again();
  for (unsigned i = 0; i < flushes; ++i) {
    if (!take_sample(walk, sampling, error)) {
      return false;
    }
  }
  counters_->end_batch(walk);
  tlb.end(&result);
  return true;
}

// Before each sample. False, with one line in *error.
bool WalkMeasurement::make_ready(std::string* error) {
  if (context_.stop.load(std::memory_order_relaxed)) {
    *error = "interrupted";
    return false;
  }
  const ShootdownKind kind = group_.axes.shootdown;
  if (const int failed = wants_touched_pages(kind) ? load_->restore_access() : 0; failed != 0) {
    *error = fmt::format("{}: restoring access: {}", name_of(kind), std::strerror(failed));
    return false;
  }
  load_->make_dirty_again();
  plan_.clear();
  return true;
}

bool WalkMeasurement::take_sample(std::size_t walk, Sampling* sampling, std::string* error) {
  if (!make_ready(error)) {
    return false;
  }
  const ShootdownKind kind = group_.axes.shootdown;
  Shootdown& shootdown = load_->shootdown();
  const std::uint64_t calls_before = shootdown.calls();
  WalkResult& result = sampling->results[walk];
  const Way& way = group_.walks[walk];
  const Ticks delay = context_.clock.ns_to_ticks(way.injected_delay_ns.value_or(0));
  FlushReport report;  // at one place for all: the timed part writes to it
  counters_->begin_responders(walk);
  const Usage before = read_usage();
  counters_->begin(walk);
  const FlushTimes times =
      timed_flush(context_.clock, load_->allocator(), way, plan_,
                  kind == ShootdownKind::none ? nullptr : &shootdown, &report, delay);
  counters_->end();
  const Usage after = read_usage();
  counters_->end_responders();
  result.report = report;
  if (result.report.system_errno != 0) {
    *error = fmt::format("{}: {}", name_of(kind), std::strerror(result.report.system_errno));
    return false;
  }
  result.calls = shootdown.calls() - calls_before;
  result.ranges = plan_.ranges().size();
  result.hull_pages = plan_.hull().pages();
  result.context_switches += after.switches - before.switches;
  result.page_faults += after.faults - before.faults;
  result.flush.push(times.end - times.begin);
  result.walk.push(times.walked - times.begin);
  result.shootdown.push(times.end - times.walked);
  if (interrupts_) {
    result.expected += result.calls * responders_->size();
    sampling->windows[walk].push_back({times.walked, times.end, result.calls});
  }
  return true;
}

// As many of each part as there were flushes.
bool WalkMeasurement::take_parts(std::size_t walk, unsigned flushes, Sampling* sampling,
                                 std::string* error) {
  PartAlone& alone = *sampling->results[walk].shootdown_alone;
  const bool in_tlb_row = interrupts_ && flushes_tlb(group_.axes.shootdown);
  for (const bool is_walk : {true, false}) {
    const TlbBatch tlb(context_.placement.responders,
                       !is_walk && in_tlb_row && tlb_row_counts(context_.mechanism));
    if (!make_ready(error)) {
      return false;
    }
    load_->allocator().collect(group_.walks[walk].walk, group_.walks[walk].check, plan_);
    for (unsigned i = 0; i < flushes; ++i) {
      if (!take_part(walk, is_walk, sampling, error)) {
        return false;
      }
    }
    if (!is_walk) {
      tlb.end(&alone);
    }
  }
  return true;
}

bool WalkMeasurement::take_part(std::size_t walk, bool is_walk, Sampling* sampling,
                                std::string* error) {
  if (!make_ready(error)) {
    return false;
  }
  const Way& way = group_.walks[walk];
  WalkResult& result = sampling->results[walk];
  PartAlone& part = is_walk ? *result.walk_alone : *result.shootdown_alone;
  Shootdown& shootdown = load_->shootdown();
  const std::uint64_t calls_before = shootdown.calls();
  const Usage before = read_usage();
  PartTimes times{};
  if (is_walk) {
    times = timed_walk(context_.clock, load_->allocator(), way, plan_);
  } else {
    load_->allocator().collect(way.walk, way.check, plan_);
    times = timed_shootdown(context_.clock, plan_, &shootdown);
  }
  const Usage after = read_usage();
  if (times.system_errno != 0) {
    *error =
        fmt::format("{}: {}", name_of(group_.axes.shootdown), std::strerror(times.system_errno));
    return false;
  }
  part.context_switches += after.switches - before.switches;
  part.page_faults += after.faults - before.faults;
  part.time.push(times.end - times.begin);
  if (interrupts_ && !is_walk) {
    const std::uint64_t calls = shootdown.calls() - calls_before;
    part.expected += calls * responders_->size();
    sampling->alone[walk].push_back({times.begin, times.end, calls});
  }
  return true;
}

std::vector<CounterRow> WalkMeasurement::take_counter_rows(
    std::size_t walk, const WalkResult& result, const std::vector<MeasurementRow>& rows) {
  const std::uint64_t flushes = result.flush.size();
  return counters_->take_rows(walk,
                              {.operations = flushes,
                               .visited_blocks = flushes * result.report.visited,
                               .shootdowns = interrupts_ ? flushes * result.calls : 0},
                              rows);
}

MemorySample WalkMeasurement::memory() const {
  MemorySample sample;
  sample.add(std::as_const(*load_).allocator());
  sample.add(load_->live_pages());
  return sample;
}

void WalkMeasurement::match(const Sampling& sampling, std::vector<WalkResult>* results) const {
  if (responders_ == nullptr) {
    return;
  }
  for (std::size_t walk = 0; walk < results->size(); ++walk) {
    match_responders(*responders_, sampling.windows[walk], context_.clock, &(*results)[walk]);
    if (group_.parts_alone) {
      match_responders(*responders_, sampling.alone[walk], context_.clock,
                       &*(*results)[walk].shootdown_alone);
    }
  }
}

}  // namespace flushwalk
