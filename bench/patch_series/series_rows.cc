#include "bench/patch_series/series_rows.h"

#include <fmt/core.h>

namespace flushwalk {
namespace {

// Axes and work: what all rows of the revision share.
MeasurementRow common_row(const SeriesGroup& group, const Behaviors& revision, unsigned repetition,
                          const SeriesResult& result) {
  const Workload& workload = *group.workload;
  MeasurementRow row;
  row.bench = "patch_series_bench";
  row.case_name = case_name(group, revision);
  row.repetition = repetition;
  row.revision = revision.name;
  row.workload = workload.name;
  row.gather = name_of(gather_for(group.shootdown));
  row.shootdown = name_of(group.shootdown);
  row.queues = workload.cpus.size();
  if (workload.pages != 0) {
    row.pages = workload.pages;
  }
  row.responders = group.responders;
  row.block_slots = workload.block_slots;
  row.operations = result.counts.operations;
  row.visited_blocks = result.counts.visited;
  row.block_locks = result.counts.block_locks;
  row.dirty_blocks = result.counts.dirty_blocks;
  row.purged_blocks = result.counts.purged;
  row.created_blocks = result.counts.created;
  row.failed_allocs = result.counts.failed_allocs;
  row.stale_slots = result.stale_slots;
  row.flushes = result.counts.flushes;
  row.flushed_pages = result.counts.flushed_pages;
  row.shootdown_calls = result.calls;
  return row;
}

}  // namespace

std::vector<MeasurementRow> make_series_rows(const SeriesRowContext& context,
                                             const Behaviors& revision, unsigned repetition,
                                             SeriesResult* result) {
  MeasurementRow initiator = common_row(context.group, revision, repetition, *result);
  put_proof(*result, context.placement, interrupts(context.group.shootdown), &initiator);
  put_oracle(result->oracle, revision.walk == Walk::free_list || result->stale_slots != 0,
             &initiator);
  if (result->unlike != 0) {
    initiator.add_invalid_reason(
        fmt::format("{} of {} rounds did other work", result->unlike, result->round.size()));
  }
  std::vector<MeasurementRow> rows;
  const auto add_metric = [&](const char* metric, SampleBuffer<Ticks>* samples) {
    initiator.metric = metric;
    initiator.statistics = summary_in_ns(samples->values(), context.clock);
    rows.push_back(initiator);
  };
  add_metric("round_time", &result->round);
  if (result->flush.size() != 0) {
    add_metric("flush_time", &result->flush);
  }
  add_stall_rows(initiator, context.clock, result, &rows);
  return rows;
}

CaseOutcome make_series_outcome(const SeriesRowContext& context, const Behaviors& revision,
                                unsigned repetition, SeriesResult* result) {
  CaseOutcome outcome;
  outcome.rows = make_series_rows(context, revision, repetition, result);
  for (const Ticks ticks : result->round.values()) {
    outcome.times_ns.push_back(context.clock.ticks_to_ns(ticks));
  }
  const MeasurementRow& row = outcome.rows.front();
  const double proven = result->expected == 0 ? 1
                                              : static_cast<double>(row.shootdowns_proven) /
                                                    static_cast<double>(result->expected);
  outcome.counters = {{"visited", static_cast<double>(result->counts.visited)},
                      {"locks", static_cast<double>(result->counts.block_locks)},
                      {"stale", static_cast<double>(result->stale_slots)},
                      {"proven", proven},
                      {"valid", row.valid() ? 1 : 0}};
  return outcome;
}

}  // namespace flushwalk
