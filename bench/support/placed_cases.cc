#include "bench/support/placed_cases.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

#include "bench/support/axis_reader.h"
#include "topology/memory_node.h"
#include "topology/pinned_thread.h"
#include "topology/placement.h"

namespace flushwalk {
namespace {

// Cases came before placements: those on the usual one keep their names.
std::string name_part(const std::string& placement) {
  return placement == topology::kCompact ? "" : "/placement:" + placement;
}

// Why the threads are not where they were put; empty when they are.
std::string why_not_in_place(const MeasuringContext& context) {
  const auto own = topology::check_this_thread_pinned(context.machine, context.placement.initiator);
  if (!own.ok()) {
    return own.error();
  }
  const auto others = topology::check_pinned_threads(context.machine);
  return others.ok() ? "" : others.error();
}

class PlacedMeasurement : public Measurement {
 public:
  PlacedMeasurement(const MeasuringContext& context, std::unique_ptr<Measurement> measurement)
      : context_(context), measurement_(std::move(measurement)) {}

  std::vector<CaseOutcome> measure(unsigned repetition, std::string* error) override {
    if (!lost_.empty()) {
      *error = lost_;
      return {};
    }
    std::vector<CaseOutcome> outcomes = measurement_->measure(repetition, error);
    lost_ = why_not_in_place(context_);
    const MemoryPlace memory = where_memory_is();
    for (CaseOutcome& outcome : outcomes) {
      finish(memory, &outcome);
    }
    return outcomes;
  }

 private:
  MemoryPlace where_memory_is() const {
    const auto nodes =
        topology::nodes_of_memory(context_.machine, measurement_->memory().addresses());
    const int node = context_.machine.find(context_.placement.initiator)->numa_node;
    return memory_place(nodes.ok() ? nodes.value() : std::vector<int>(),
                        node == topology::kNoGroup ? std::nullopt : std::optional(node));
  }

  void finish(const MemoryPlace& memory, CaseOutcome* outcome) const {
    const std::string part = name_part(context_.placement.name);
    for (MeasurementRow& row : outcome->rows) {
      row.case_name += part;
      row.memory_node = memory.node;
      add_invalid_reason(memory.why_invalid, &row.invalid_reason);
      add_invalid_reason(lost_, &row.invalid_reason);
    }
    for (CounterRow& row : outcome->counter_rows) {
      row.case_name += part;
      add_invalid_reason(memory.why_invalid, &row.invalid_reason);
      add_invalid_reason(lost_, &row.invalid_reason);
    }
    for (auto& [name, value] : outcome->counters) {
      if (name == "valid" && !outcome->rows.front().valid()) {
        value = 0;
      }
    }
  }

  MeasuringContext context_;
  std::unique_ptr<Measurement> measurement_;
  std::string lost_;  // a pin: why; empty: none was
};

class PlacedCases : public CaseGroup {
 public:
  PlacedCases(std::string placement, std::unique_ptr<CaseGroup> cases)
      : placement_(std::move(placement)), cases_(std::move(cases)) {}

  std::vector<std::string> case_names() const override {
    std::vector<std::string> names = cases_->case_names();
    for (std::string& name : names) {
      name += name_part(placement_);
    }
    return names;
  }
  void drop_case(std::size_t i) override { cases_->drop_case(i); }
  std::string_view placement() const override { return placement_; }
  unsigned responders() const override { return cases_->responders(); }
  const char* responders_flag() const override { return cases_->responders_flag(); }
  std::optional<Problem> why_impossible() const override { return cases_->why_impossible(); }

  std::unique_ptr<Measurement> prepare(const MeasuringContext& context,
                                       std::string* error) const override {
    const auto pinned = topology::pin_this_thread(context.machine, context.placement.initiator);
    if (!pinned.ok()) {
      *error = pinned.error();
      return nullptr;
    }
    // Where that is not allowed, the pinned thread's first touch decides; the rows tell.
    static_cast<void>(topology::bind_memory_near(context.machine, context.placement.initiator));
    auto measurement = cases_->prepare(context, error);
    return measurement == nullptr
               ? nullptr
               : std::make_unique<PlacedMeasurement>(context, std::move(measurement));
  }

