// Timed operation: the timed part, all of it: the operation between two readings of the clock.
#ifndef FLUSHWALK_BENCH_SHOOTDOWN_TIMED_OPERATION_H_
#define FLUSHWALK_BENCH_SHOOTDOWN_TIMED_OPERATION_H_

#include "allocator/spin_lock.h"
#include "bench/support/clock.h"

namespace flushwalk {

struct OperationTimes {
  Ticks begin;
  Ticks end;
};

// target: what has int operate(), which gives 0 or errno.
template <class Subject>
OperationTimes timed_operation(const Clock& clock, Subject& target, int* error) {
  OperationTimes times{};
  times.begin = clock.now_begin();
  *error = target.operate();
  times.end = clock.now_end();
  return times;
}

// Untimed: until the next operation may begin.
inline void wait_until(const Clock& clock, Ticks then) {
  while (clock.now() < then) {
    cpu_relax();
  }
}

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SHOOTDOWN_TIMED_OPERATION_H_
