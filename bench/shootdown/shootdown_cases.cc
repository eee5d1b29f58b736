#include "bench/shootdown/shootdown_cases.h"

#include <fmt/core.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/shootdown/shootdown_measurement.h"
#include "bench/shootdown/throughput_measurement.h"

namespace flushwalk {
namespace {

class ShootdownCases : public CaseGroup {
 public:
  explicit ShootdownCases(ShootdownGroup group) : group_(std::move(group)) {}

  std::vector<std::string> case_names() const override {
    std::vector<std::string> names;
    for (const Arm arm : group_.arms) {
      names.push_back(case_name(group_, arm));
    }
    return names;
  }
  void drop_case(std::size_t i) override {
    group_.arms.erase(group_.arms.begin() + static_cast<std::ptrdiff_t>(i));
  }

  // Threads with a CPU of their own.
  unsigned responders() const override {
    return group_.initiators != 0 ? group_.initiators - 1 : group_.responders;
  }
  std::optional<Problem> why_impossible() const override {
    for (const Arm arm : group_.arms) {
      const Operation operation = operation_of(group_.operation, arm);
      if (const std::string reason = why_unsupported(operation); !reason.empty()) {
        return Problem{arm == Arm::operation ? "--operation" : "--arms",
                       fmt::format("{}: {}", name_of(operation), reason)};
      }
    }
    std::string reason = why_unsupported(group_.page_size);
    return reason.empty() ? std::nullopt : std::optional(Problem{"--page-size", std::move(reason)});
  }

  std::unique_ptr<Measurement> prepare(const MeasuringContext& context,
                                       std::string* error) const override {
    if (group_.initiators != 0) {
      return ThroughputMeasurement::prepare(group_, context, error);
    }
    return ShootdownMeasurement::prepare(group_, context, error);
  }

 private:
  ShootdownGroup group_;
};

}  // namespace

std::variant<CaseGroups, Problem> make_shootdown_cases(const ShootdownTexts& texts) {
  auto made = make_shootdown_groups(texts);
  if (const Problem* const problem = std::get_if<Problem>(&made)) {
    return *problem;
  }
  CaseGroups groups;
  for (ShootdownGroup& group : std::get<std::vector<ShootdownGroup>>(made)) {
    groups.push_back(std::make_unique<ShootdownCases>(std::move(group)));
  }
  return groups;
}

}  // namespace flushwalk
