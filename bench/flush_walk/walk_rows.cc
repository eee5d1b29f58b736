#include "bench/flush_walk/walk_rows.h"

#include <fmt/core.h>

#include <optional>
#include <span>

namespace flushwalk {
namespace {

bool enough(std::uint64_t proven, std::uint64_t expected) {
  return proven * 100 >= expected * kLeastProvenPercent;
}

std::optional<std::uint64_t> sum_of_tlb_interrupts(const WalkResult& result) {
  std::optional<std::uint64_t> sum;
  for (const ResponderResult& responder : result.responders) {
    if (responder.tlb_interrupts) {
      sum = sum.value_or(0) + *responder.tlb_interrupts;
    }
  }
  return sum;
}

std::optional<Summary> summary_in_ns(std::span<Ticks> samples, const Clock& clock) {
  const std::optional<Summary> summary = summarize(samples);
  return summary ? std::optional(summary->scaled(clock.ns_per_tick())) : std::nullopt;
}

// Axes, work and the initiator's proof: what all rows of the walk share.
MeasurementRow common_row(const RowContext& context, std::size_t walk, unsigned repetition,
                          const WalkResult& result) {
  const GroupAxes& axes = context.group.axes;
  MeasurementRow row;
  row.bench = "flush_walk_bench";
  row.case_name = case_name(axes, context.group.walks[walk]);
  row.repetition = repetition;
  row.walk = name_of(context.group.walks[walk]);
  row.check = "locked";
  row.gather = name_of(gather_for(axes.shootdown));
  row.shootdown = name_of(axes.shootdown);
  row.blocks = axes.load.blocks;
  row.full_percent = axes.load.full_percent;
  row.dirty_percent = axes.load.dirty_percent;
  row.dirty_slots = axes.load.dirty_slots;
  row.queues = axes.load.queues;
  row.responders = axes.responders;
  row.placement = context.placement.name;
  row.initiator_cpu = static_cast<unsigned>(context.placement.initiator);
  for (const int cpu : context.placement.responders) {
    row.responder_cpus.push_back(static_cast<unsigned>(cpu));
  }
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

std::string why_invalid(const WalkResult& result, bool interrupts) {
  MeasurementRow reasons;
  const auto add = [&](std::uint64_t count, const char* what) {
    if (count != 0) {
      reasons.add_invalid_reason(fmt::format("{} {} in the timed part", count, what));
    }
  };
  add(result.context_switches, "context switches");
  add(result.migrations.value_or(0), "migrations");
  add(result.page_faults, "page faults");
  if (!interrupts || result.responders.empty()) {
    return reasons.invalid_reason;
  }
  const std::uint64_t each = result.expected / result.responders.size();
  for (const ResponderResult& responder : result.responders) {
    if (responder.lost_gaps != 0) {
      reasons.add_invalid_reason(
          fmt::format("{} gaps of CPU {} did not fit", responder.lost_gaps, responder.cpu));
    }
    if (!enough(responder.proven, each)) {
      reasons.add_invalid_reason(fmt::format("{} of {} shootdowns proven by gaps on CPU {}",
                                             responder.proven, each, responder.cpu));
    }
    if (responder.tlb_interrupts && !enough(*responder.tlb_interrupts, each)) {
      reasons.add_invalid_reason(fmt::format("{} TLB interrupts for {} shootdowns on CPU {}",
                                             *responder.tlb_interrupts, each, responder.cpu));
    }
  }
  return reasons.invalid_reason;
}

std::vector<MeasurementRow> make_rows(const RowContext& context, std::size_t walk,
                                      unsigned repetition, WalkResult* result) {
  const ShootdownKind kind = context.group.axes.shootdown;
  MeasurementRow initiator = common_row(context, walk, repetition, *result);
  initiator.invalid_reason = why_invalid(*result, interrupts(kind));
  initiator.role = "initiator";
  initiator.cpu = initiator.initiator_cpu;
  initiator.shootdowns_expected = result->expected;
  for (const ResponderResult& responder : result->responders) {
    initiator.shootdowns_proven += responder.proven;
  }
  initiator.tlb_interrupts = sum_of_tlb_interrupts(*result);
  initiator.context_switches = result->context_switches;
  initiator.migrations = result->migrations;
  initiator.page_faults = result->page_faults;

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
  for (ResponderResult& responder : result->responders) {
    MeasurementRow row = initiator;
    row.role = "responder";
    row.cpu = static_cast<unsigned>(responder.cpu);
    row.metric = "stall";
    row.statistics = summary_in_ns(responder.stalls, context.clock);
    row.shootdowns_expected = result->expected / result->responders.size();
    row.shootdowns_proven = responder.proven;
    row.tlb_interrupts = responder.tlb_interrupts;
    row.context_switches = responder.counts.context_switches();
    row.migrations = responder.counts.migrations;
    row.page_faults = responder.counts.page_faults();
    rows.push_back(row);
  }
  return rows;
}

}  // namespace flushwalk
