#include "bench/counters/thread_counters.h"

#include <fmt/core.h>

#include <numeric>
#include <system_error>

namespace flushwalk {

std::optional<double> CounterResult::scaled() const {
  if (!counted()) {
    return std::nullopt;
  }
  const auto value = static_cast<double>(raw);
  if (status == CounterStatus::counted || !time_running || *time_running == 0) {
    return value;
  }
  return value * static_cast<double>(time_enabled.value_or(0)) / static_cast<double>(*time_running);
}

ThreadCounters::ThreadCounters(const CounterPlan& plan, PerfCalls& calls, std::size_t rivals)
    : plan_(&plan), calls_(&calls), open_errors_(plan.counters.size()) {
  open(plan.always, &always_);
  open(plan.turns, &turns_);
  rivals_.resize(rivals);
  for (Rival& rival : rivals_) {
    rival.counters.resize(plan.counters.size());
    rival.always_enabled.resize(always_.size());
    rival.turn_enabled.resize(turns_.size());
  }
  nobody_ = rivals_.empty() ? Rival{} : rivals_.front();
}

void ThreadCounters::open(const std::vector<std::vector<std::size_t>>& planned,
                          std::vector<Group>* groups) {
  for (const std::vector<std::size_t>& members : planned) {
    Group group{CounterGroup(*calls_), {}, {}};
    for (const std::size_t member : members) {
      const int error = group.counters.add(plan_->counters[member].event);
      open_errors_[member] = error;
      if (error == 0) {
        group.members.push_back(member);
      }
    }
    group.last_counts.resize(group.members.size());
    groups->push_back(std::move(group));
  }
}

// The turn's group last, and off first: it is the one that counts what others do.
void ThreadCounters::begin(unsigned turn) {
  for (Group& group : always_) {
    group.used = true;
    note(group.counters.enable(), &group);
  }
  if (!turns_.empty()) {
    turn_ = turn % turns_.size();
    turns_[turn_].used = true;
    note(turns_[turn_].counters.enable(), &turns_[turn_]);
  }
}

void ThreadCounters::end() {
  if (!turns_.empty()) {
    note(turns_[turn_].counters.disable(), &turns_[turn_]);
  }
  for (Group& group : always_) {
    note(group.counters.disable(), &group);
  }
}

void ThreadCounters::add_to(std::size_t rival) { add_groups(&rivals_[rival]); }

void ThreadCounters::drop() { add_groups(&nobody_); }

void ThreadCounters::add_groups(Rival* rival) {
  for (std::size_t i = 0; i < always_.size(); ++i) {
    add_group(&always_[i], &rival->always_enabled[i], rival);
  }
  for (std::size_t i = 0; i < turns_.size(); ++i) {
    add_group(&turns_[i], &rival->turn_enabled[i], rival);
  }
}

void ThreadCounters::add_group(Group* group, std::uint64_t* enabled, Rival* rival) {
  if (!group->used || group->members.empty()) {
    return;
  }
  group->used = false;
  if (const int error = group->counters.read(); error != 0) {
    note(error, group);
    return;
  }
  const CounterGroup& now = group->counters;
  const std::uint64_t ran = now.time_running() - group->last_running;
  *enabled += now.time_enabled() - group->last_enabled;
  group->last_enabled = now.time_enabled();
  group->last_running = now.time_running();
  for (std::size_t i = 0; i < group->members.size(); ++i) {
    Tally& tally = rival->counters[group->members[i]];
    tally.raw += now.count(i) - group->last_counts[i];
    tally.running += ran;
    group->last_counts[i] = now.count(i);
  }
}

CounterResult ThreadCounters::result_of(std::size_t counter, const Group& group,
                                        std::uint64_t enabled, const Tally& tally) const {
  CounterResult result{CounterStatus::counted, tally.raw, enabled, tally.running};
  if (group.error != 0) {
    result.status = CounterStatus::not_supported;
    result.reason =
        fmt::format("counting failed: {}", std::generic_category().message(group.error));
  } else if (tally.running == 0) {
    result.status = CounterStatus::not_scheduled;
    result.reason =
        plan_->rotation && plan_->turns.size() > 1 && plan_->counters[counter].group >= 0
            ? "another group's repetition"
            : "it was never on the PMU while enabled";
  } else if (tally.running < enabled) {
    result.status = CounterStatus::multiplexed;
  }
  return result;
}

std::vector<CounterResult> ThreadCounters::take(std::size_t which) {
  Rival& rival = rivals_[which];
  std::vector<CounterResult> results(plan_->counters.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    const PlannedCounter& planned = plan_->counters[i];
    CounterFault fault = planned.fault;
    if (fault.reason.empty() && open_errors_[i] != 0) {
      fault = fault_of(open_errors_[i], planned.event, -1);
    }
    if (fault.reason.empty() && planned.event.kind == EventKind::table) {
      fault = {CounterStatus::not_scheduled, 0, "the table was not read"};
    }
    results[i].status = fault.status;
    results[i].reason = fault.reason;
  }
  // A turn that was not on was waited for as long as the others were.
  const std::uint64_t all_turns =
      std::accumulate(rival.turn_enabled.begin(), rival.turn_enabled.end(), std::uint64_t{0});
  for (std::size_t i = 0; i < always_.size(); ++i) {
    for (const std::size_t member : always_[i].members) {
      results[member] =
          result_of(member, always_[i], rival.always_enabled[i], rival.counters[member]);
    }
  }
  for (std::size_t i = 0; i < turns_.size(); ++i) {
    const std::uint64_t enabled = plan_->rotation ? rival.turn_enabled[i] : all_turns;
    for (const std::size_t member : turns_[i].members) {
      results[member] = result_of(member, turns_[i], enabled, rival.counters[member]);
    }
  }
  rival.counters.assign(rival.counters.size(), Tally{});
  rival.always_enabled.assign(always_.size(), 0);
  rival.turn_enabled.assign(turns_.size(), 0);
  return results;
}

}  // namespace flushwalk
