// Xarray rows: the results of a repetition as rows of measurements.csv.
#ifndef FLUSHWALK_BENCH_XARRAY_XARRAY_ROWS_H_
#define FLUSHWALK_BENCH_XARRAY_XARRAY_ROWS_H_

#include <cstddef>
#include <vector>

#include "bench/support/clock.h"
#include "bench/support/measurements.h"
#include "bench/xarray/xarray_axes.h"
#include "bench/xarray/xarray_measurement.h"
#include "topology/placement.h"

namespace flushwalk {

struct XArrayRowContext {
  const XArrayGroup& group;
  const topology::Placement& placement;
  const Clock& clock;
};

// The rows of one rival: operation_time, then bytes_per_entry. Sorts the result's samples.
std::vector<MeasurementRow> make_rows(const XArrayRowContext& context, std::size_t rival,
                                      unsigned repetition, XArrayResult* result);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_XARRAY_XARRAY_ROWS_H_
