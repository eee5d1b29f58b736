#include "bench/patch_series/series_cases.h"

#include <fmt/core.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/patch_series/series_measurement.h"

namespace flushwalk {
namespace {

class SeriesCases : public CaseGroup {
 public:
  explicit SeriesCases(SeriesGroup group) : group_(std::move(group)) {}

  std::vector<std::string> case_names() const override {
    std::vector<std::string> names;
    for (const Behaviors* const revision : group_.revisions) {
      names.push_back(case_name(group_, *revision));
    }
    return names;
  }
  void drop_case(std::size_t i) override {
    group_.revisions.erase(group_.revisions.begin() + static_cast<std::ptrdiff_t>(i));
  }

  unsigned responders() const override { return group_.responders; }
  std::optional<Problem> why_impossible() const override {
    const std::string reason = why_unsupported(group_.shootdown);
    return reason.empty()
               ? std::nullopt
               : std::optional(Problem{"--shootdown",
                                       fmt::format("{}: {}", name_of(group_.shootdown), reason)});
  }

  std::unique_ptr<Measurement> prepare(const MeasuringContext& context,
                                       std::string* error) const override {
    return SeriesMeasurement::prepare(group_, context, error);
  }

 private:
  SeriesGroup group_;
};

}  // namespace

std::variant<CaseGroups, Problem> make_series_cases(const SeriesTexts& texts) {
  auto made = make_series_groups(texts);
  if (const Problem* const problem = std::get_if<Problem>(&made)) {
    return *problem;
  }
  CaseGroups groups;
  for (SeriesGroup& group : std::get<std::vector<SeriesGroup>>(made)) {
    groups.push_back(std::make_unique<SeriesCases>(std::move(group)));
  }
  return groups;
}

}  // namespace flushwalk
