#include "bench/flush_range/range_cases.h"

#include <fmt/core.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/flush_range/dirty_space.h"
#include "bench/flush_range/range_measurement.h"
#include "bench/support/mapping_limit.h"

namespace flushwalk {
namespace {

class RangeCases : public CaseGroup {
 public:
  explicit RangeCases(RangeGroup group) : group_(std::move(group)) {}

  std::vector<std::string> case_names() const override {
    std::vector<std::string> names;
    for (const RangeRival& rival : group_.rivals) {
      names.push_back(case_name(group_, rival));
    }
    return names;
  }
  void drop_case(std::size_t i) override {
    group_.rivals.erase(group_.rivals.begin() + static_cast<std::ptrdiff_t>(i));
  }

  unsigned responders() const override { return group_.responders; }
  std::optional<Problem> why_impossible() const override {
    const ShootdownKind kind = group_.shootdown;
    if (std::string reason = why_too_wide(group_.shape, kind, group_.mixed() ? 2 : 1);
        !reason.empty()) {
      return Problem{"--gap", std::move(reason)};
    }
    std::string reason = why_unsupported(kind);
    for (const RangeRival& rival : group_.rivals) {
      if (reason.empty()) {
        reason = why_too_many_ranges(group_.shape.ranges, kind, rival.gather);
      }
    }
    return reason.empty() ? std::nullopt
                          : std::optional(Problem{"--shootdown",
                                                  fmt::format("{}: {}", name_of(kind), reason)});
  }

  std::unique_ptr<Measurement> prepare(const MeasuringContext& context,
                                       std::string* error) const override {
    return RangeMeasurement::prepare(group_, context, error);
  }

 private:
  RangeGroup group_;
};

}  // namespace

std::variant<CaseGroups, Problem> make_range_cases(const RangeTexts& texts) {
  auto made = make_range_groups(texts);
  if (const Problem* const problem = std::get_if<Problem>(&made)) {
    return *problem;
  }
  CaseGroups groups;
  for (RangeGroup& group : std::get<std::vector<RangeGroup>>(made)) {
    groups.push_back(std::make_unique<RangeCases>(std::move(group)));
  }
  return groups;
}

}  // namespace flushwalk
