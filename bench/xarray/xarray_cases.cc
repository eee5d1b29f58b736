#include "bench/xarray/xarray_cases.h"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/xarray/xarray_measurement.h"
#include "bench/xarray/xarray_rows.h"

namespace flushwalk {
namespace {

CaseOutcome make_outcome(const XArrayRowContext& context, std::size_t rival, unsigned repetition,
                         XArrayResult* result) {
  CaseOutcome outcome;
  outcome.rows = make_rows(context, rival, repetition, result);
  const auto operations = static_cast<double>(result->operations);
  for (const Ticks ticks : result->times.values()) {
    outcome.times_ns.push_back(context.clock.ticks_to_ns(ticks) / operations);
  }
  outcome.counters = {{"bytes/entry", result->bytes_per_entry},
                      {"valid", outcome.rows.front().valid() ? 1 : 0}};
  return outcome;
}

class PreparedXArray : public Measurement {
 public:
  PreparedXArray(const XArrayGroup& group, const MeasuringContext& context,
                 std::unique_ptr<XArrayMeasurement> measurement)
      : group_(group), context_(context), measurement_(std::move(measurement)) {}

  std::vector<CaseOutcome> measure(unsigned repetition, std::string* error) override {
    std::vector<XArrayResult> results = measurement_->measure(error);
    const XArrayRowContext context{group_, context_.placement, context_.clock};
    std::vector<CaseOutcome> outcomes;
    for (std::size_t rival = 0; rival < results.size(); ++rival) {
      outcomes.push_back(make_outcome(context, rival, repetition, &results[rival]));
      CaseOutcome& made = outcomes.back();
      made.counter_rows = measurement_->take_counter_rows(rival, made.rows);
    }
    return outcomes;
  }
  MemorySample memory() const override { return measurement_->memory(); }

 private:
  const XArrayGroup& group_;
  MeasuringContext context_;
  std::unique_ptr<XArrayMeasurement> measurement_;
};

class XArrayCases : public CaseGroup {
 public:
  explicit XArrayCases(XArrayGroup group) : group_(std::move(group)) {}

  std::vector<std::string> case_names() const override {
    std::vector<std::string> names;
    for (const XArrayRival& rival : group_.rivals) {
      names.push_back(case_name(group_.axes, rival));
    }
    return names;
  }
  void drop_case(std::size_t i) override {
    group_.rivals.erase(group_.rivals.begin() + static_cast<std::ptrdiff_t>(i));
  }

  unsigned responders() const override { return 0; }

  std::unique_ptr<Measurement> prepare(const MeasuringContext& context,
                                       std::string* error) const override {
    auto measurement = XArrayMeasurement::prepare(group_, context, error);
    return measurement == nullptr
               ? nullptr
               : std::make_unique<PreparedXArray>(group_, context, std::move(measurement));
  }

 private:
  XArrayGroup group_;
};

}  // namespace

std::variant<CaseGroups, Problem> make_xarray_cases(const XArrayTexts& texts) {
  auto made = make_xarray_groups(texts);
  if (const Problem* const problem = std::get_if<Problem>(&made)) {
    return *problem;
  }
  CaseGroups groups;
  for (XArrayGroup& group : std::get<std::vector<XArrayGroup>>(made)) {
    groups.push_back(std::make_unique<XArrayCases>(std::move(group)));
  }
  return groups;
}

}  // namespace flushwalk
