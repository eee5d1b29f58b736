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

// Makes a row invalid, unless the reason is empty. Reasons given one after the other are all kept,
// with "; " between them.
void add_invalid_reason(std::string_view reason, std::string* reasons);

// "1 page fault", "2 page faults"; "2 context switches".
std::string counted(std::uint64_t count, std::string_view noun);

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

  // Axes. Empty where the bench has no such axis.
  std::string revision;
  std::string workload;
  std::string walk;
  std::string check;
  std::string gather;
  std::string shootdown;
  std::optional<std::uint64_t> blocks;
  std::optional<std::uint64_t> full_percent;
  std::optional<std::uint64_t> dirty_percent;
  std::optional<std::uint64_t> dirty_slots;
  std::string spread;
  std::string descriptors;
  std::string index;
  std::optional<std::uint64_t> queues;
  std::optional<std::uint64_t> threads;
  std::optional<std::uint64_t> pages;
  std::string freeing;
  std::string flusher;
  std::string last_free;
  std::optional<std::uint64_t> flush_every;
  std::string container;
  std::string operation;
  std::string arm;
  std::string keys;
  std::optional<std::uint64_t> entries;
  std::optional<std::uint64_t> ranges;
  std::optional<std::uint64_t> gap_pages;
  std::optional<std::uint64_t> working_set_pages;
  std::string code;
  std::string page_size;
  std::string responder_does;
  std::optional<std::uint64_t> rate;
  std::optional<std::uint64_t> initiators;
  std::optional<std::uint64_t> injected_delay_ns;
  std::optional<std::uint64_t> responders;
  std::string placement;
  unsigned initiator_cpu = 0;
  std::vector<unsigned> responder_cpus;
  std::optional<std::uint64_t> memory_node;
  std::optional<std::uint64_t> block_slots;
  std::uint32_t order_seed = 0;  // the session puts it in

  // Outcomes. Empty where the bench does not count such a thing.
  std::optional<std::uint64_t> operations;
  std::optional<std::uint64_t> visited_blocks;
  std::optional<std::uint64_t> listed_blocks;
  std::optional<std::uint64_t> block_locks;
  std::optional<std::uint64_t> dirty_blocks;
  std::optional<std::uint64_t> dirty_blocks_total;
  std::optional<std::uint64_t> purged_blocks;
  std::optional<std::uint64_t> created_blocks;
  std::optional<std::uint64_t> failed_allocs;
  std::optional<std::uint64_t> stale_slots;
  std::optional<std::uint64_t> probed_pages;
  std::optional<std::uint64_t> stale_aliases;
  std::optional<std::uint64_t> window_aliases;
  std::optional<std::uint64_t> flushes;
  std::optional<std::uint64_t> flushed_pages;
  std::optional<std::uint64_t> flush_ranges;
  std::optional<std::uint64_t> hull_pages;
  std::optional<std::uint64_t> shootdown_calls;
  std::optional<std::uint64_t> exact_flushes;
  std::optional<std::uint64_t> lock_waits;
  std::optional<std::uint64_t> unproven_operations;
  std::optional<std::uint64_t> unproven_away;
  std::optional<std::uint64_t> unproven_ran_on;
  std::optional<std::uint64_t> unproven_long;
  std::optional<std::uint64_t> stray_gaps;

  std::uint64_t shootdowns_expected = 0;
  std::uint64_t shootdowns_proven = 0;
  std::optional<std::uint64_t> tlb_interrupts;
  std::optional<std::uint64_t> context_switches;
  std::optional<std::uint64_t> migrations;
  std::optional<std::uint64_t> page_faults;
  std::string invalid_reason;  // empty: the row is valid

  bool valid() const { return invalid_reason.empty(); }
  void add_invalid_reason(std::string_view reason) {
    flushwalk::add_invalid_reason(reason, &invalid_reason);
  }
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
