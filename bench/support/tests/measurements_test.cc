#include "bench/support/measurements.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace flushwalk {
namespace {

using testing::ElementsAreArray;

struct Described {
  std::string name;
  std::string type;
  bool may_be_empty = false;

  friend bool operator==(const Described&, const Described&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Described& column) {
    return out << column.name << " " << column.type << (column.may_be_empty ? " or empty" : "");
  }
};

std::string without_spaces(std::string text) {
  std::erase(text, ' ');
  return text;
}

// The table under "## measurements.csv".
std::vector<Described> described_columns(const std::string& path) {
  std::ifstream file(path);
  std::vector<Described> columns;
  bool in_section = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("## ")) {
      in_section = line == "## measurements.csv";
    }
    if (!in_section || !line.starts_with("| `")) {
      continue;
    }
    std::istringstream cells(line.substr(1));
    std::string name;
    std::string type;
    std::string empty;
    std::getline(cells, name, '|');
    std::getline(cells, type, '|');
    std::getline(cells, empty, '|');
    name = without_spaces(name);
    columns.push_back(
        {name.substr(1, name.size() - 2), without_spaces(type), without_spaces(empty) != "no"});
  }
  return columns;
}

// A row in which every cell differs from every other, by column.
MeasurementRow distinct_row() {
  MeasurementRow row;
  row.bench = "flush_walk_bench";
  row.case_name = "flush_walk/walk:xarray";
  row.repetition = 1;
  row.role = "initiator";
  row.cpu = 2;
  row.metric = "flush_time";
  row.unit = "us";
  row.statistics = Summary{.5, 10, 50.25, 90, 99, 999, 1000.0625, 60, 12345};
  row.revision = "p3";
  row.workload = "churn";
  row.walk = "xarray";
  row.check = "locked";
  row.gather = "hull";
  row.shootdown = "mprotect_range";
  row.blocks = 4096;
  row.full_percent = 51;
  row.dirty_percent = 11;
  row.dirty_slots = 3;
  row.spread = "listed";
  row.descriptors = "shuffled";
  row.index = "dense";
  row.queues = 4;
  row.threads = 12;
  row.pages = 13;
  row.freeing = "other_cpu";
  row.flusher = "unmap_aliases";
  row.last_free = "closed_window";
  row.flush_every = 16;
  row.container = "judy";
  row.operation = "load";
  row.arm = "untouched";
  row.keys = "random";
  row.entries = 14;
  row.ranges = 15;
  row.gap_pages = 17;
  row.working_set_pages = 18;
  row.code = "by_hand";
  row.page_size = "2m";
  row.responder_does = "spin";
  row.rate = 126;
  row.initiators = 127;
  row.injected_delay_ns = 19;
  row.responders = 5;
  row.placement = "compact";
  row.initiator_cpu = 6;
  row.responder_cpus = {7, 9, 8};
  row.memory_node = 3;
  row.block_slots = 1024;
  row.order_seed = 4294967295;
  row.operations = 100;
  row.visited_blocks = 101;
  row.listed_blocks = 102;
  row.block_locks = 103;
  row.dirty_blocks = 104;
  row.dirty_blocks_total = 105;
  row.purged_blocks = 116;
  row.created_blocks = 117;
  row.failed_allocs = 118;
  row.stale_slots = 106;
  row.probed_pages = 123;
  row.stale_aliases = 124;
  row.window_aliases = 125;
  row.flushes = 119;
  row.flushed_pages = 120;
  row.flush_ranges = 107;
  row.hull_pages = 18446744073709551615U;
  row.shootdown_calls = 109;
  row.exact_flushes = 122;
  row.lock_waits = 121;
  row.unproven_operations = 128;
  row.unproven_away = 129;
  row.unproven_ran_on = 130;
  row.unproven_long = 131;
  row.stray_gaps = 132;
  row.shootdowns_expected = 110;
  row.shootdowns_proven = 111;
  row.tlb_interrupts = 112;
  row.context_switches = 113;
  row.migrations = 114;
  row.page_faults = 115;
  return row;
}

std::map<std::string, std::string> by_column(const MeasurementRow& row) {
  const std::vector<std::string> header = measurement_header();
  const std::vector<std::string> cells = measurement_cells(row);
  EXPECT_EQ(header.size(), cells.size());
  std::map<std::string, std::string> result;
  for (std::size_t i = 0; i < header.size(); ++i) {
    result[header[i]] = cells[i];
  }
  return result;
}

TEST(MeasurementColumns, AreThoseOfTheDescriptionInItsOrder) {
  std::vector<Described> in_code;
  for (const MeasurementColumn& column : measurement_columns()) {
    in_code.push_back({std::string(column.name), std::string(column.type), column.may_be_empty});
  }
  EXPECT_THAT(in_code, ElementsAreArray(described_columns(FLUSHWALK_SCHEMA_PATH)));
}

TEST(MeasurementColumns, HaveNamesOfTheirOwn) {
  const std::vector<std::string> header = measurement_header();
  EXPECT_EQ(std::set<std::string>(header.begin(), header.end()).size(), header.size());
}

