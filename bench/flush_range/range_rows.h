// Range rows: the results of a repetition as rows of measurements.csv.
#ifndef FLUSHWALK_BENCH_FLUSH_RANGE_RANGE_ROWS_H_
#define FLUSHWALK_BENCH_FLUSH_RANGE_RANGE_ROWS_H_

#include <vector>

#include "bench/flush_range/range_axes.h"
#include "bench/flush_range/range_measurement.h"
#include "bench/support/case_group.h"
#include "bench/support/clock.h"
#include "bench/support/measurements.h"
#include "topology/placement.h"

namespace flushwalk {

struct RangeRowContext {
  const RangeGroup& group;
  const topology::Placement& placement;
  const Clock& clock;
};

// The rows of one rival: initiator's first, then each responder's. Sorts the result's samples.
std::vector<MeasurementRow> make_range_rows(const RangeRowContext& context, const RangeRival& rival,
                                            unsigned repetition, RangeResult* result);

CaseOutcome make_range_outcome(const RangeRowContext& context, const RangeRival& rival,
                               unsigned repetition, RangeResult* result);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_FLUSH_RANGE_RANGE_ROWS_H_
