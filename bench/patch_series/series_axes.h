// Series axes: the cases of patch_series_bench, from what the command line asks for. Cases that
// differ in their revision alone form a group, whose samples are taken in turn.
#ifndef FLUSHWALK_BENCH_PATCH_SERIES_SERIES_AXES_H_
#define FLUSHWALK_BENCH_PATCH_SERIES_SERIES_AXES_H_

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "allocator/revision.h"
#include "allocator/shootdown.h"
#include "bench/patch_series/workload.h"
#include "bench/support/bad_input.h"

namespace flushwalk {

struct SeriesGroup {
  const Workload* workload;
  ShootdownKind shootdown = ShootdownKind::none;
  unsigned responders = 0;
  std::vector<const Behaviors*> revisions;
};

// The flags' texts: comma separated lists.
struct SeriesTexts {
  std::string workload;
  std::string revision;
  std::string shootdown = "none";
  std::string responders = "0";

  SeriesTexts();  // all workloads, all revisions
};

inline std::string_view name_of(const Behaviors* revision) { return revision->name; }

// Every combination, workloads outermost. A Problem names the flag, the value and what is allowed.
std::variant<std::vector<SeriesGroup>, Problem> make_series_groups(const SeriesTexts& texts);

// "patch_series/workload:churn/revision:p3/shootdown:none/responders:0".
std::string case_name(const SeriesGroup& group, const Behaviors& revision);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_PATCH_SERIES_SERIES_AXES_H_
