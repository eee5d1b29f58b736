// Kernel tables: what the kernel itself counted, read from its text files, as proof beside a time.
//
// Two things are read: the TLB and CAL rows of /proc/interrupts for each CPU, and the calling
// thread's context switches, migrations and page faults. Parsers take text; readers take a root
// folder, so that tests and other tools can feed recorded files. A value that the kernel does not
// tell is std::nullopt, never zero. Reading costs tens of microseconds: it belongs outside of timed
// parts.
#ifndef FLUSHWALK_BENCH_SUPPORT_KERNEL_TABLES_H_
#define FLUSHWALK_BENCH_SUPPORT_KERNEL_TABLES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flushwalk {

// The text of a file of /proc or /sys (these state no size); nullopt when it cannot be read.
std::optional<std::string> read_kernel_file(const std::string& path);

// The first value of a "key : value" line, as in /proc/cpuinfo, /proc/meminfo and /proc/PID/sched,
// without spaces around it; nullopt when there is no such line.
std::optional<std::string> keyed_value(std::string_view text, std::string_view key);

// A whole text as an unsigned decimal number; nullopt for anything else.
std::optional<std::uint64_t> parse_unsigned(std::string_view text);

// One row of /proc/interrupts. Knows only the CPUs that were online.
class InterruptRow {
 public:
  void set(unsigned cpu, std::uint64_t count) { counts_.emplace_back(cpu, count); }
  // cpu: the kernel's number, not the column's.
  std::optional<std::uint64_t> on_cpu(unsigned cpu) const;
  std::size_t cpus() const { return counts_.size(); }
  std::vector<unsigned> numbers() const {
    std::vector<unsigned> cpus;
    for (const auto& [cpu, count] : counts_) {
      cpus.push_back(cpu);
    }
    return cpus;
  }

 private:
  std::vector<std::pair<unsigned, std::uint64_t>> counts_;
};

struct InterruptCounts {
  std::optional<InterruptRow>
      tlb;  // TLB shootdowns taken (x86; arm64 broadcasts without interrupts)
  std::optional<InterruptRow> cal;  // function call interrupts
};

InterruptCounts parse_interrupts(std::string_view text);
// One row of the text of /proc/interrupts by its name ("TLB", "CAL", "0"), and the names of all.
std::optional<InterruptRow> parse_interrupt_row(std::string_view text, std::string_view name);
std::vector<std::string> interrupt_row_names(std::string_view text);

// A row of the text of /proc/vmstat ("nr_tlb_remote_flush 12"), and the names of all.
std::optional<std::uint64_t> parse_vmstat_row(std::string_view text, std::string_view name);
std::vector<std::string> vmstat_row_names(std::string_view text);

InterruptCounts read_interrupts(const std::string& root = "");

// How far a row moved on one CPU. The kernel keeps these counts in 32 bits: a count that wrapped
// between the two readings still gives the right difference. nullopt when either reading does not
// know the CPU.
std::optional<std::uint64_t> interrupts_between(const std::optional<InterruptRow>& before,
                                                const std::optional<InterruptRow>& after,
                                                unsigned cpu);

// Counts of one thread since it began, or between two readings.
struct ThreadCounts {
  std::uint64_t voluntary_switches = 0;
  std::uint64_t involuntary_switches = 0;
  std::uint64_t minor_faults = 0;
  std::uint64_t major_faults = 0;
  std::optional<std::uint64_t> migrations;  // nullopt where the kernel has no /proc/PID/sched

  std::uint64_t context_switches() const { return voluntary_switches + involuntary_switches; }
  std::uint64_t page_faults() const { return minor_faults + major_faults; }

  // later - earlier, both of the same thread.
  friend ThreadCounts operator-(const ThreadCounts& later, const ThreadCounts& earlier);
  friend bool operator==(const ThreadCounts&, const ThreadCounts&) = default;
};

// The migrations in the text of /proc/PID/sched.
std::optional<std::uint64_t> parse_migrations(std::string_view sched_text);

// The calling thread's counts, just before and just after a part that is to be proven. They differ
// in the order of reading: the switches and faults that reading itself may cause stay outside of
// the difference.
ThreadCounts thread_counts_before(const std::string& root = "");
ThreadCounts thread_counts_after(const std::string& root = "");

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_KERNEL_TABLES_H_
