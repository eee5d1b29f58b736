// Case counters: the counters of all threads of a group's cases, switched on around each timed
// part.
//
//   begin_responders(rival);       // they count
//   begin(rival);                  // the calling thread does, too
//   ... the timed part ...
//   end();
//   end_responders();
//
// Each thread switches and reads its own: from another CPU both would interrupt it. What was
// counted is the rival's whose batch it was. Without counters all of this does nothing.
#ifndef FLUSHWALK_BENCH_SUPPORT_CASE_COUNTERS_H_
#define FLUSHWALK_BENCH_SUPPORT_CASE_COUNTERS_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "bench/counters/counter_rows.h"
#include "bench/counters/counters.h"
#include "bench/counters/table_counts.h"
#include "bench/counters/thread_counters.h"
#include "bench/support/measurements.h"
#include "bench/support/responders.h"

namespace flushwalk {

// Of a table, where it was not read.
inline constexpr const char* kNoTables = "tables are read only where other CPUs are interrupted";

class CaseCounters {
 public:
  // For the calling thread, which is the initiator. counters: null counts nothing. responders:
  // started with the same counters and rivals; null without any.
  CaseCounters(const Counters* counters, Responders* responders, std::size_t rivals);

  void begin_repetition();
  // A batch of one rival's timed parts. The tables are read around it only where it interrupts
  // CPUs: of the others they have nothing to tell, and reading takes longer than a walk.
  void begin_batch(bool interrupts);
  void end_batch(std::size_t rival);
  // What the calling thread counted since the last batch was a warm-up, and is nobody's.
  void drop_counts();

  void begin_responders(std::size_t rival);
  void begin(std::size_t rival);
  void end();
  void end_responders();

  // After a repetition: the rival's rows, thread by thread. rows: those of its times, which tell
  // case, roles, CPUs and proof.
  std::vector<CounterRow> take_rows(std::size_t rival, const CaseWork& work,
                                    const std::vector<MeasurementRow>& rows);

 private:
  unsigned turn(std::size_t rival) const;
  std::vector<CounterResult> with_tables(std::vector<CounterResult> results, std::size_t rival,
                                         bool initiator, unsigned cpu) const;

  const Counters* counters_;
  Responders* responders_;
  std::optional<ThreadCounters> own_;
  std::optional<TableCounts> tables_;
  std::vector<unsigned> samples_;  // taken so far, by rival
  unsigned repetition_ = 0;
  bool started_ = false;
  bool in_tables_ = false;
};

// A thread's rows beside `row`, one of its times. A context switch that a counter saw in the timed
// part makes them invalid.
std::vector<CounterRow> counter_rows_beside(const MeasurementRow& row, const Counters& counters,
                                            const std::vector<CounterResult>& results,
                                            const CaseWork& work);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_CASE_COUNTERS_H_
