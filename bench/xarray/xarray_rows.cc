#include "bench/xarray/xarray_rows.h"

#include "bench/support/proof.h"

namespace flushwalk {
namespace {

MeasurementRow common_row(const XArrayRowContext& context, std::size_t which, unsigned repetition) {
  const XArrayAxes& axes = context.group.axes;
  const XArrayRival& rival = context.group.rivals[which];
  MeasurementRow row;
  row.bench = "xarray_bench";
  row.case_name = case_name(axes, rival);
  row.repetition = repetition;
  row.container = name_of(rival.container);
  row.operation = name_of(rival.operation);
  row.keys = name_of(axes.keys);
  row.entries = axes.entries;
  return row;
}

}  // namespace

std::vector<MeasurementRow> make_rows(const XArrayRowContext& context, std::size_t rival,
                                      unsigned repetition, XArrayResult* result) {
  MeasurementRow time = common_row(context, rival, repetition);
  put_proof(*result, context.placement, false, &time);
  time.metric = "operation_time";
  time.operations = result->operations;
  time.statistics = summary_in_ns(result->times.values(), context.clock);
  if (time.statistics && result->operations != 0) {
    time.statistics = time.statistics->scaled(1 / static_cast<double>(result->operations));
  }
  // Counted, not timed: nothing can have disturbed it.
  MeasurementRow bytes = common_row(context, rival, repetition);
  put_proof(Proof{}, context.placement, false, &bytes);
  bytes.context_switches.reset();
  bytes.page_faults.reset();
  bytes.metric = "bytes_per_entry";
  bytes.unit = "bytes";
  const double value = result->bytes_per_entry;
  bytes.statistics = Summary{value, value, value, value, value, value, value, value, 1};
  return {time, bytes};
}

}  // namespace flushwalk
