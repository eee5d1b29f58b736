// SingleThreaded: the arm of that name: the operation in a process that has one thread, on the
// initiator's CPU. Its page tables are on no other CPU, so it is all of a shootdown but the others.
#ifndef FLUSHWALK_BENCH_SHOOTDOWN_SINGLE_THREADED_H_
#define FLUSHWALK_BENCH_SHOOTDOWN_SINGLE_THREADED_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "bench/shootdown/child_process.h"
#include "bench/shootdown/target.h"
#include "bench/support/clock.h"

namespace flushwalk {

class SingleThreaded {
 public:
  struct Sample {
    Ticks begin;
    Ticks end;
    std::uint64_t switches;
    std::uint64_t faults;
  };

  // The calling thread is pinned, and the only one. period: from the begin of one operation to that
  // of the next, at least. nullptr, with one line in *error.
  static std::unique_ptr<SingleThreaded> start(const TargetShape& shape, const Clock& clock,
                                               Ticks period, std::string* error);

  // One operation that is not timed, then `samples` (1..kSamplesPerBatch) that are; valid until the
  // next call. Returns when the next one may begin. Empty, with one line in *error.
  std::span<const Sample> take(unsigned samples, std::string* error);

 private:
  struct Mailbox;
  explicit SingleThreaded(std::unique_ptr<ChildProcess> process) : process_(std::move(process)) {}
  Mailbox& mailbox() const;

  std::unique_ptr<ChildProcess> process_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SHOOTDOWN_SINGLE_THREADED_H_
