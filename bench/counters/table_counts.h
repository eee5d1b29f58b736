// Table counts: rows of the kernel's own tables, /proc/interrupts and /proc/vmstat, read before and
// after a batch of timed parts. Reading takes tens of us, so what the thread does between the timed
// parts of a batch is in these counts, too.
#ifndef FLUSHWALK_BENCH_COUNTERS_TABLE_COUNTS_H_
#define FLUSHWALK_BENCH_COUNTERS_TABLE_COUNTS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/counters/counter_plan.h"
#include "bench/support/kernel_tables.h"

namespace flushwalk {

// The table rows that a name stands for: itself, or, with a * at its end, each that begins so. A
// row that is not there is one counter with a fault. root: a folder that stands for /.
std::vector<PlannedCounter> plan_table(const EventName& name, const std::string& root = "");

class TableCounts {
 public:
  // Of the plan's counters those of tables that have no fault.
  explicit TableCounts(const CounterPlan& plan, std::string root = "");

  bool empty() const { return counters_.empty(); }
  // A batch begins; and ends: what moved meanwhile is added to the rival's.
  void begin();
  void end(std::size_t rival);

  // What moved in the rival's batches: of interrupts on that CPU, of vmstat on the whole machine.
  // nullopt: not read, or not to be told. counter: the plan's index.
  std::optional<std::uint64_t> moved(std::size_t rival, std::size_t counter, unsigned cpu) const;
  void forget(std::size_t rival) {
    if (rival < rivals_.size()) {
      rivals_[rival].clear();
    }
  }

 private:
  struct Counter {
    std::size_t index;  // the plan's
    bool per_cpu;       // of /proc/interrupts
    std::string row;
  };
  struct Reading {
    std::vector<std::optional<InterruptRow>> rows;  // by counters_
    std::vector<std::optional<std::uint64_t>> counts;
  };

  Reading read() const;

  std::string root_;
  std::vector<Counter> counters_;
  Reading before_;
  // by rival, by counters_: by CPU, or one for the machine
  std::vector<std::vector<std::vector<std::pair<unsigned, std::uint64_t>>>> rivals_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_COUNTERS_TABLE_COUNTS_H_
