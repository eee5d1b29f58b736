#include "bench/shootdown/other_processes.h"

#include <fmt/core.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <new>

#include "bench/support/statistics.h"
#include "topology/pinned_thread.h"

namespace flushwalk {

// What a process shares with this one; the gaps stand behind it.
struct OtherProcesses::Board {
  std::atomic<bool> stop;
  std::atomic<bool> running;
  std::array<char, 256> error;  // a line; empty: all went well
  std::size_t gaps;
  std::size_t lost;

  Gap* first_gap() { return reinterpret_cast<Gap*>(this + 1); }
};

namespace {

constexpr char kPin = 'p';
constexpr char kRun = 'r';

}  // namespace

OtherProcesses::Board& OtherProcesses::board(const ChildProcess& process) {
  return *static_cast<Board*>(process.shared());
}

std::unique_ptr<OtherProcesses> OtherProcesses::start(const topology::Machine& machine,
                                                      const std::vector<int>& cpus,
                                                      const Clock& clock, std::size_t gap_capacity,
                                                      std::string* error) {
  std::unique_ptr<OtherProcesses> made(new OtherProcesses);
  for (const int cpu : cpus) {
    Ticks threshold = 0;  // the child's
    const auto service = [=](char order, void* shared) mutable {
      Board& mail = *static_cast<Board*>(shared);
      if (order == kPin) {
        const auto pinned = topology::pin_this_thread(machine, cpu);
        if (!pinned.ok()) {
          pinned.error().copy(mail.error.data(), mail.error.size() - 1);
        }
        return true;
      }
      threshold = threshold != 0 ? threshold : gap_threshold(GapLoopTurn::read, clock, {});
      SampleBuffer<Gap> gaps(gap_capacity);
      GapRecorder recorder(threshold, 0, &gaps);
      recorder.resume(clock.now());
      mail.running.store(true, std::memory_order_release);
      take_turns(GapLoopTurn::read, clock, {}, [&](Ticks now) {
        recorder.turn(now);
        return !mail.stop.load(std::memory_order_relaxed);
      });
      recorder.turn(clock.now());
      std::copy(gaps.values().begin(), gaps.values().end(), mail.first_gap());
      mail.gaps = gaps.size();
      mail.lost = gaps.refused();
      return true;
    };
    auto process = ChildProcess::start(sizeof(Board) + gap_capacity * sizeof(Gap), service, error);
    if (process == nullptr) {
      return nullptr;
    }
    new (process->shared()) Board{};
    *error = process->order(kPin) ? board(*process).error.data()
                                  : fmt::format("the process on CPU {} has ended", cpu);
    if (!error->empty()) {
      return nullptr;
    }
    made->processes_.push_back(std::move(process));
  }
  return made;
}

bool OtherProcesses::run() {
  for (const auto& process : processes_) {
    Board& mail = board(*process);
    mail.stop.store(false, std::memory_order_relaxed);
    mail.running.store(false, std::memory_order_relaxed);
    if (!process->send(kRun)) {
      return false;
    }
  }
  for (const auto& process : processes_) {
    while (!board(*process).running.load(std::memory_order_acquire)) {
      if (process->answered()) {
        return false;
      }
      sched_yield();
    }
  }
  return true;
}

bool OtherProcesses::pause() {
  for (const auto& process : processes_) {
    board(*process).stop.store(true, std::memory_order_relaxed);
  }
  return std::all_of(processes_.begin(), processes_.end(),
                     [](const auto& process) { return process->wait(); });
}

std::span<const Gap> OtherProcesses::gaps(std::size_t i) const {
  Board& mail = board(*processes_[i]);
  return {mail.first_gap(), mail.gaps};
}

std::size_t OtherProcesses::lost_gaps(std::size_t i) const { return board(*processes_[i]).lost; }

}  // namespace flushwalk
