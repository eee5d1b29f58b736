// Xarray cases: the groups of xarray_bench as the session wants them, measured and turned into
// rows.
#ifndef FLUSHWALK_BENCH_XARRAY_XARRAY_CASES_H_
#define FLUSHWALK_BENCH_XARRAY_XARRAY_CASES_H_

#include <variant>

#include "bench/support/case_group.h"
#include "bench/xarray/xarray_axes.h"

namespace flushwalk {

// A group for each number of entries, key set and family of operations, or the first value that is
// not allowed.
std::variant<CaseGroups, Problem> make_xarray_cases(const XArrayTexts& texts);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_XARRAY_XARRAY_CASES_H_
