// Alloc-free cases: the groups of alloc_free_bench as the session wants them, measured and turned
// into rows.
#ifndef FLUSHWALK_BENCH_ALLOC_FREE_ALLOC_FREE_CASES_H_
#define FLUSHWALK_BENCH_ALLOC_FREE_ALLOC_FREE_CASES_H_

#include <variant>

#include "bench/alloc_free/alloc_free_axes.h"
#include "bench/support/case_group.h"

namespace flushwalk {

// A group for each combination of what threads do, or the first value that is not allowed.
std::variant<CaseGroups, Problem> make_alloc_free_cases(const AllocFreeTexts& texts);

// Why the threads of `axes` do not fit on `cpus` CPUs, with the flag that asks for the last of
// them.
std::optional<Problem> why_too_few_cpus(const AllocFreeAxes& axes, unsigned cpus);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_ALLOC_FREE_ALLOC_FREE_CASES_H_
