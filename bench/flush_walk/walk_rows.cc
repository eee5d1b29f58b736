#include "bench/flush_walk/walk_rows.h"

#include <optional>

namespace flushwalk {
namespace {

// Axes and work: what all rows of the walk share.
MeasurementRow common_row(const RowContext& context, std::size_t walk, unsigned repetition,
                          const WalkResult& result) {
  const GroupAxes& axes = context.group.axes;
  const Way& way = context.group.walks[walk];
  MeasurementRow row;
  row.bench = "flush_walk_bench";
  row.case_name = case_name(axes, way);
  row.repetition = repetition;
  row.walk = name_of(way.walk);
  row.check = name_of(way.check);
  row.injected_delay_ns = way.injected_delay_ns;
  row.gather = name_of(axes.gather());
  row.shootdown = name_of(axes.shootdown);
  row.blocks = axes.load.blocks;
  row.full_percent = axes.load.full_percent;
  row.dirty_percent = axes.load.dirty_percent;
  row.dirty_slots = axes.load.dirty_slots;
  row.spread = name_of(axes.load.spread);
  row.descriptors = name_of(axes.load.descriptors);
  row.index = name_of(axes.load.layout);
  row.queues = axes.load.queues;
  row.responders = axes.responders;
  row.block_slots = kBlockSlots;
  row.visited_blocks = result.report.visited;
  row.listed_blocks = context.listed_blocks;
  row.block_locks = result.report.block_locks;
  row.dirty_blocks = result.report.dirty_blocks;
  row.dirty_blocks_total = context.dirty_blocks;
  row.stale_slots = result.stale_slots;
  row.flush_ranges = result.ranges;
  row.hull_pages = result.hull_pages;
  row.shootdown_calls = result.calls;
  return row;
}

}  // namespace

std::vector<MeasurementRow> make_rows(const RowContext& context, std::size_t walk,
                                      unsigned repetition, WalkResult* result) {
  const ShootdownKind kind = context.group.axes.shootdown;
  MeasurementRow initiator = common_row(context, walk, repetition, *result);
  put_proof(*result, context.placement, interrupts(kind), &initiator);
  put_oracle(result->oracle, result->stale_slots != 0, &initiator);

  std::vector<MeasurementRow> rows;
  const auto add_metric = [&](const char* metric, SampleBuffer<Ticks>* samples) {
    initiator.metric = metric;
    initiator.statistics = summary_in_ns(samples->values(), context.clock);
    rows.push_back(initiator);
  };
  add_metric("flush_time", &result->flush);
  if (kind != ShootdownKind::none) {
    add_metric("walk_time", &result->walk);
    add_metric("shootdown_time", &result->shootdown);
  }
  add_stall_rows(initiator, context.clock, result, &rows);
  const auto add_part = [&](const char* metric, bool shoots, std::optional<PartAlone>* part) {
    if (!part->has_value()) {
      return;
    }
    MeasurementRow row = common_row(context, walk, repetition, *result);
    put_proof(**part, context.placement, shoots && interrupts(kind), &row);
    row.metric = metric;
    row.statistics = summary_in_ns((*part)->time.values(), context.clock);
    rows.push_back(row);
  };
  add_part("walk_alone_time", false, &result->walk_alone);
  add_part("shootdown_alone_time", true, &result->shootdown_alone);
  return rows;
}

}  // namespace flushwalk
