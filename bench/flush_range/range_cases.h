// Range cases: the groups of flush_range_bench as the session wants them.
#ifndef FLUSHWALK_BENCH_FLUSH_RANGE_RANGE_CASES_H_
#define FLUSHWALK_BENCH_FLUSH_RANGE_RANGE_CASES_H_

#include <variant>

#include "bench/flush_range/range_axes.h"
#include "bench/support/case_group.h"

namespace flushwalk {

// A group for each shape, shootdown, working set and number of responders, or the first value that
// is not allowed.
std::variant<CaseGroups, Problem> make_range_cases(const RangeTexts& texts);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_FLUSH_RANGE_RANGE_CASES_H_
