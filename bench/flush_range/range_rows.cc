#include "bench/flush_range/range_rows.h"

#include <cstddef>

namespace flushwalk {
namespace {

// Axes and work: what all rows of the rival share.
MeasurementRow common_row(const RangeGroup& group, const RangeRival& rival, unsigned repetition,
                          const RangeResult& result) {
  MeasurementRow row;
  row.bench = "flush_range_bench";
  row.case_name = case_name(group, rival);
  row.repetition = repetition;
  row.gather = name_of(rival.gather);
  row.shootdown = name_of(group.shootdown);
  row.pages = group.shape.pages;
  row.ranges = group.shape.ranges;
  row.gap_pages = group.shape.gap_pages;
  row.working_set_pages = group.working_set;
  row.code = name_of(rival.code);
  row.responders = group.responders;
  row.block_slots = kRangeBlockSlots;
  row.dirty_blocks = result.blocks;
  row.flushes = 1;
  row.flushed_pages = result.flushed_pages;
  row.flush_ranges = result.ranges;
  row.hull_pages = result.hull_pages;
  row.shootdown_calls = result.calls;
  return row;
}

// A responder's own, from its stall row.
void add_reading_rows(const MeasurementRow& stall, const Clock& clock, ResponderResult* responder,
                      std::vector<MeasurementRow>* rows) {
  MeasurementRow row = stall;
  row.metric = "read_time";
  row.statistics = summary_in_ns(responder->first_rounds, clock);
  rows->push_back(row);
  row.metric = "reread_time";
  row.statistics = summary_in_ns(responder->second_rounds, clock);
  rows->push_back(row);
}

}  // namespace

std::vector<MeasurementRow> make_range_rows(const RangeRowContext& context, const RangeRival& rival,
                                            unsigned repetition, RangeResult* result) {
  MeasurementRow initiator = common_row(context.group, rival, repetition, *result);
  put_proof(*result, context.placement, interrupts(context.group.shootdown), &initiator);
  std::vector<MeasurementRow> rows;
  const auto add_metric = [&](const char* metric, SampleBuffer<Ticks>* samples) {
    initiator.metric = metric;
    initiator.statistics = summary_in_ns(samples->values(), context.clock);
    rows.push_back(initiator);
  };
  add_metric("shootdown_time", &result->shootdown);
  if (context.group.working_set != 0) {
    add_metric("read_time", &result->read);
    add_metric("reread_time", &result->again);
  }
  const std::size_t first_stall = rows.size();
  add_stall_rows(initiator, context.clock, result, &rows);
  const bool responders_read = context.group.working_set != 0 && result->expected != 0;
  for (std::size_t i = 0; responders_read && i < result->responders.size(); ++i) {
    const MeasurementRow stall = rows[first_stall + i];
    add_reading_rows(stall, context.clock, &result->responders[i], &rows);
  }
  return rows;
}

CaseOutcome make_range_outcome(const RangeRowContext& context, const RangeRival& rival,
                               unsigned repetition, RangeResult* result) {
  CaseOutcome outcome;
  outcome.rows = make_range_rows(context, rival, repetition, result);
  for (const Ticks ticks : result->shootdown.values()) {
    outcome.times_ns.push_back(context.clock.ticks_to_ns(ticks));
  }
  const MeasurementRow& row = outcome.rows.front();
  const double proven = result->expected == 0 ? 1
                                              : static_cast<double>(row.shootdowns_proven) /
                                                    static_cast<double>(result->expected);
  outcome.counters = {{"calls", static_cast<double>(result->calls)},
                      {"pages", static_cast<double>(result->flushed_pages)},
                      {"proven", proven},
                      {"valid", row.valid() ? 1 : 0}};
  return outcome;
}

}  // namespace flushwalk
