// Counters description: what machine.json tells of the counters: for each whether it is counted,
// and if not the errno and what would allow it; and what counting costs.
#ifndef FLUSHWALK_BENCH_COUNTERS_COUNTERS_DESCRIPTION_H_
#define FLUSHWALK_BENCH_COUNTERS_COUNTERS_DESCRIPTION_H_

#include <nlohmann/json.hpp>

#include "bench/counters/counters.h"

namespace flushwalk {

// reports/SCHEMA.md lists the keys. Measures the cost: the calling thread is the initiator.
nlohmann::ordered_json describe_counters(const Counters& counters);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_COUNTERS_COUNTERS_DESCRIPTION_H_
