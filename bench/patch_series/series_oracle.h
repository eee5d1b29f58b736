// Series oracle: --oracle of patch_series_bench: a round of a workload once more, on real memory
// with a backend that revokes and under the oracle's eyes (allocator/oracle.h). Untimed.
#ifndef FLUSHWALK_BENCH_PATCH_SERIES_SERIES_ORACLE_H_
#define FLUSHWALK_BENCH_PATCH_SERIES_SERIES_ORACLE_H_

#include <optional>
#include <string>
#include <vector>

#include "allocator/oracle.h"
#include "allocator/revision.h"
#include "bench/patch_series/workload.h"

namespace flushwalk {

// The whole round: what is untimed otherwise, too. A flush is given exactly the freed runs that it
// has found: none of the pages is covered by accident, as the bench's hull covers some, so that the
// free-list walk leaves more of them. nullopt, with one line in *error, when a call of the system
// failed.
std::optional<OracleReport> watch_round(const Workload& workload, const Behaviors& revision,
                                        std::string* error);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_PATCH_SERIES_SERIES_ORACLE_H_
