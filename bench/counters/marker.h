// Marker: counts a section of one's own.
//
//   auto made = SectionCounters::open("cycles:u,page-faults");
//   SectionCounters& counters = *std::get<std::unique_ptr<SectionCounters>>(made);
//   for (const Work& work : all) {
//     CountedRegion region(counters);
//     carry_out(work);
//   }
//   counters.print(std::cout);  // of all the passes together
//
// It counts the thread that opened it, and none of the threads that a section starts. Tables
// (/proc/...) are read around the region, which takes tens of us at each end.
#ifndef FLUSHWALK_BENCH_COUNTERS_MARKER_H_
#define FLUSHWALK_BENCH_COUNTERS_MARKER_H_

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "bench/counters/counters.h"
#include "bench/counters/table_counts.h"
#include "bench/counters/thread_counters.h"

namespace flushwalk {

class SectionCounters {
 public:
  // events: as for --counters. A Problem: a name that is nobody's. What cannot be counted says so
  // in its result.
  static std::variant<std::unique_ptr<SectionCounters>, Problem> open(
      const std::string& events, PerfCalls& calls = PerfCalls::real());

  struct Count {
    std::string name;
    CounterResult result;
  };
  // Of all passes since the last call, in the order of the names. Not within a region.
  std::vector<Count> take();
  std::uint64_t passes() const { return passes_; }  // since the counters were opened

  // take(), a line for each counter: its scaled value, the value a pass, or why there is none.
  void print(std::ostream& out);

 private:
  friend class CountedRegion;

  explicit SectionCounters(std::unique_ptr<Counters> counters);
  void begin();
  void end();

  std::unique_ptr<Counters> counters_;
  ThreadCounters thread_;
  TableCounts tables_;
  std::uint64_t passes_ = 0;
  std::uint64_t taken_ = 0;
};

// Counts from its making to its end. Regions of the same counters do not nest.
class CountedRegion {
 public:
  explicit CountedRegion(SectionCounters& counters) : counters_(counters) { counters_.begin(); }
  ~CountedRegion() { counters_.end(); }
  CountedRegion(const CountedRegion&) = delete;
  CountedRegion& operator=(const CountedRegion&) = delete;

 private:
  SectionCounters& counters_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_COUNTERS_MARKER_H_
