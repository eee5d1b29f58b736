#include "bench/patch_series/series_axes.h"

#include <fmt/core.h>

#include "bench/support/axis_reader.h"

namespace flushwalk {
namespace {

// Those that flush what they are given and revoke nothing: a hull covers buffers in use.
constexpr ShootdownKind kBackends[] = {ShootdownKind::none, ShootdownKind::noop,
                                       ShootdownKind::mprotect_range};

template <class Values>
auto pointers_to(const Values& values) {
  std::vector<decltype(&*values.begin())> pointers;
  for (const auto& value : values) {
    pointers.push_back(&value);
  }
  return pointers;
}

template <class Pointers>
std::string names_of(const Pointers& pointers) {
  std::string names;
  for (const auto* const pointer : pointers) {
    names += names.empty() ? "" : ",";
    names += name_of(pointer);
  }
  return names;
}

}  // namespace

SeriesTexts::SeriesTexts()
    : workload(names_of(pointers_to(workloads()))), revision(names_of(pointers_to(revisions()))) {}

std::variant<std::vector<SeriesGroup>, Problem> make_series_groups(const SeriesTexts& texts) {
  constexpr unsigned kMostResponders = 65'535;
  AxisReader reader;
  std::vector<const Workload*> chosen;
  std::vector<const Behaviors*> rivals;
  std::vector<ShootdownKind> shootdowns;
  std::vector<unsigned> responders;
  reader.names("--workload", texts.workload, pointers_to(workloads()), &chosen);
  reader.names("--revision", texts.revision, pointers_to(revisions()), &rivals);
  reader.names("--shootdown", texts.shootdown, kBackends, &shootdowns);
  reader.numbers("--responders", texts.responders, 0U, kMostResponders, &responders);
  if (reader.problem()) {
    return *reader.problem();
  }
  std::vector<SeriesGroup> groups;
  for (const Workload* const workload : chosen) {
    for (const ShootdownKind shootdown : shootdowns) {
      for (const unsigned count : responders) {
        groups.push_back({workload, shootdown, count, rivals});
      }
    }
  }
  return groups;
}

std::string case_name(const SeriesGroup& group, const Behaviors& revision) {
  return fmt::format("patch_series/workload:{}/revision:{}/shootdown:{}/responders:{}",
                     group.workload->name, revision.name, name_of(group.shootdown),
                     group.responders);
}

}  // namespace flushwalk
