#include "bench/counters/counters_description.h"

#include <fmt/core.h>

#include <cstring>

namespace flushwalk {
namespace {

using Json = nlohmann::ordered_json;

Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }
Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

Json describe_counter(const PlannedCounter& counter) {
  const CounterFault& fault = counter.fault;
  Json result;
  result["name"] = counter.event.name.text;
  result["kind"] = name_of(counter.event.kind);
  const bool in_turn = counter.countable() && counter.event.kind == EventKind::hardware;
  result["group"] = in_turn ? Json(counter.group) : Json();
  result["status"] = name_of(fault.status);
  result["errno"] = fault.error != 0 ? Json(strerrorname_np(fault.error)) : Json();
  result["reason"] = or_null(fault.reason);
  result["remedy"] = or_null(fault.remedy);
  return result;
}

}  // namespace

nlohmann::ordered_json describe_counters(const Counters& counters) {
  const CounterPlan& plan = counters.plan();
  Json result;
  result["requested"] = counters.request().events;
  Json pmus = Json::array();
  for (const std::string& pmu : counters.cpu_pmus()) {
    pmus.push_back(pmu);
  }
  result["cpu_pmus"] = std::move(pmus);
  const char* const one = "one group";
  result["hardware_groups"] = plan.turns.size();
  result["groups_change"] = plan.turns.size() < 2 ? one
                            : plan.rotation       ? "from repetition to repetition"
                                                  : "from sample to sample";
  const CounterCost cost = counters.measure_cost();
  result["cost"] = {{"begin_ns", cost.begin_ns},
                    {"end_ns", cost.end_ns},
                    {"read_ns", cost.read_ns},
                    {"flush_ns", or_null(cost.flush_ns)},
                    {"counted_flush_ns", or_null(cost.counted_flush_ns)}};
  Json events = Json::array();
  for (const PlannedCounter& counter : plan.counters) {
    events.push_back(describe_counter(counter));
  }
  result["events"] = std::move(events);
  return result;
}

}  // namespace flushwalk
