// Walk rows: the results of a repetition as rows of measurements.csv, and the judgement whether
// they are valid.
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

// The least share of the expected shootdowns that must be proven, in percent.
inline constexpr std::uint64_t kLeastProvenPercent = 99;

// The rows of one walk: initiator's first, then each responder's. Sorts the result's samples.
std::vector<MeasurementRow> make_rows(const RowContext& context, std::size_t walk,
                                      unsigned repetition, WalkResult* result);

// Why a flush's time must not be believed; empty when it may.
std::string why_invalid(const WalkResult& result, bool interrupts);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_FLUSH_WALK_WALK_ROWS_H_
