// Threads that stay where they were put. A pin counts only once it was read back: the kernel must
// say that the thread may run on that one CPU, and that it does. A pin that failed is an error,
// never a thread that runs anyway.
#ifndef FLUSHWALK_TOPOLOGY_PINNED_THREAD_H_
#define FLUSHWALK_TOPOLOGY_PINNED_THREAD_H_

#include <functional>
#include <stop_token>
#include <thread>

#include "topology/machine.h"
#include "topology/result.h"

namespace flushwalk::topology {

// Binds the calling thread to `cpu` and checks it. Refuses a CPU that is not usable, and a machine
// that is not this system (hwloc's binding would succeed there and do nothing). After an error the
// thread's binding is unspecified. Threads made later inherit the pin.
Result<Done> pin_this_thread(const Machine& machine, int cpu);

// An error unless the calling thread is bound to `cpu` alone and runs on it: somebody else (taskset
// -p, a changed cpuset, a CPU going offline) may have moved it since it was pinned. Makes system
// calls.
Result<Done> check_this_thread_pinned(const Machine& machine, int cpu);

// An error about a running PinnedThread of this process that is not bound to its CPU alone any
// more, for the same reasons. From any thread; makes a system call for each of them.
Result<Done> check_pinned_threads(const Machine& machine);

// A thread that is pinned before it runs anything of yours. Like std::jthread, it is asked to stop
// and joined by its destructor, and a function that throws ends the process.
class PinnedThread {
 public:
  using Function = std::function<void(std::stop_token)>;

  // Returns when the thread is pinned and about to run `function`, or why it could not be: then
  // `function` was not and will not be called, and the thread is gone.
  static Result<PinnedThread> start(const Machine& machine, int cpu, Function function);

  PinnedThread(PinnedThread&&) = default;
  PinnedThread& operator=(PinnedThread&&) = default;

  int cpu() const { return cpu_; }
  void request_stop() { thread_.request_stop(); }
  // Waits for the function to return; a second join does nothing.
  void join();

 private:
  PinnedThread(std::jthread thread, int cpu);

  std::jthread thread_;
  int cpu_;
};

}  // namespace flushwalk::topology

#endif  // FLUSHWALK_TOPOLOGY_PINNED_THREAD_H_
