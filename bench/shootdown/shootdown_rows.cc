#include "bench/shootdown/shootdown_rows.h"

#include <fmt/core.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "bench/shootdown/shootdown_measurement.h"

namespace flushwalk {
namespace {

// Timers interrupt, too.
bool hardly_any(std::uint64_t count, std::uint64_t all) { return count * 10 <= all; }

std::uint64_t count_unproven(const ArmResult& result) {
  std::uint64_t unproven = 0;
  for (const bool proven : result.proven) {
    unproven += proven ? 0U : 1U;
  }
  return unproven;
}

// Of operations that should interrupt nobody.
void add_strays(const ArmResult& result, MeasurementRow* reasons) {
  const std::uint64_t operations = result.operations.size();
  for (std::size_t i = 0; i < result.seen.size(); ++i) {
    const ResponderResult& responder = result.responders[i];
    const std::uint64_t stray = result.seen[i].stray;
    if (!hardly_any(stray, operations)) {
      reasons->add_invalid_reason(
          fmt::format("CPU {} stopped in {} of {} operations that should interrupt nobody",
                      responder.cpu, stray, operations));
    }
  }
}

void add_unproven(const ArmResult& result, MeasurementRow* reasons) {
  const std::uint64_t operations = result.operations.size();
  const std::uint64_t unproven = count_unproven(result);
  if ((operations - unproven) * 100 >= operations * kLeastProvenPercent) {
    return;
  }
  std::string why;
  for (const ArmResult::Seen& seen : result.seen) {
    if (!seen.why_unproven.empty()) {
      why += (why.empty() ? "" : ", ") + seen.why_unproven;
    }
  }
  reasons->add_invalid_reason(
      fmt::format("{} of {} operations not proven: {}", unproven, operations, why));
}

std::optional<Summary> summary_of(std::vector<double> samples) { return summarize(samples); }

// The role's columns of what was not proven. responder: nullptr for the initiator.
void put_unproven(const ArmResult& result, const ArmResult::Seen* responder, bool clocks_tell,
                  MeasurementRow* row) {
  ArmResult::Seen sum;
  for (const ArmResult::Seen& seen : result.seen) {
    sum.away += seen.away;
    sum.ran_on += seen.ran_on;
    sum.too_long += seen.too_long;
    sum.stray += seen.stray;
  }
  const ArmResult::Seen& of = responder != nullptr ? *responder : sum;
  if (result.expected == 0) {
    if (clocks_tell) {
      row->stray_gaps = of.stray;
    }
    return;
  }
  row->unproven_operations = responder != nullptr ? of.unproven : count_unproven(result);
  row->unproven_away = of.away;
  row->unproven_ran_on = of.ran_on;
  row->unproven_long = of.too_long;
}

class RowMaker {
 public:
  RowMaker(const ShootdownRowContext& context, MeasurementRow row, ArmResult* result)
      : context_(context), initiator_(std::move(row)), result_(*result) {}

  std::vector<MeasurementRow> make() {
    add_initiator();
    if (is_interrupted(context_.group.activity)) {
      add_responders();
    }
    return std::move(rows_);
  }

 private:
  void add(const MeasurementRow& like, const char* metric, const char* unit,
           std::optional<Summary> statistics) {
    rows_.push_back(like);
    rows_.back().metric = metric;
    rows_.back().unit = unit;
    rows_.back().statistics = statistics;
  }
  void add_ticks(const MeasurementRow& like, const char* metric, std::vector<Ticks>* samples) {
    add(like, metric, "ns", summary_in_ns(*samples, context_.clock));
  }

  void add_initiator() {
    std::vector<Ticks> good;
    std::vector<Ticks> unproven;
    const auto times = result_.times.values();
    for (std::size_t i = 0; i < times.size(); ++i) {
      (result_.proven.empty() || result_.proven[i] ? good : unproven).push_back(times[i]);
    }
    add_ticks(initiator_, "operation_time", &good);
    if (!unproven.empty()) {
      add_ticks(initiator_, "unproven_operation_time", &unproven);
    }
    std::vector<double> rates;
    for (const ShootdownWindow& batch : result_.batches) {
      const double ns = context_.clock.ticks_to_ns(batch.end - batch.begin);
      rates.push_back(static_cast<double>(batch.calls) * 1e9 / ns);
    }
    add(initiator_, "operation_rate", "operations/s", summary_of(std::move(rates)));
  }