TEST(MeasurementCells, EveryColumnHoldsItsOwnMember) {
  const std::map<std::string, std::string> expected = {
      {"schema_version", "1"},
      {"bench", "flush_walk_bench"},
      {"case", "flush_walk/walk:xarray"},
      {"repetition", "1"},
      {"role", "initiator"},
      {"cpu", "2"},
      {"metric", "flush_time"},
      {"unit", "us"},
      {"min", "0.500"},
      {"p10", "10.000"},
      {"p50", "50.250"},
      {"p90", "90.000"},
      {"p99", "99.000"},
      {"p999", "999.000"},
      {"max", "1000.062"},
      {"mean", "60.000"},
      {"samples", "12345"},
      {"revision", "p3"},
      {"workload", "churn"},
      {"walk", "xarray"},
      {"check", "locked"},
      {"gather", "hull"},
      {"shootdown", "mprotect_range"},
      {"blocks", "4096"},
      {"full_percent", "51"},
      {"dirty_percent", "11"},
      {"dirty_slots", "3"},
      {"spread", "listed"},
      {"descriptors", "shuffled"},
      {"index", "dense"},
      {"queues", "4"},
      {"threads", "12"},
      {"pages", "13"},
      {"freeing", "other_cpu"},
      {"flusher", "unmap_aliases"},
      {"last_free", "closed_window"},
      {"flush_every", "16"},
      {"container", "judy"},
      {"operation", "load"},
      {"arm", "untouched"},
      {"keys", "random"},
      {"entries", "14"},
      {"ranges", "15"},
      {"gap_pages", "17"},
      {"working_set_pages", "18"},
      {"code", "by_hand"},
      {"page_size", "2m"},
      {"responder_does", "spin"},
      {"rate", "126"},
      {"initiators", "127"},
      {"injected_delay_ns", "19"},
      {"responders", "5"},
      {"placement", "compact"},
      {"initiator_cpu", "6"},
      {"responder_cpus", "7 9 8"},
      {"memory_node", "3"},
      {"block_slots", "1024"},
      {"order_seed", "4294967295"},
      {"operations", "100"},
      {"visited_blocks", "101"},
      {"listed_blocks", "102"},
      {"block_locks", "103"},
      {"dirty_blocks", "104"},
      {"dirty_blocks_total", "105"},
      {"purged_blocks", "116"},
      {"created_blocks", "117"},
      {"failed_allocs", "118"},
      {"stale_slots", "106"},
      {"probed_pages", "123"},
      {"stale_aliases", "124"},
      {"window_aliases", "125"},
      {"flushes", "119"},
      {"flushed_pages", "120"},
      {"flush_ranges", "107"},
      {"hull_pages", "18446744073709551615"},
      {"shootdown_calls", "109"},
      {"exact_flushes", "122"},
      {"lock_waits", "121"},
      {"unproven_operations", "128"},
      {"unproven_away", "129"},
      {"unproven_ran_on", "130"},
      {"unproven_long", "131"},
      {"stray_gaps", "132"},
      {"shootdowns_expected", "110"},
      {"shootdowns_proven", "111"},
      {"tlb_interrupts", "112"},
      {"context_switches", "113"},
      {"migrations", "114"},
      {"page_faults", "115"},
      {"valid", "true"},
      {"invalid_reason", ""},
  };
  EXPECT_EQ(by_column(distinct_row()), expected);
}

TEST(MeasurementCells, UnknownIsEmptyAndNotZero) {
  const auto cells = by_column(MeasurementRow{});
  for (const char* name :
       {"min", "p10", "p50", "p90", "p99", "p999", "max", "mean", "tlb_interrupts",
        "context_switches", "migrations", "page_faults", "responder_cpus", "invalid_reason",
        "revision", "blocks", "visited_blocks", "stale_slots", "lock_waits"}) {
    EXPECT_EQ(cells.at(name), "") << name;
  }
  EXPECT_EQ(cells.at("samples"), "0");
  EXPECT_EQ(cells.at("unit"), "ns");
}

TEST(MeasurementCells, OnlyColumnsThatMayBeEmptyAreEmptyInAFullRow) {
  MeasurementRow row = distinct_row();
  row.add_invalid_reason("planted");
  const std::vector<std::string> cells = measurement_cells(row);
  for (std::size_t i = 0; i < cells.size(); ++i) {
    EXPECT_FALSE(cells[i].empty()) << measurement_columns()[i].name;
  }
}

TEST(MeasurementRow, KeepsAllReasonsWhyItIsInvalid) {
  MeasurementRow row;
  EXPECT_TRUE(row.valid());
  row.add_invalid_reason("98 of 100 shootdowns proven");
  row.add_invalid_reason("3 migrations");
  EXPECT_FALSE(row.valid());
  const auto cells = by_column(row);
  EXPECT_EQ(cells.at("valid"), "false");
  EXPECT_EQ(cells.at("invalid_reason"), "98 of 100 shootdowns proven; 3 migrations");
}

}  // namespace
}  // namespace flushwalk
