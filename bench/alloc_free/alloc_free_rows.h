// Alloc-free rows: the results of a repetition as rows of measurements.csv, and the judgement
// whether they are valid.
#ifndef FLUSHWALK_BENCH_ALLOC_FREE_ALLOC_FREE_ROWS_H_
#define FLUSHWALK_BENCH_ALLOC_FREE_ALLOC_FREE_ROWS_H_

#include <string>
#include <vector>

#include "bench/alloc_free/alloc_free_axes.h"
#include "bench/alloc_free/alloc_free_measurement.h"
#include "bench/support/clock.h"
#include "bench/support/measurements.h"
#include "topology/placement.h"

namespace flushwalk {

struct AllocFreeRowContext {
  const AllocFreeGroup& group;
  const topology::Placement& placement;
  const Clock& clock;
};

// The rows of one rival: each thread's, those of all threads, the flusher's. Sorts the result's
// samples.
std::vector<MeasurementRow> make_rows(const AllocFreeRowContext& context, std::size_t rival,
                                      unsigned repetition, AllocFreeResult* result);

// Why the rival's times must not be believed; empty when they may. A thread that was disturbed may
// have held a lock or kept the others' addresses: it spoils the rows of all.
std::string why_invalid(const AllocFreeResult& result);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_ALLOC_FREE_ALLOC_FREE_ROWS_H_
