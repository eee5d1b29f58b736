// Perf calls: the system calls behind a counter, in one place, so that a test can stand in for a
// kernel with a PMU, without one, or without the permission.
//
// All results are those of the kernel with errno folded in: not negative, or -errno.
#ifndef FLUSHWALK_BENCH_COUNTERS_PERF_CALLS_H_
#define FLUSHWALK_BENCH_COUNTERS_PERF_CALLS_H_

#include <linux/perf_event.h>

#include <cstddef>
#include <string>

namespace flushwalk {

class PerfCalls {
 public:
  PerfCalls() = default;
  PerfCalls(const PerfCalls&) = delete;
  PerfCalls& operator=(const PerfCalls&) = delete;
  virtual ~PerfCalls() = default;

  // perf_event_open() for the calling thread, on whatever CPU it runs. leader: the group to join;
  // -1: a group of its own. A file descriptor, closed on exec.
  virtual int open(const perf_event_attr& attr, int leader) = 0;
  // Only hits which the filter accepts are counted, in the kernel's filter language.
  virtual int set_filter(int fd, const std::string& filter) = 0;
  // The whole group.
  virtual int enable(int leader) = 0;
  virtual int disable(int leader) = 0;
  // Bytes read.
  virtual long read(int leader, void* buffer, std::size_t bytes) = 0;
  virtual void close(int fd) = 0;

  // The kernel's. Any thread may use them.
  static PerfCalls& real();
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_COUNTERS_PERF_CALLS_H_
