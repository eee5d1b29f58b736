// WorkerTeam: one pinned thread for each CPU, which do the same task at the same time. The calling
// thread is the first of them.
//
// run() hands the task over and returns when all have done it: task_ is written before the release
// increment of round_, which the workers' acquire loads pair with; what a worker wrote is the
// caller's after the acquire load that sees the worker's release decrement of busy_. Between tasks
// a worker is offline to RCU, so that the caller may wait for grace periods; it spins for a
// moment, as the next task mostly follows at once, and then sleeps.
#ifndef FLUSHWALK_BENCH_SUPPORT_WORKER_TEAM_H_
#define FLUSHWALK_BENCH_SUPPORT_WORKER_TEAM_H_

#include <sched.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "allocator/spin_lock.h"
#include "topology/machine.h"
#include "topology/pinned_thread.h"

namespace flushwalk {

class WorkerTeam {
 public:
  // What worker i of size() does; i = 0 is the thread that calls run().
  using Task = std::function<void(unsigned)>;

  // A thread for each of `others`; nullptr, with one line in *error, when one cannot be pinned.
  static std::unique_ptr<WorkerTeam> start(const topology::Machine& machine,
                                           const std::vector<int>& others, std::string* error);
  ~WorkerTeam();
  WorkerTeam(const WorkerTeam&) = delete;
  WorkerTeam& operator=(const WorkerTeam&) = delete;

  unsigned size() const { return size_; }

  // Always from the same thread.
  void run(const Task& task);

 private:
  WorkerTeam() = default;
  void serve(unsigned worker);

  std::atomic<std::uint32_t> round_{0};
  std::atomic<std::uint32_t> busy_{0};
  const Task* task_ = nullptr;  // null: the end
  unsigned size_ = 1;
  std::vector<topology::PinnedThread> threads_;  // last: joined before what they use goes
};

// Spins until done(); yields after a while, in case two threads share a CPU after all.
template <class Done>
void spin_until(Done&& done) {
  constexpr unsigned kSpinsBeforeYield = 100'000;
  for (unsigned spins = 0; !done(); ++spins) {
    if (spins < kSpinsBeforeYield) {
      cpu_relax();
    } else {
      sched_yield();
    }
  }
}

// All of `size` threads arrive, then all go on at once. One use.
class StartLine {
 public:
  explicit StartLine(unsigned size) : missing_(size) {}
  void arrive_and_wait() {
    missing_.fetch_sub(1, std::memory_order_acq_rel);
    spin_until([this] { return missing_.load(std::memory_order_acquire) == 0; });
  }

 private:
  std::atomic<unsigned> missing_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_WORKER_TEAM_H_
