#include "bench/support/worker_team.h"

#include <stop_token>
#include <utility>

#include "allocator/rcu.h"

namespace flushwalk {
namespace {

// About a millisecond: longer than what lies between two tasks of a repetition.
constexpr unsigned kSpinsBeforeSleep = 20'000;

}  // namespace

std::unique_ptr<WorkerTeam> WorkerTeam::start(const topology::Machine& machine,
                                              const std::vector<int>& others, std::string* error) {
  std::unique_ptr<WorkerTeam> team(new WorkerTeam());
  WorkerTeam* const self = team.get();
  for (const int cpu : others) {
    const unsigned worker = team->size_;
    auto thread = topology::PinnedThread::start(
        machine, cpu, [self, worker](const std::stop_token&) { self->serve(worker); });
    if (!thread.ok()) {
      *error = thread.error();
      return nullptr;
    }
    team->threads_.push_back(std::move(thread).value());
    ++team->size_;
  }
  return team;
}

WorkerTeam::~WorkerTeam() {
  task_ = nullptr;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
}

void WorkerTeam::run(const Task& task) {
  task_ = &task;
  busy_.store(size_ - 1, std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  task(0);
  spin_until([this] { return busy_.load(std::memory_order_acquire) == 0; });
}

void WorkerTeam::serve(unsigned worker) {
  for (std::uint32_t seen = 0;; ++seen) {
    {
      const rcu::Offline offline;
      for (unsigned spins = 0;
           spins < kSpinsBeforeSleep && round_.load(std::memory_order_relaxed) == seen; ++spins) {
        cpu_relax();
      }
      round_.wait(seen, std::memory_order_acquire);
    }
    if (task_ == nullptr) {
      return;
    }
    (*task_)(worker);
    busy_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace flushwalk
