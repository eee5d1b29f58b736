// Throughput rows: the results of threads that initiate at once, as rows of measurements.csv.
#ifndef FLUSHWALK_BENCH_SHOOTDOWN_THROUGHPUT_ROWS_H_
#define FLUSHWALK_BENCH_SHOOTDOWN_THROUGHPUT_ROWS_H_

#include <vector>

#include "bench/shootdown/shootdown_rows.h"

namespace flushwalk {

struct ThroughputResult;

// The rows of one arm: that of all threads, then each thread's. Sorts the result's samples.
std::vector<MeasurementRow> make_throughput_rows(const ShootdownRowContext& context, Arm arm,
                                                 unsigned repetition, ThroughputResult* result);

CaseOutcome make_throughput_outcome(const ShootdownRowContext& context, Arm arm,
                                    unsigned repetition, ThroughputResult* result);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SHOOTDOWN_THROUGHPUT_ROWS_H_
