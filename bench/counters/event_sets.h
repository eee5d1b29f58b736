// Event sets: what --counters=tlb, walk, memory, software and all stand for on each vendor's CPUs,
// and what follows from the counts. Data alone: the tables are in event_table_*.cc, one file a
// vendor, and a test encodes every event in them for CPUs of each.
#ifndef FLUSHWALK_BENCH_COUNTERS_EVENT_SETS_H_
#define FLUSHWALK_BENCH_COUNTERS_EVENT_SETS_H_

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace flushwalk {

struct SetEvent {
  std::string_view sets;          // names, a space between them
  std::string_view name;          // as for --counters
  std::string_view meaning;       // for --list-counters
  std::string_view lacking = {};  // libpfm4's PMUs, of the table's, that do not have it
};

enum class Divisor {
  visited_block,  // blocks that the flushes visited
  shootdown,      // calls that flush other CPUs' TLBs
};

enum class Side { initiator, responder, either };

// A quotient: the sum of counts of one thread, divided by what the case did.
struct Metric {
  std::string_view name;
  std::string_view sum;  // events, a + between them
  Divisor divisor;
  Side side;
  std::string_view meaning;
};

struct EventTable {
  std::string_view vendor;
  std::span<const std::string_view> pmus;  // libpfm4's; empty: any CPU
  std::span<const SetEvent> events;
  std::span<const Metric> metrics;
};

// Of every CPU: cycles and instructions, software events, tracepoints, tables.
extern const EventTable kGeneralTable;
// Hardware events that perf itself maps to the CPU's: where no other table knows the CPU.
extern const EventTable kUnknownCpuTable;
extern const EventTable kIntelTable;  // Skylake to Sapphire Rapids
extern const EventTable kAmdTable;    // Zen 2 to Zen 4
extern const EventTable kArmTable;    // Neoverse

inline constexpr std::array<std::string_view, 5> kSetNames = {"tlb", "walk", "memory", "software",
                                                              "all"};
bool is_set(std::string_view name);

// The tables for a CPU with these PMUs: the general one, and its vendor's.
std::vector<const EventTable*> tables_for(const std::vector<std::string>& pmus);

// The events of a set, in the tables' order, without those that the PMU lacks. "all": of every set.
std::vector<const SetEvent*> events_of(std::string_view set, const std::vector<std::string>& pmus);

std::vector<const Metric*> metrics_for(const std::vector<std::string>& pmus);

// "a+b" in its parts, "a b" likewise.
std::vector<std::string_view> parts_of(std::string_view text, char between);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_COUNTERS_EVENT_SETS_H_
