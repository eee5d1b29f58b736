#include "bench/machine_probe/noise.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "topology/pinned_thread.h"

namespace flushwalk {

GapCounter::GapCounter(const Clock& clock) {
  std::transform(kGapLimitsNs.begin(), kGapLimitsNs.end(), limits_.begin(),
                 [&clock](double ns) { return clock.ns_to_ticks(ns); });
}

void GapCounter::count(Ticks gap) {
  for (std::size_t i = 0; i < limits_.size(); ++i) {
    over_[i] += gap > limits_[i] ? 1U : 0U;
  }
  longest_ = std::max(longest_, gap);
  lost_ += gap;
}

namespace {

void watch(CpuNoise& noise, const topology::Machine& machine, const Clock& clock, double seconds,
           const std::atomic<bool>& begin) {
  begin.wait(false, std::memory_order_acquire);
  GapCounter gaps(clock);
  const Ticks first = clock.now();
  const Ticks last = first + clock.ns_to_ticks(seconds * 1e9);
  Ticks previous = first;
  while (previous < last) {
    const Ticks now = clock.now();
    gaps.add(previous, now);
    previous = now;
  }
  const auto pinned = topology::check_this_thread_pinned(machine, noise.cpu);
  if (!pinned.ok()) {
    noise.error = pinned.error();
    return;
  }
  const double watched = clock.ticks_to_ns(previous - first);
  noise.seconds = watched * 1e-9;
  noise.longest_ns = clock.ticks_to_ns(gaps.longest());
  noise.lost_percent = 100 * clock.ticks_to_ns(gaps.lost()) / watched;
  for (std::size_t i = 0; i < noise.gaps_over.size(); ++i) {
    noise.gaps_over[i] = gaps.over(i);
  }
}

}  // namespace

std::vector<CpuNoise> watch_noise(const topology::Machine& machine, const std::vector<int>& cpus,
                                  const Clock& clock, double seconds) {
  std::vector<CpuNoise> noise(cpus.size());
  std::atomic<bool> begin{false};  // none watches while others are still being started
  std::vector<topology::PinnedThread> threads;
  for (std::size_t i = 0; i < cpus.size(); ++i) {
    CpuNoise& own = noise[i];
    own.cpu = cpus[i];
    auto thread = topology::PinnedThread::start(machine, own.cpu, [&](const std::stop_token&) {
      watch(own, machine, clock, seconds, begin);
    });
    if (thread.ok()) {
      threads.push_back(std::move(thread).value());
    } else {
      own.error = thread.error();
    }
  }
  begin.store(true, std::memory_order_release);
  begin.notify_all();
  threads.clear();  // joins them
  return noise;
}

}  // namespace flushwalk
