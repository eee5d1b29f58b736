// Counter group: events of the calling thread that are counted together and read in one call.
//
// A member that cannot be opened is left out, and hides none of the others; the first that can be
// opened leads. Reading allocates nothing.
#ifndef FLUSHWALK_BENCH_COUNTERS_COUNTER_GROUP_H_
#define FLUSHWALK_BENCH_COUNTERS_COUNTER_GROUP_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bench/counters/encoder.h"
#include "bench/counters/perf_calls.h"

namespace flushwalk {

class CounterGroup {
 public:
  explicit CounterGroup(PerfCalls& calls) : calls_(&calls) {}
  ~CounterGroup();
  CounterGroup(CounterGroup&& other) noexcept;
  CounterGroup& operator=(CounterGroup&& other) noexcept;

  // Adds an event, counting nothing yet; 0 or errno. Where the group has events already, EINVAL may
  // mean that the PMU cannot count them all at once.
  int add(const EncodedEvent& event);
  void drop_last();

  std::size_t size() const { return fds_.size(); }

  // 0 or errno. Of an empty group they do nothing.
  int enable();
  int disable();

  // Since the group was opened: times (ns) that it was enabled and that it ran on the PMU, and a
  // count for each event in the order added, which are 0 until it has run. 0 or errno: ENODATA
  // where the kernel gives less than there should be.
  int read();
  std::uint64_t time_enabled() const { return buffer_[1]; }
  std::uint64_t time_running() const { return buffer_[2]; }
  std::uint64_t count(std::size_t i) const { return buffer_[3 + i]; }

 private:
  void close_all();

  PerfCalls* calls_;
  std::vector<int> fds_;
  std::vector<std::uint64_t> buffer_ = std::vector<std::uint64_t>(3);  // as the kernel lays it out
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_COUNTERS_COUNTER_GROUP_H_
