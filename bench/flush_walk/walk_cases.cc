#include "bench/flush_walk/walk_cases.h"

#include <fmt/core.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/flush_walk/load.h"
#include "bench/flush_walk/walk_measurement.h"
#include "bench/flush_walk/walk_oracle.h"
#include "bench/flush_walk/walk_rows.h"

namespace flushwalk {
namespace {

CaseOutcome make_outcome(const RowContext& context, std::size_t walk, unsigned repetition,
                         WalkResult* result) {
  CaseOutcome outcome;
  outcome.rows = make_rows(context, walk, repetition, result);
  for (const Ticks ticks : result->flush.values()) {
    outcome.times_ns.push_back(context.clock.ticks_to_ns(ticks));
  }
  const MeasurementRow& row = outcome.rows.front();
  const double proven = result->expected == 0 ? 1
                                              : static_cast<double>(row.shootdowns_proven) /
                                                    static_cast<double>(result->expected);
  outcome.counters = {{"visited", static_cast<double>(result->report.visited)},
                      {"stale", static_cast<double>(result->stale_slots)},
                      {"proven", proven},
                      {"valid", row.valid() ? 1 : 0}};
  return outcome;
}

class PreparedWalks : public Measurement {
 public:
  PreparedWalks(const WalkGroup& group, const MeasuringContext& context,
                std::unique_ptr<WalkMeasurement> measurement)
      : group_(group), context_(context), measurement_(std::move(measurement)) {}

  std::vector<CaseOutcome> measure(unsigned repetition, std::string* error) override {
    std::vector<WalkResult> results = measurement_->measure(error);
    // One thread finds the same each time: once is enough.
    if (context_.oracle && repetition == 0 && !look(&results, error)) {
      return {};
    }
    const RowContext context{group_, context_.placement, context_.clock,
                             measurement_->listed_blocks(), measurement_->dirty_blocks()};
    std::vector<CaseOutcome> outcomes;
    for (std::size_t walk = 0; walk < results.size(); ++walk) {
      outcomes.push_back(make_outcome(context, walk, repetition, &results[walk]));
      CaseOutcome& made = outcomes.back();
      made.counter_rows = measurement_->take_counter_rows(walk, results[walk], made.rows);
    }
    return outcomes;
  }
  MemorySample memory() const override { return measurement_->memory(); }

 private:
  bool look(std::vector<WalkResult>* results, std::string* error) const {
    const auto oracle = WalkOracle::build(group_.axes.load, error);
    for (std::size_t walk = 0; oracle != nullptr && walk < results->size(); ++walk) {
      (*results)[walk].oracle = oracle->look(group_.walks[walk], error);
      if (!(*results)[walk].oracle) {
        return false;
      }
    }
    return oracle != nullptr;
  }

  const WalkGroup& group_;
  MeasuringContext context_;
  std::unique_ptr<WalkMeasurement> measurement_;
};

class WalkCases : public CaseGroup {
 public:
  explicit WalkCases(WalkGroup group) : group_(std::move(group)) {}

  std::vector<std::string> case_names() const override {
    std::vector<std::string> names;
    for (const Way& way : group_.walks) {
      names.push_back(case_name(group_.axes, way));
    }
    return names;
  }
  void drop_case(std::size_t i) override {
    group_.walks.erase(group_.walks.begin() + static_cast<std::ptrdiff_t>(i));
  }

  unsigned responders() const override { return group_.axes.responders; }
  std::optional<Problem> why_impossible() const override {
    const ShootdownKind kind = group_.axes.shootdown;
    std::string reason = why_unsupported(kind);
    if (reason.empty()) {
      reason = why_too_large(group_.axes.load, kind, group_.axes.gather());
    }
    return reason.empty() ? std::nullopt
                          : std::optional(Problem{"--shootdown",
                                                  fmt::format("{}: {}", name_of(kind), reason)});
  }

  std::unique_ptr<Measurement> prepare(const MeasuringContext& context,
                                       std::string* error) const override {
    auto measurement = WalkMeasurement::prepare(group_, context, error);
    return measurement == nullptr
               ? nullptr
               : std::make_unique<PreparedWalks>(group_, context, std::move(measurement));
  }

 private:
  WalkGroup group_;
};

}  // namespace

std::variant<CaseGroups, Problem> make_walk_cases(const AxisTexts& texts) {
  auto made = make_groups(texts);
  if (const Problem* const problem = std::get_if<Problem>(&made)) {
    return *problem;
  }
  CaseGroups groups;
  for (WalkGroup& group : std::get<std::vector<WalkGroup>>(made)) {
    groups.push_back(std::make_unique<WalkCases>(std::move(group)));
  }
  return groups;
}

}  // namespace flushwalk
