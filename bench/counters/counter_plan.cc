#include "bench/counters/counter_plan.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <system_error>

#include "bench/counters/counter_group.h"

namespace flushwalk {
namespace {

constexpr const char* kNoPmu =
    "no PMU is offered: a virtual machine without one, or firmware that keeps it";

CounterFault permission_fault(int error, const EncodedEvent& event, int paranoid) {
  CounterFault fault{CounterStatus::permission_denied, error, "not permitted", ""};
  if (paranoid >= 0) {
    fault.reason = fmt::format("not permitted (kernel.perf_event_paranoid is {})", paranoid);
  }
  // Above 2 there is nothing for ordinary users on Debian and Ubuntu.
  const bool user_mode = !event.name.kernel;
  const int enough = event.kind == EventKind::tracepoint ? -1 : user_mode ? 2 : 1;
  fault.remedy = paranoid >= 0 && paranoid <= enough
                     ? "CAP_PERFMON (root), or a container that allows perf_event_open"
                     : fmt::format("CAP_PERFMON (root), or kernel.perf_event_paranoid={}", enough);
  return fault;
}

// The event as the only one of a group.
int try_alone(const EncodedEvent& event, PerfCalls& calls) {
  return CounterGroup(calls).add(event);
}

// Whether all of the group is counted at once: some kernels accept a group which then never runs,
// because something else (the NMI watchdog) holds a counter.
bool runs(CounterGroup* group) {
  if (group->enable() != 0 || group->disable() != 0 || group->read() != 0) {
    return false;
  }
  return group->time_running() > 0 || group->time_enabled() == 0;
}

// The kernel has a PMU each for tracepoints, for the two clocks and for the other software events.
// All hardware events here are of the CPU's.
std::uint64_t pmu_of(const EncodedEvent& event) {
  if (event.kind == EventKind::software && event.attr.config <= PERF_COUNT_SW_TASK_CLOCK) {
    return (std::uint64_t{1} << 32) + event.attr.config;
  }
  return event.kind == EventKind::hardware ? 0 : event.attr.type;
}

class Planner {
 public:
  Planner(CounterPlan* plan, const PlanInputs& inputs, PerfCalls& calls)
      : plan_(plan), inputs_(inputs), calls_(&calls) {}

  void place_all() {
    for (std::size_t i = 0; i < plan_->counters.size(); ++i) {
      PlannedCounter& counter = plan_->counters[i];
      if (!counter.countable() || counter.event.kind == EventKind::table) {
        continue;
      }
      if (taken_ >= inputs_.most_descriptors) {
        counter.fault = fault_of(EMFILE, counter.event, inputs_.paranoid);
        continue;
      }
      if (const int error = try_alone(counter.event, *calls_); error != 0) {
        counter.fault = fault_of(error, counter.event, inputs_.paranoid);
        continue;
      }
      const bool hardware = counter.event.kind == EventKind::hardware;
      if (place(i, hardware ? &plan_->turns : &plan_->always)) {
        ++taken_;
        counter.group = hardware ? static_cast<int>(plan_->turns.size()) - 1 : -1;
      } else {
        counter.fault = {CounterStatus::not_scheduled, 0,
                         "it never ran: something else holds the counters that it needs",
                         "kernel.nmi_watchdog=0, and no other profiler"};
      }
    }
  }

 private:
  // Into the last group of its PMU where that can take it, else into a new one.
  bool place(std::size_t counter, std::vector<std::vector<std::size_t>>* groups) {
    const auto same_pmu = [&](const std::vector<std::size_t>& group) {
      return pmu_of(event(group.front())) == pmu_of(event(counter));
    };
    const auto group = std::find_if(groups->rbegin(), groups->rend(), same_pmu);
    if (group != groups->rend()) {
      group->push_back(counter);
      if (works(*group)) {
        return true;
      }
      group->pop_back();
    }
    groups->push_back({counter});
    if (works(groups->back())) {
      return true;
    }
    groups->pop_back();
    return false;
  }

  const EncodedEvent& event(std::size_t counter) const { return plan_->counters[counter].event; }

  bool works(const std::vector<std::size_t>& members) {
    CounterGroup group(*calls_);
    for (const std::size_t member : members) {
      if (group.add(event(member)) != 0) {
        return false;
      }
    }
    return runs(&group);
  }

  CounterPlan* plan_;
  const PlanInputs& inputs_;
  PerfCalls* calls_;
  std::size_t taken_ = 0;
};

}  // namespace

std::string_view name_of(CounterStatus status) {
  switch (status) {
    case CounterStatus::counted:
      return "counted";
    case CounterStatus::multiplexed:
      return "multiplexed";
    case CounterStatus::not_supported:
      return "not_supported";
    case CounterStatus::permission_denied:
      return "permission_denied";
    case CounterStatus::not_scheduled:
      return "not_scheduled";
  }
  return "unknown";
}

CounterFault fault_of(int error, const EncodedEvent& event, int paranoid) {
  switch (error) {
    case EACCES:
    case EPERM:
      return permission_fault(error, event, paranoid);
    case EMFILE:
    case ENFILE:
      return {CounterStatus::not_scheduled, error, "too many file descriptors", "ulimit -n"};
    case EBUSY:
      return {CounterStatus::not_scheduled, error, "another program has the PMU for itself",
              "end that program"};
    case ENOSYS:
      return {CounterStatus::not_supported, error, "the kernel has no perf_event_open",
              "a kernel with CONFIG_PERF_EVENTS, or a container that allows the call"};
    case ENOENT:
    case ENODEV:
    case ENXIO:
    case EOPNOTSUPP:
      if (event.kind == EventKind::hardware) {
        return {CounterStatus::not_supported, error, kNoPmu, "bare metal, or a guest with a PMU"};
      }
      break;
    case EINVAL:
      if (!event.name.filter.empty()) {
        return {CounterStatus::not_supported, error,
                fmt::format("the kernel refuses the filter {}", event.name.filter), ""};
      }
      break;
    default:
      break;
  }
  return {CounterStatus::not_supported, error,
          fmt::format("the kernel refuses it: {}", std::generic_category().message(error)), ""};
}

std::size_t CounterPlan::descriptors() const {
  std::size_t sum = 0;
  for (const auto* const groups : {&always, &turns}) {
    for (const std::vector<std::size_t>& group : *groups) {
      sum += group.size();
    }
  }
  return sum;
}

CounterPlan make_counter_plan(std::vector<PlannedCounter> counters, const PlanInputs& inputs,
                              PerfCalls& calls) {
  CounterPlan plan;
  plan.counters = std::move(counters);
  plan.rotation = inputs.rotation;
  Planner(&plan, inputs, calls).place_all();
  return plan;
}

}  // namespace flushwalk
