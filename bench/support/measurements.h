// Measurements: the rows of measurements.csv.
//
// A row is one case x repetition x role x metric, with its statistics, its axes and its proof. The
// columns stand in one table (measurements.cc); reports/SCHEMA.md describes them for readers, and a
// test holds the two equal. A new column is a member here, a line there and a line in the
// description.
#ifndef FLUSHWALK_BENCH_SUPPORT_MEASUREMENTS_H_
#define FLUSHWALK_BENCH_SUPPORT_MEASUREMENTS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/support/statistics.h"

namespace flushwalk {

inline constexpr unsigned kMeasurementSchemaVersion = 1;

// Members in the order of the columns; reports/SCHEMA.md tells their meaning. An optional member
// without a value is an empty cell: the kernel did not tell.
struct MeasurementRow {
  std::string bench;
  std::string case_name;
  unsigned repetition = 0;
  std::string role;
  unsigned cpu = 0;
  std::string metric;
  std::string unit = "ns";
  std::optional<Summary> statistics;  // in `unit`; nullopt: no samples

  std::string walk;
  std::string check;
  std::string gather;
  std::string shootdown;
  std::uint64_t blocks = 0;
  unsigned full_percent = 0;
  unsigned dirty_percent = 0;
  unsigned dirty_slots = 0;
  unsigned queues = 0;
  unsigned responders = 0;
  std::string placement;
  unsigned initiator_cpu = 0;
  std::vector<unsigned> responder_cpus;
  unsigned block_slots = 0;

  std::uint64_t visited_blocks = 0;
  std::uint64_t listed_blocks = 0;
  std::uint64_t block_locks = 0;
  std::uint64_t dirty_blocks = 0;
  std::uint64_t dirty_blocks_total = 0;
  std::uint64_t stale_slots = 0;
  std::uint64_t flush_ranges = 0;
  std::uint64_t hull_pages = 0;
  std::uint64_t shootdown_calls = 0;

  std::uint64_t shootdowns_expected = 0;
  std::uint64_t shootdowns_proven = 0;
  std::optional<std::uint64_t> tlb_interrupts;
  std::optional<std::uint64_t> context_switches;
  std::optional<std::uint64_t> migrations;
  std::optional<std::uint64_t> page_faults;
  std::string invalid_reason;  // empty: the row is valid

  bool valid() const { return invalid_reason.empty(); }
  // Makes the row invalid. Reasons given one after the other are all kept, with "; " between them.
  void add_invalid_reason(std::string_view reason);
};

struct MeasurementColumn {
  std::string_view name;
  std::string_view type;  // text, integer, decimal, boolean or list
  bool may_be_empty;
  std::string (*cell)(const MeasurementRow&);
};

// All columns, in the order of the file.
std::span<const MeasurementColumn> measurement_columns();

std::vector<std::string> measurement_header();

// As many cells as there are columns, unquoted.
std::vector<std::string> measurement_cells(const MeasurementRow& row);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_MEASUREMENTS_H_
