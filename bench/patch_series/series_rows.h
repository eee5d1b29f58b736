// Series rows: the results of a repetition as rows of measurements.csv.
#ifndef FLUSHWALK_BENCH_PATCH_SERIES_SERIES_ROWS_H_
#define FLUSHWALK_BENCH_PATCH_SERIES_SERIES_ROWS_H_

#include <vector>

#include "bench/patch_series/series_axes.h"
#include "bench/patch_series/series_measurement.h"
#include "bench/support/case_group.h"
#include "bench/support/clock.h"
#include "bench/support/measurements.h"
#include "topology/placement.h"

namespace flushwalk {

struct SeriesRowContext {
  const SeriesGroup& group;
  const topology::Placement& placement;
  const Clock& clock;
};

// The rows of one revision: initiator's first, then each responder's. Sorts the result's samples.
std::vector<MeasurementRow> make_series_rows(const SeriesRowContext& context,
                                             const Behaviors& revision, unsigned repetition,
                                             SeriesResult* result);

CaseOutcome make_series_outcome(const SeriesRowContext& context, const Behaviors& revision,
                                unsigned repetition, SeriesResult* result);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_PATCH_SERIES_SERIES_ROWS_H_