 private:
  std::string placement_;
  std::unique_ptr<CaseGroup> cases_;
};

}  // namespace

std::variant<std::vector<std::string>, Problem> read_placements(const std::string& text) {
  std::vector<std::string> names;
  for (const std::string_view part : split_at_commas(text)) {
    const bool goes_on = !part.empty() && part.front() >= '0' && part.front() <= '9' &&
                         !names.empty() && names.back().starts_with(topology::kListed);
    if (goes_on) {
      names.back() += fmt::format(",{}", part);
    } else {
      names.emplace_back(part);
    }
  }
  for (auto name = names.begin(); name != names.end(); ++name) {
    if (name->empty()) {
      return Problem{"--placement", "an empty value; --list-placements tells what is allowed"};
    }
    if (std::find(names.begin(), name, *name) != name) {
      return Problem{"--placement", fmt::format("{} is named twice", *name)};
    }
  }
  return names;
}

std::variant<CaseGroups, Problem> place_cases(
    const std::vector<std::string>& placements,
    const std::function<std::variant<CaseGroups, Problem>(const std::string&)>& make_groups) {
  std::vector<CaseGroups> of_each;
  for (const std::string& placement : placements) {
    auto made = make_groups(placement);
    if (const Problem* const problem = std::get_if<Problem>(&made)) {
      return *problem;
    }
    of_each.push_back(std::move(std::get<CaseGroups>(made)));
  }
  CaseGroups placed;
  for (std::size_t group = 0; group < of_each.front().size(); ++group) {
    for (std::size_t i = 0; i < placements.size(); ++i) {
      placed.push_back(std::make_unique<PlacedCases>(placements[i], std::move(of_each[i][group])));
    }
  }
  return placed;
}

std::optional<Problem> count_all(const topology::Machine& machine, const std::string& placement,
                                 const std::vector<ThreadNumbers>& lists) {
  for (const ThreadNumbers& list : lists) {
    std::vector<std::string_view> parts = split_at_commas(*list.text);
    const auto all = std::find(parts.begin(), parts.end(), "all");
    if (all == parts.end()) {
      continue;
    }
    const auto widest = topology::widest_placement(machine, placement);
    if (!widest.ok()) {
      return Problem{"--placement", widest.error()};
    }
    const std::string number =
        fmt::format("{}", widest.value().responders.size() + (list.with_initiator ? 1 : 0));
    if (std::find(parts.begin(), parts.end(), number) != parts.end()) {
      return Problem{list.flag,
                     fmt::format("all are {} here ({}), which is named, too", number, placement)};
    }
    *all = number;
    *list.text = fmt::format("{}", fmt::join(parts, ","));
  }
  return std::nullopt;
}

MemoryPlace memory_place(std::span<const int> nodes, std::optional<int> initiators) {
  MemoryPlace place;
  if (nodes.size() == 1) {
    place.node = static_cast<std::uint64_t>(nodes.front());
  }
  if (initiators &&
      std::any_of(nodes.begin(), nodes.end(), [&](int node) { return node != *initiators; })) {
    place.why_invalid = fmt::format("memory on NUMA node {}, the initiator on {}",
                                    fmt::join(nodes, " and "), *initiators);
  }
  return place;
}

void list_placements(const topology::Machine& machine, std::ostream& out) {
  for (const topology::PlacementFacts& facts : topology::named_placements()) {
    const auto widest = topology::widest_placement(machine, facts.name);
    std::string here;
    if (!widest.ok()) {
      here = "not here: " + widest.error().substr(facts.name.size() + 2);
    } else {
      const topology::Placement& placement = widest.value();
      here = fmt::format("here: initiator {}, {}", placement.initiator,
                         placement.responders.empty()
                             ? "no responder"
                             : fmt::format("responders {}", fmt::join(placement.responders, ",")));
    }
    out << fmt::format("{:<14} {}\n{:<14} {}\n", facts.name, facts.meaning, "", here);
  }
  out << fmt::format("{:<14} {}\n", "cpus:LIST",
                     "these CPUs, such as 0,4 or 0-3: the initiator's, then the responders'");
}

}  // namespace flushwalk
