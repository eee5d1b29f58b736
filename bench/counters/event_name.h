// Event name: what a user writes for one counter, taken apart. Pure text: whether there is such an
// event here is the encoder's to tell (encoder.h).
//
//   cycles:k, dtlb_load_misses.walk_completed, skl::tlb_flush.dtlb_thread   libpfm's names
//   tlb:tlb_flush, tlb:tlb_flush/reason==1/                                 tracepoints, with a
//   filter /proc/interrupts:TLB, /proc/vmstat:nr_tlb_*                             rows of the
//   kernel's tables
//
// :u counts in user mode alone, :k in the kernel alone; neither, or :uk, counts in both.
#ifndef FLUSHWALK_BENCH_COUNTERS_EVENT_NAME_H_
#define FLUSHWALK_BENCH_COUNTERS_EVENT_NAME_H_

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "bench/support/bad_input.h"

namespace flushwalk {

enum class EventSource {
  pmu,         // named by libpfm: hardware, or the kernel's software events
  tracepoint,  // system:name
  table,       // file:row
};

struct EventName {
  std::string text;  // as it was written: what result files call it
  EventSource source = EventSource::pmu;
  std::string event;   // without levels and filter; of a table the file
  std::string filter;  // of a tracepoint: the kernel's filter language; empty: every hit
  std::string row;     // of a table: its row; a * at its end stands for any ending
  bool user = true;
  bool kernel = true;

  friend bool operator==(const EventName&, const EventName&) = default;
};

// The files that a row can be read from.
inline constexpr std::string_view kInterruptsTable = "/proc/interrupts";
inline constexpr std::string_view kVmstatTable = "/proc/vmstat";

std::variant<EventName, Problem> parse_event_name(std::string_view text);

// A list at its commas, except for those within a filter. Empty parts stay.
std::vector<std::string> split_event_list(std::string_view text);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_COUNTERS_EVENT_NAME_H_
