#include "bench/shootdown/throughput_rows.h"

#include <fmt/core.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/shootdown/throughput_measurement.h"

namespace flushwalk {
namespace {

// The CPUs of threads: the initiator's is the first.
unsigned cpu_of(const topology::Placement& placement, std::size_t thread) {
  return static_cast<unsigned>(thread == 0 ? placement.initiator
                                           : placement.responders[thread - 1]);
}

// Each thread's CPU takes an interrupt for each operation of the others. Where the kernel counted
// fewer, somebody was not there to be interrupted: another process ran on that CPU, or a hypervisor
// had stopped the virtual CPU, whose TLB a paravirtual flush leaves for later. What the others did
// meanwhile looks cheap.
std::string why_not_interrupted(const ShootdownRowContext& context, Arm arm,
                                const ThroughputResult& result) {
  MeasurementRow reasons;
  const Operation operation = context.group.operation;
  if (!interrupts(operation, arm) || !flushes_tlb(operation_of(operation, arm))) {
    return {};
  }
  std::uint64_t all = 0;
  for (const std::vector<Ticks>& times : result.times) {
    all += times.size();
  }
  for (std::size_t i = 0; i < result.responders.size(); ++i) {
    const std::optional<std::uint64_t> taken = result.responders[i].tlb_interrupts;
    const std::uint64_t expected = (all - result.times[i].size()) * result.calls;
    if (taken && *taken * 100 < expected * kLeastProvenPercent) {
      reasons.add_invalid_reason(fmt::format("{} TLB interrupts for {} shootdowns on CPU {}",
                                             *taken, expected, cpu_of(context.placement, i)));
    }
  }
  return reasons.invalid_reason;
}

// The row of all threads: their counts added up, and what spoils them.
MeasurementRow row_of_all(const ShootdownRowContext& context, Arm arm, unsigned repetition,
                          const ThroughputResult& result) {
  MeasurementRow row = shootdown_axes_row(context.group, arm, repetition);
  row.operations = 1;
  row.shootdown_calls = result.calls;
  // A context switch is a wait for a lock here, and undoing an operation faults: both belong to it.
  put_proof(result, context.placement, false, &row);
  row.add_invalid_reason(why_not_interrupted(context, arm, result));
  row.page_faults = std::nullopt;
  row.context_switches = 0;
  for (std::size_t i = 0; i < result.counts.size(); ++i) {
    const ThreadCounts& counts = result.counts[i];
    *row.context_switches += counts.context_switches();
    if (counts.migrations) {
      row.migrations = row.migrations.value_or(0) + *counts.migrations;
    }
    if (counts.migrations.value_or(0) != 0) {
      row.add_invalid_reason(fmt::format("{} of the thread on CPU {}",
                                         counted(*counts.migrations, "migration"),
                                         cpu_of(context.placement, i)));
    }
  }
  return row;
}

}  // namespace

std::vector<MeasurementRow> make_throughput_rows(const ShootdownRowContext& context, Arm arm,
                                                 unsigned repetition, ThroughputResult* result) {
  MeasurementRow row = row_of_all(context, arm, repetition, *result);
  row.role = "all";
  row.metric = "throughput";
  row.unit = "operations/s";
  row.statistics = summarize(result->throughput);
  std::vector<MeasurementRow> rows{row};
  for (std::size_t i = 0; i < result->times.size(); ++i) {
    const ThreadCounts& counts = result->counts[i];
    row.role = "initiator";
    row.cpu = cpu_of(context.placement, i);
    row.metric = "contended_operation_time";
    row.unit = "ns";
    row.statistics = summary_in_ns(result->times[i], context.clock);
    row.tlb_interrupts = result->responders[i].tlb_interrupts;
    row.context_switches = counts.context_switches();
    row.migrations = counts.migrations;
    rows.push_back(row);
  }
  return rows;
}

CaseOutcome make_throughput_outcome(const ShootdownRowContext& context, Arm arm,
                                    unsigned repetition, ThroughputResult* result) {
  CaseOutcome outcome;
  for (const Ticks ticks : result->times.front()) {
    outcome.times_ns.push_back(context.clock.ticks_to_ns(ticks));
  }
  outcome.rows = make_throughput_rows(context, arm, repetition, result);
  const MeasurementRow& row = outcome.rows.front();
  outcome.counters = {{"throughput", row.statistics ? row.statistics->p50 : 0},
                      {"valid", row.valid() ? 1 : 0}};
  return outcome;
}

}  // namespace flushwalk
