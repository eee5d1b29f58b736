// Series cases: the groups of patch_series_bench as the session wants them.
#ifndef FLUSHWALK_BENCH_PATCH_SERIES_SERIES_CASES_H_
#define FLUSHWALK_BENCH_PATCH_SERIES_SERIES_CASES_H_

#include <variant>

#include "bench/patch_series/series_axes.h"
#include "bench/support/case_group.h"

namespace flushwalk {

// A group for each workload, shootdown and number of responders, or the first value that is not
// allowed.
std::variant<CaseGroups, Problem> make_series_cases(const SeriesTexts& texts);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_PATCH_SERIES_SERIES_CASES_H_
