#include "bench/support/measurements.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <type_traits>

namespace flushwalk {
namespace {

std::string to_cell(const std::string& value) { return value; }
std::string to_cell(std::uint64_t value) { return fmt::format("{}", value); }
std::string to_cell(const std::vector<unsigned>& value) {
  return fmt::format("{}", fmt::join(value, " "));
}
std::string to_cell(const std::optional<std::uint64_t>& value) {
  return value ? to_cell(*value) : "";
}

template <typename T>
constexpr MeasurementColumn typed(std::string_view name,
                                  std::string (*cell)(const MeasurementRow&)) {
  if constexpr (std::is_same_v<T, std::string>) {
    return {name, "text", false, cell};
  } else if constexpr (std::is_same_v<T, std::vector<unsigned>>) {
    return {name, "list", true, cell};
  } else if constexpr (std::is_same_v<T, std::optional<std::uint64_t>>) {
    return {name, "integer", true, cell};
  } else {
    static_assert(std::is_unsigned_v<T>);
    return {name, "integer", false, cell};
  }
}

// A column that is a member as it stands.
template <auto kMember>
constexpr MeasurementColumn column(std::string_view name) {
  using T = std::remove_cvref_t<decltype(MeasurementRow{}.*kMember)>;
  return typed<T>(name, [](const MeasurementRow& row) { return to_cell(row.*kMember); });
}

// A word that a bench without the axis leaves empty.
template <auto kMember>
constexpr MeasurementColumn axis(std::string_view name) {
  return {name, "text", true, [](const MeasurementRow& row) { return row.*kMember; }};
}

// Three decimals: a picosecond is far below the tick of any clock used.
template <auto kMember>
constexpr MeasurementColumn statistic(std::string_view name) {
  return {name, "decimal", true, [](const MeasurementRow& row) {
            return row.statistics ? fmt::format("{:.3f}", (*row.statistics).*kMember) : "";
          }};
}

using Row = MeasurementRow;

constexpr std::array kColumns = {
    MeasurementColumn{"schema_version", "integer", false,
                      [](const Row&) { return to_cell(kMeasurementSchemaVersion); }},
    column<&Row::bench>("bench"),
    column<&Row::case_name>("case"),
    column<&Row::repetition>("repetition"),
    column<&Row::role>("role"),
    column<&Row::cpu>("cpu"),
    column<&Row::metric>("metric"),
    column<&Row::unit>("unit"),
    statistic<&Summary::min>("min"),
    statistic<&Summary::p10>("p10"),
    statistic<&Summary::p50>("p50"),
    statistic<&Summary::p90>("p90"),
    statistic<&Summary::p99>("p99"),
    statistic<&Summary::p999>("p999"),
    statistic<&Summary::max>("max"),
    statistic<&Summary::mean>("mean"),
    MeasurementColumn{
        "samples", "integer", false,
        [](const Row& row) { return to_cell(row.statistics ? row.statistics->samples : 0U); }},
    axis<&Row::revision>("revision"),
    axis<&Row::workload>("workload"),
    axis<&Row::walk>("walk"),
    axis<&Row::check>("check"),
    axis<&Row::gather>("gather"),
    axis<&Row::shootdown>("shootdown"),
    column<&Row::blocks>("blocks"),
    column<&Row::full_percent>("full_percent"),
    column<&Row::dirty_percent>("dirty_percent"),
    column<&Row::dirty_slots>("dirty_slots"),
    axis<&Row::spread>("spread"),
    axis<&Row::descriptors>("descriptors"),
    axis<&Row::index>("index"),
    column<&Row::queues>("queues"),
    column<&Row::threads>("threads"),
    column<&Row::pages>("pages"),
    axis<&Row::freeing>("freeing"),
    axis<&Row::flusher>("flusher"),
    axis<&Row::last_free>("last_free"),
    column<&Row::flush_every>("flush_every"),
    axis<&Row::container>("container"),
    axis<&Row::operation>("operation"),
    axis<&Row::arm>("arm"),
    axis<&Row::keys>("keys"),
    column<&Row::entries>("entries"),
    column<&Row::ranges>("ranges"),
    column<&Row::gap_pages>("gap_pages"),
    column<&Row::working_set_pages>("working_set_pages"),
    axis<&Row::code>("code"),
    axis<&Row::page_size>("page_size"),
    axis<&Row::responder_does>("responder_does"),
    column<&Row::rate>("rate"),
    column<&Row::initiators>("initiators"),
    column<&Row::injected_delay_ns>("injected_delay_ns"),
    column<&Row::responders>("responders"),
    axis<&Row::placement>("placement"),
    column<&Row::initiator_cpu>("initiator_cpu"),
    column<&Row::responder_cpus>("responder_cpus"),
    column<&Row::memory_node>("memory_node"),
    column<&Row::block_slots>("block_slots"),
    column<&Row::order_seed>("order_seed"),
    column<&Row::operations>("operations"),
    column<&Row::visited_blocks>("visited_blocks"),
    column<&Row::listed_blocks>("listed_blocks"),
    column<&Row::block_locks>("block_locks"),
    column<&Row::dirty_blocks>("dirty_blocks"),
    column<&Row::dirty_blocks_total>("dirty_blocks_total"),
    column<&Row::purged_blocks>("purged_blocks"),
    column<&Row::created_blocks>("created_blocks"),
    column<&Row::failed_allocs>("failed_allocs"),
    column<&Row::stale_slots>("stale_slots"),
    column<&Row::probed_pages>("probed_pages"),
    column<&Row::stale_aliases>("stale_aliases"),
    column<&Row::window_aliases>("window_aliases"),
    column<&Row::flushes>("flushes"),
    column<&Row::flushed_pages>("flushed_pages"),
    column<&Row::flush_ranges>("flush_ranges"),
    column<&Row::hull_pages>("hull_pages"),
    column<&Row::shootdown_calls>("shootdown_calls"),
    column<&Row::exact_flushes>("exact_flushes"),
    column<&Row::lock_waits>("lock_waits"),
    column<&Row::unproven_operations>("unproven_operations"),
    column<&Row::unproven_away>("unproven_away"),
    column<&Row::unproven_ran_on>("unproven_ran_on"),
    column<&Row::unproven_long>("unproven_long"),
    column<&Row::stray_gaps>("stray_gaps"),
    column<&Row::shootdowns_expected>("shootdowns_expected"),
    column<&Row::shootdowns_proven>("shootdowns_proven"),
    column<&Row::tlb_interrupts>("tlb_interrupts"),
    column<&Row::context_switches>("context_switches"),
    column<&Row::migrations>("migrations"),
    column<&Row::page_faults>("page_faults"),
    MeasurementColumn{"valid", "boolean", false,
                      [](const Row& row) -> std::string { return row.valid() ? "true" : "false"; }},
    MeasurementColumn{"invalid_reason", "text", true,
                      [](const Row& row) { return row.invalid_reason; }},
};

}  // namespace

std::string counted(std::uint64_t count, std::string_view noun) {
  const char* const plural = noun.ends_with("ch") ? "es" : "s";
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : plural);
}

void add_invalid_reason(std::string_view reason, std::string* reasons) {
  if (reason.empty()) {
    return;
  }
  if (!reasons->empty()) {
    *reasons += "; ";
  }
  *reasons += reason;
}

std::span<const MeasurementColumn> measurement_columns() { return kColumns; }

std::vector<std::string> measurement_header() {
  std::vector<std::string> header;
  header.reserve(kColumns.size());
  for (const MeasurementColumn& column : kColumns) {
    header.emplace_back(column.name);
  }
  return header;
}

std::vector<std::string> measurement_cells(const MeasurementRow& row) {
  std::vector<std::string> cells;
  cells.reserve(kColumns.size());
  for (const MeasurementColumn& column : kColumns) {
    cells.push_back(column.cell(row));
  }
  return cells;
}

}  // namespace flushwalk
