#include "topology/pinned_thread.h"

#include <fmt/format.h>
#include <unistd.h>

#include <future>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "topology/cpu_list.h"
#include "topology/hwloc_topology.h"

namespace flushwalk::topology {
namespace {

Result<Done> check_pinnable(const Machine& machine, int cpu) {
  if (!machine.is_this_system()) {
    return Error{
        fmt::format("can't pin to CPU {} of a described machine: it is not this system", cpu)};
  }
  return machine.check_usable(cpu);
}

// The running PinnedThreads.
struct Pin {
  int thread;  // the kernel's number
  int cpu;
};
std::mutex pins_lock;
std::vector<Pin> pins;

// A thread's own pin, while it runs: a number is never of a thread that is gone.
class KnownPin {
 public:
  explicit KnownPin(int cpu) : thread_(gettid()) {
    const std::lock_guard guard(pins_lock);
    pins.push_back({thread_, cpu});
  }
  ~KnownPin() {
    const std::lock_guard guard(pins_lock);
    std::erase_if(pins, [this](const Pin& pin) { return pin.thread == thread_; });
  }
  KnownPin(const KnownPin&) = delete;
  KnownPin& operator=(const KnownPin&) = delete;

 private:
  int thread_;
};

}  // namespace

Result<Done> pin_this_thread(const Machine& machine, int cpu) {
  if (Result<Done> pinnable = check_pinnable(machine, cpu); !pinnable.ok()) {
    return pinnable;
  }
  if (Result<Done> bound = machine.hwloc().bind_thread(cpu); !bound.ok()) {
    return bound;
  }
  return check_this_thread_pinned(machine, cpu);
}

Result<Done> check_this_thread_pinned(const Machine& machine, int cpu) {
  if (Result<Done> pinnable = check_pinnable(machine, cpu); !pinnable.ok()) {
    return pinnable;
  }
  const std::vector<int> wanted{cpu};
  const Result<std::vector<int>> bound = machine.hwloc().bound_cpus();
  if (!bound.ok()) {
    return Error{bound.error()};
  }
  if (bound.value() != wanted) {
    return Error{fmt::format("this thread should be bound to CPU {}, but is bound to {}", cpu,
                             describe_cpus(bound.value()))};
  }
  const Result<std::vector<int>> last = machine.hwloc().last_cpus();
  if (!last.ok()) {
    return Error{last.error()};
  }
  if (last.value() != wanted) {
    return Error{fmt::format("this thread is bound to CPU {}, but runs on {}", cpu,
                             describe_cpus(last.value()))};
  }
  return Done{};
}

Result<Done> check_pinned_threads(const Machine& machine) {
  const std::lock_guard guard(pins_lock);
  for (const Pin& pin : pins) {
    const Result<std::vector<int>> bound = machine.hwloc().bound_cpus_of(pin.thread);
    if (!bound.ok()) {
      return Error{bound.error()};
    }
    if (bound.value() != std::vector<int>{pin.cpu}) {
      return Error{fmt::format("a thread that was pinned to CPU {} is bound to {}", pin.cpu,
                               describe_cpus(bound.value()))};
    }
  }
  return Done{};
}

PinnedThread::PinnedThread(std::jthread thread, int cpu) : thread_(std::move(thread)), cpu_(cpu) {}

Result<PinnedThread> PinnedThread::start(const Machine& machine, int cpu, Function function) {
  std::promise<Result<Done>> pinned;
  std::future<Result<Done>> answer = pinned.get_future();
  // `machine` is used by the thread only until it has answered, which is waited for here.
  auto run = [&machine, cpu, pinned = std::move(pinned),
              function = std::move(function)](std::stop_token stop) mutable {
    Result<Done> result = pin_this_thread(machine, cpu);
    if (!result.ok()) {
      pinned.set_value(std::move(result));
      return;
    }
    const KnownPin known(cpu);
    pinned.set_value(Done{});
    function(std::move(stop));
  };
  try {
    std::jthread thread(std::move(run));
    const Result<Done> result = answer.get();
    if (!result.ok()) {
      return Error{result.error()};
    }
    return PinnedThread(std::move(thread), cpu);
  } catch (const std::system_error& problem) {
    return Error{fmt::format("can't start a thread for CPU {}: {}", cpu, problem.code().message())};
  }
}

void PinnedThread::join() {
  if (thread_.joinable()) {
    thread_.join();
  }
}

}  // namespace flushwalk::topology
