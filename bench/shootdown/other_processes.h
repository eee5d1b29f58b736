// OtherProcesses: what `another_process` is: on each responder's CPU a gap loop, in a process of
// its own. No shootdown of this process should reach it; its gaps tell.
#ifndef FLUSHWALK_BENCH_SHOOTDOWN_OTHER_PROCESSES_H_
#define FLUSHWALK_BENCH_SHOOTDOWN_OTHER_PROCESSES_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/shootdown/child_process.h"
#include "bench/support/clock.h"
#include "bench/support/gap_loop.h"
#include "topology/machine.h"

namespace flushwalk {

class OtherProcesses {
 public:
  // One for each CPU, asleep. The calling thread is the only one. gap_capacity: gaps kept of one
  // run, by each. nullptr, with one line in *error.
  static std::unique_ptr<OtherProcesses> start(const topology::Machine& machine,
                                               const std::vector<int>& cpus, const Clock& clock,
                                               std::size_t gap_capacity, std::string* error);

  // Returns when all are in their loops; false: one has ended.
  bool run();
  // Returns when all have left them; false: one has ended.
  bool pause();

  // Of the last run, ascending in time; and those that did not fit.
  std::span<const Gap> gaps(std::size_t i) const;
  std::size_t lost_gaps(std::size_t i) const;

 private:
  struct Board;
  OtherProcesses() = default;
  static Board& board(const ChildProcess& process);

  std::vector<std::unique_ptr<ChildProcess>> processes_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SHOOTDOWN_OTHER_PROCESSES_H_
