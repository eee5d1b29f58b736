// Walk cases: the groups of flush_walk_bench as the session wants them, measured and turned into
// rows.
#ifndef FLUSHWALK_BENCH_FLUSH_WALK_WALK_CASES_H_
#define FLUSHWALK_BENCH_FLUSH_WALK_WALK_CASES_H_

#include <variant>

#include "bench/flush_walk/walk_axes.h"
#include "bench/support/case_group.h"

namespace flushwalk {

// A group for each load, shootdown, gather and number of responders, or the first value that is not
// allowed.
std::variant<CaseGroups, Problem> make_walk_cases(const AxisTexts& texts);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_FLUSH_WALK_WALK_CASES_H_
