// Counter rows: counters.csv, one row per case x repetition x thread x counter, and the metrics
// that follow from them.
//
// The columns stand in one table (counter_rows.cc); reports/SCHEMA.md describes them for readers,
// and a test holds the two equal. A counter that was not counted has no value, never a zero.
#ifndef FLUSHWALK_BENCH_COUNTERS_COUNTER_ROWS_H_
#define FLUSHWALK_BENCH_COUNTERS_COUNTER_ROWS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/counters/counters.h"
#include "bench/counters/thread_counters.h"

namespace flushwalk {

inline constexpr unsigned kCounterSchemaVersion = 1;

struct CounterRow {
  // As in the rows of measurements.csv that it stands beside.
  std::string bench;
  std::string case_name;
  unsigned repetition = 0;
  std::string role;
  unsigned cpu = 0;

  std::string counter;
  std::string kind;  // an EventKind, or "metric"
  std::optional<std::uint64_t> raw;
  std::optional<std::uint64_t> time_enabled;
  std::optional<std::uint64_t> time_running;
  std::optional<double> scaled;
  std::string operation;  // what per_operation is of
  std::uint64_t operations = 0;
  std::optional<double> per_operation;
  CounterStatus status = CounterStatus::counted;
  std::string reason;

  std::uint64_t shootdowns_expected = 0;
  std::uint64_t shootdowns_proven = 0;
  std::string invalid_reason;  // of the times beside it
};

struct CounterColumn {
  std::string_view name;
  std::string_view type;
  bool may_be_empty;
  std::string (*cell)(const CounterRow&);
};

std::span<const CounterColumn> counter_columns();
std::vector<std::string> counter_header();
std::vector<std::string> counter_cells(const CounterRow& row);

// What one case did in one repetition, all its timed parts together.
struct CaseWork {
  std::string operation = "flush";  // what one sample is
  std::uint64_t operations = 0;
  std::uint64_t visited_blocks = 0;
  std::uint64_t shootdowns = 0;  // calls that were to reach other CPUs
};

// The rows of one thread: its counters in the plan's order, then the metrics of its side that can
// be had from them. like: bench, case, repetition, role, CPU and proof.
std::vector<CounterRow> make_counter_rows(const Counters& counters,
                                          const std::vector<CounterResult>& results,
                                          const CaseWork& work, const CounterRow& like);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_COUNTERS_COUNTER_ROWS_H_
