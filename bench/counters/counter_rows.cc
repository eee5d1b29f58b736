#include "bench/counters/counter_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace flushwalk {
namespace {

using Row = CounterRow;

std::string to_cell(std::uint64_t value) { return fmt::format("{}", value); }
std::string to_cell(const std::optional<std::uint64_t>& value) {
  return value ? to_cell(*value) : "";
}
// Six digits behind the point: a page fault in a million flushes is still seen.
std::string to_cell(const std::optional<double>& value) {
  return value ? fmt::format("{:.6f}", *value) : "";
}

constexpr std::array kColumns = {
    CounterColumn{"schema_version", "integer", false,
                  [](const Row&) { return to_cell(std::uint64_t{kCounterSchemaVersion}); }},
    CounterColumn{"bench", "text", false, [](const Row& row) { return row.bench; }},
    CounterColumn{"case", "text", false, [](const Row& row) { return row.case_name; }},
    CounterColumn{"repetition", "integer", false,
                  [](const Row& row) { return to_cell(std::uint64_t{row.repetition}); }},
    CounterColumn{"role", "text", false, [](const Row& row) { return row.role; }},
    CounterColumn{"cpu", "integer", false,
                  [](const Row& row) { return to_cell(std::uint64_t{row.cpu}); }},
    CounterColumn{"counter", "text", false, [](const Row& row) { return row.counter; }},
    CounterColumn{"kind", "text", false, [](const Row& row) { return row.kind; }},
    CounterColumn{"raw", "integer", true, [](const Row& row) { return to_cell(row.raw); }},
    CounterColumn{"time_enabled_ns", "integer", true,
                  [](const Row& row) { return to_cell(row.time_enabled); }},
    CounterColumn{"time_running_ns", "integer", true,
                  [](const Row& row) { return to_cell(row.time_running); }},
    CounterColumn{"scaled", "decimal", true, [](const Row& row) { return to_cell(row.scaled); }},
    CounterColumn{"operation", "text", false, [](const Row& row) { return row.operation; }},
    CounterColumn{"operations", "integer", false,
                  [](const Row& row) { return to_cell(row.operations); }},
    CounterColumn{"per_operation", "decimal", true,
                  [](const Row& row) { return to_cell(row.per_operation); }},
    CounterColumn{"status", "text", false,
                  [](const Row& row) { return std::string(name_of(row.status)); }},
    CounterColumn{"reason", "text", true, [](const Row& row) { return row.reason; }},
    CounterColumn{"shootdowns_expected", "integer", false,
                  [](const Row& row) { return to_cell(row.shootdowns_expected); }},
    CounterColumn{"shootdowns_proven", "integer", false,
                  [](const Row& row) { return to_cell(row.shootdowns_proven); }},
    CounterColumn{"valid", "boolean", false,
                  [](const Row& row) -> std::string {
                    return row.invalid_reason.empty() ? "true" : "false";
                  }},
    CounterColumn{"invalid_reason", "text", true,
                  [](const Row& row) { return row.invalid_reason; }},
};

// The counter of that name, if it was counted.
const CounterResult* counted(std::string_view name, const CounterPlan& plan,
                             const std::vector<CounterResult>& results) {
  for (std::size_t i = 0; i < plan.counters.size(); ++i) {
    if (plan.counters[i].event.name.text == name && results[i].counted()) {
      return &results[i];
    }
  }
  return nullptr;
}

// nullopt: one of its events was not counted, or there is nothing to divide by.
std::optional<CounterRow> metric_row(const Metric& metric, const CounterPlan& plan,
                                     const std::vector<CounterResult>& results,
                                     const CaseWork& work, const CounterRow& like) {
  CounterRow row = like;
  row.counter = metric.name;
  row.kind = "metric";
  const bool blocks = metric.divisor == Divisor::visited_block;
  row.operation = blocks ? "visited_block" : "shootdown";
  row.operations = blocks ? work.visited_blocks : work.shootdowns;
  double sum = 0;
  for (const std::string_view name : parts_of(metric.sum, '+')) {
    const CounterResult* const result = counted(name, plan, results);
    if (result == nullptr) {
      return std::nullopt;
    }
    sum += result->scaled().value_or(0);
    if (result->status == CounterStatus::multiplexed) {
      row.status = CounterStatus::multiplexed;
    }
  }
  if (row.operations == 0) {
    return std::nullopt;
  }
  row.scaled = sum;
  row.per_operation = sum / static_cast<double>(row.operations);
  return row;
}

bool is_of(Side side, const std::string& role) {
  return side == Side::either || (side == Side::responder) == (role == "responder");
}

CounterRow counter_row(const PlannedCounter& counter, const CounterResult& result,
                       const CaseWork& work, const CounterRow& like) {
  CounterRow row = like;
  row.counter = counter.event.name.text;
  row.kind = name_of(counter.event.kind);
  row.operation = work.operation;
  row.operations = work.operations;
  row.status = result.status;
  row.reason = result.reason;
  row.time_enabled = result.time_enabled;
  row.time_running = result.time_running;
  row.scaled = result.scaled();
  if (row.scaled) {
    row.raw = result.raw;
    if (row.operations != 0) {
      row.per_operation = *row.scaled / static_cast<double>(row.operations);
    }
  }
  return row;
}

}  // namespace

std::span<const CounterColumn> counter_columns() { return kColumns; }

std::vector<std::string> counter_header() {
  std::vector<std::string> header;
  for (const CounterColumn& column : kColumns) {
    header.emplace_back(column.name);
  }
  return header;
}

std::vector<std::string> counter_cells(const CounterRow& row) {
  std::vector<std::string> cells;
  cells.reserve(kColumns.size());
  for (const CounterColumn& column : kColumns) {
    cells.push_back(column.cell(row));
  }
  return cells;
}

std::vector<CounterRow> make_counter_rows(const Counters& counters,
                                          const std::vector<CounterResult>& results,
                                          const CaseWork& work, const CounterRow& like) {
  const CounterPlan& plan = counters.plan();
  std::vector<CounterRow> rows;
  for (std::size_t i = 0; i < plan.counters.size(); ++i) {
    rows.push_back(counter_row(plan.counters[i], results[i], work, like));
  }
  for (const Metric* const metric : counters.metrics()) {
    if (is_of(metric->side, like.role)) {
      if (auto row = metric_row(*metric, plan, results, work, like)) {
        rows.push_back(*std::move(row));
      }
    }
  }
  return rows;
}

}  // namespace flushwalk
