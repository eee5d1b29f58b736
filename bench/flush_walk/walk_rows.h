// Walk rows: the results of a repetition as rows of measurements.csv.
#ifndef FLUSHWALK_BENCH_FLUSH_WALK_WALK_ROWS_H_
#define FLUSHWALK_BENCH_FLUSH_WALK_WALK_ROWS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "bench/flush_walk/walk_axes.h"
#include "bench/flush_walk/walk_measurement.h"
#include "bench/support/clock.h"
#include "bench/support/measurements.h"
#include "topology/placement.h"

namespace flushwalk {

struct RowContext {
  const WalkGroup& group;
  const topology::Placement& placement;
  const Clock& clock;
  std::uint64_t listed_blocks;
  std::uint64_t dirty_blocks;
};

// The rows of one walk: initiator's first, then each responder's. Sorts the result's samples.
std::vector<MeasurementRow> make_rows(const RowContext& context, std::size_t walk,
                                      unsigned repetition, WalkResult* result);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_FLUSH_WALK_WALK_ROWS_H_
