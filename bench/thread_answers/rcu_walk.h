// RCU walk: what protects the walk over an xarray: a reader goes over the entries while a writer
// erases and inserts them. An entry is not freed but poisoned where it would be freed, so that a
// reader who still has it can tell, and the program goes on. With a read-side critical section
// around the walk no reader meets a poisoned entry; without one it does.
#ifndef FLUSHWALK_BENCH_THREAD_ANSWERS_RCU_WALK_H_
#define FLUSHWALK_BENCH_THREAD_ANSWERS_RCU_WALK_H_

#include <cstdint>

namespace flushwalk {

struct RcuWalk {
  std::uint64_t walks = 0;    // over all entries
  std::uint64_t visited = 0;  // entries
  std::uint64_t dead = 0;     // of these: would have been freed while the reader had them
  std::uint64_t erased = 0;   // by the writer
};

// For `seconds`; where it is to fail until it has failed, at most five seconds longer.
// read_section: whether the reader is in one.
RcuWalk walk_beside_writer(bool read_section, double seconds);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_THREAD_ANSWERS_RCU_WALK_H_
