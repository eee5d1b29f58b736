// Shootdown cases: the groups of shootdown_bench as the session wants them.
#ifndef FLUSHWALK_BENCH_SHOOTDOWN_SHOOTDOWN_CASES_H_
#define FLUSHWALK_BENCH_SHOOTDOWN_SHOOTDOWN_CASES_H_

#include <variant>

#include "bench/shootdown/shootdown_axes.h"
#include "bench/support/case_group.h"

namespace flushwalk {

// A group for each value of the axes but the arm, or the first value that is not allowed.
std::variant<CaseGroups, Problem> make_shootdown_cases(const ShootdownTexts& texts);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SHOOTDOWN_SHOOTDOWN_CASES_H_
