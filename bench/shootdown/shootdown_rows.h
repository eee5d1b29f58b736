// Shootdown rows: the results of a repetition as rows of measurements.csv.
#ifndef FLUSHWALK_BENCH_SHOOTDOWN_SHOOTDOWN_ROWS_H_
#define FLUSHWALK_BENCH_SHOOTDOWN_SHOOTDOWN_ROWS_H_

#include <string>
#include <vector>

#include "bench/shootdown/shootdown_axes.h"
#include "bench/support/case_group.h"
#include "bench/support/clock.h"
#include "bench/support/measurements.h"
#include "topology/placement.h"

namespace flushwalk {

struct ArmResult;

struct ShootdownRowContext {
  const ShootdownGroup& group;
  const topology::Placement& placement;
  const Clock& clock;
};

// Axes: what all rows of an arm share, of both kinds of cases.
MeasurementRow shootdown_axes_row(const ShootdownGroup& group, Arm arm, unsigned repetition);

// Why the times must not be believed, beside what why_invalid() of proof.h finds; empty when they
// may.
std::string why_operations_invalid(const ArmResult& result);

// The rows of one arm: initiator's first, then each responder's. Sorts the result's samples.
std::vector<MeasurementRow> make_shootdown_rows(const ShootdownRowContext& context, Arm arm,
                                                unsigned repetition, ArmResult* result);

CaseOutcome make_shootdown_outcome(const ShootdownRowContext& context, Arm arm, unsigned repetition,
                                   ArmResult* result);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SHOOTDOWN_SHOOTDOWN_ROWS_H_