  void add_responders() {
    std::vector<MeasurementRow> stalls;
    add_stall_rows(initiator_, context_.clock, &result_, &stalls);
    for (std::size_t i = 0; i < stalls.size(); ++i) {
      MeasurementRow& row = stalls[i];
      const ArmResult::Seen& seen = result_.seen[i];
      ResponderResult& responder = result_.responders[i];
      put_unproven(result_, &seen, true, &row);
      if (result_.expected != 0) {
        rows_.push_back(row);
      }
      add_cpu_lost(row, seen);
      if (context_.group.working_set != 0 && result_.expected != 0) {
        add_ticks(row, "read_time", &responder.first_rounds);
        add_ticks(row, "reread_time", &responder.second_rounds);
      }
    }
  }

  // Not where what undoes the operation interrupts, too.
  void add_cpu_lost(const MeasurementRow& like, const ArmResult::Seen& seen) {
    if (undone_by_flush(context_.group.operation)) {
      return;
    }
    add(like, "cpu_lost", "percent", summary_of(seen.cpu_lost));
    const std::size_t batches = result_.batches.size();
    const std::size_t preempted = batches - seen.cpu_lost.size();
    if (!hardly_any(preempted, batches)) {
      rows_.back().add_invalid_reason(
          fmt::format("another ran on CPU {} in {} of {} batches", like.cpu, preempted, batches));
    }
  }

  const ShootdownRowContext& context_;
  MeasurementRow initiator_;
  ArmResult& result_;
  std::vector<MeasurementRow> rows_;
};

}  // namespace

MeasurementRow shootdown_axes_row(const ShootdownGroup& group, Arm arm, unsigned repetition) {
  MeasurementRow row;
  row.bench = "shootdown_bench";
  row.case_name = case_name(group, arm);
  row.repetition = repetition;
  row.pages = group.pages;
  row.operation = name_of(group.operation);
  row.arm = name_of(arm);
  row.working_set_pages = group.working_set;
  row.page_size = name_of(group.page_size);
  row.responder_does = name_of(group.activity);
  row.rate = group.rate;
  row.initiators = group.initiators == 0 ? 1 : group.initiators;
  row.responders = group.responders;
  return row;
}

std::string why_operations_invalid(const ArmResult& result) {
  MeasurementRow reasons;
  if (result.expected == 0) {
    add_strays(result, &reasons);
  } else {
    add_unproven(result, &reasons);
  }
  return reasons.invalid_reason;
}

std::vector<MeasurementRow> make_shootdown_rows(const ShootdownRowContext& context, Arm arm,
                                                unsigned repetition, ArmResult* result) {
  MeasurementRow row = shootdown_axes_row(context.group, arm, repetition);
  row.operations = 1;
  row.shootdown_calls = result->calls;
  put_proof(*result, context.placement, result->expected != 0, &row);
  if (const std::string reason = why_operations_invalid(*result); !reason.empty()) {
    row.add_invalid_reason(reason);
  }
  const bool clocks_tell =
      context.group.responders != 0 && context.group.activity != Activity::sleep;
  put_unproven(*result, nullptr, clocks_tell, &row);
  return RowMaker(context, std::move(row), result).make();
}

CaseOutcome make_shootdown_outcome(const ShootdownRowContext& context, Arm arm, unsigned repetition,
                                   ArmResult* result) {
  CaseOutcome outcome;
  outcome.rows = make_shootdown_rows(context, arm, repetition, result);
  const MeasurementRow& row = outcome.rows.front();
  // Google Benchmark wants a time for each, and shows their mean: that of proven ones alone.
  const double mean = row.statistics ? row.statistics->mean : 0;
  for (std::size_t i = 0; i < result->times.size(); ++i) {
    const bool proven = result->proven.empty() || result->proven[i];
    outcome.times_ns.push_back(proven ? context.clock.ticks_to_ns(result->times.values()[i])
                                      : mean);
  }
  const double operations = static_cast<double>(result->operations.size());
  const double unproven = static_cast<double>(row.unproven_operations.value_or(0));
  outcome.counters = {{"calls", static_cast<double>(result->calls)},
                      {"proven", (operations - unproven) / operations},
                      {"valid", row.valid() ? 1 : 0}};
  return outcome;
}

}  // namespace flushwalk
