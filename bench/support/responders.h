// Responders: threads of this process on other CPUs, which a shootdown interrupts, and which
// notice.
//
// Each is pinned to its CPU and, while it runs, does one thing: read one of its pages (so that
// their translations are in its TLB, and this process's page tables are loaded on its CPU), or what
// else it is told to, then the clock (gap_loop.h). Gaps are kept with their time, and matched with
// the flushes afterwards: a gap that begins while a flush is in its system call is that flush's
// interruption. After a gap the loop also notes how long it took to read every page once, and once
// more: what the interruption cost beyond itself, where it took translations away. The loop takes
// no lock, and makes no system call unless it is told to.
//
// With counters each responder has its own: count(), stop_counting() and add_counts_to() are
// orders, which it carries out between two turns of its loop; they return when all have.
//
// The initiator's thread makes all calls. Between run() and pause() the responders own the gap
// buffers; after pause() the caller reads them. running_ carries both hand-overs: its release
// increments and decrements pair with the acquire loads in run() and pause(), and phase_ the other
// way; followed_ is to an order what running_ is to run().
#ifndef FLUSHWALK_BENCH_SUPPORT_RESPONDERS_H_
#define FLUSHWALK_BENCH_SUPPORT_RESPONDERS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "allocator/geometry.h"
#include "bench/counters/counters.h"
#include "bench/counters/thread_counters.h"
#include "bench/support/clock.h"
#include "bench/support/gap_loop.h"
#include "bench/support/kernel_tables.h"
#include "bench/support/statistics.h"
#include "topology/pinned_thread.h"

namespace flushwalk {

class Responders {
 public:
  // One thread for each CPU, asleep. pages: what they read; each must stay readable; may be empty.
  // Where they write, each writes a byte of its own, of another line than its neighbours'.
  // gap_capacity: gaps kept of one run, by each. counters: null counts nothing; they outlive the
  // responders. nullptr, with one line in *error, when a thread cannot be pinned.
  static std::unique_ptr<Responders> start(const topology::Machine& machine,
                                           const std::vector<int>& cpus, const Clock& clock,
                                           const std::vector<Address>& pages,
                                           std::size_t gap_capacity, std::string* error,
                                           const Counters* counters = nullptr,
                                           std::size_t rivals = 1,
                                           GapLoopTurn turn = GapLoopTurn::read);
  ~Responders();
  Responders(const Responders&) = delete;
  Responders& operator=(const Responders&) = delete;

  // Returns when all of them are in their loops, with their pages read.
  void run();
  // Returns when all of them have left their loops.
  void pause();

  // Between run() and pause(), with counters: they count (turn: as of ThreadCounters), they do not,
  // what they counted is a rival's.
  void count(unsigned turn);
  void stop_counting();
  void add_counts_to(std::size_t rival);
  // After pause().
  std::vector<CounterResult> take_counts(std::size_t i, std::size_t rival) {
    return responders_[i]->counters->take(rival);
  }

  std::size_t size() const { return responders_.size(); }
  int cpu(std::size_t i) const { return responders_[i]->cpu; }
  // Of the last run, ascending in time. Gaps that did not fit are counted only.
  std::span<const Gap> gaps(std::size_t i) const { return responders_[i]->gaps.values(); }
  std::size_t lost_gaps(std::size_t i) const { return responders_[i]->gaps.refused(); }
  // What the kernel counted for the thread from begin to end of its last run.
  const ThreadCounts& counts(std::size_t i) const { return responders_[i]->counts; }
  // Shorter gaps are not recorded (gap_threshold()).
  Ticks threshold(std::size_t i) const { return responders_[i]->threshold; }

 private:
  // Those from kRunning on are spent in the loop.
  enum Phase : int { kPaused, kStopping, kRunning, kCounting, kAdding };

  struct Responder {
    explicit Responder(std::size_t gap_capacity) : gaps(gap_capacity) {}

    int cpu = 0;
    std::vector<Address> pages;
    Ticks threshold = 0;
    SampleBuffer<Gap> gaps;
    ThreadCounts counts;
    std::optional<ThreadCounters> counters;  // its thread's
  };

  Responders(const Clock& clock, const Counters* counters, std::size_t rivals, GapLoopTurn turn);
  void serve(Responder& responder);
  void loop(Responder& responder);
  void order(Phase phase);
  void follow(Responder& responder, int phase);

  Clock clock_;
  std::atomic<int> phase_{kPaused};
  std::atomic<std::size_t> running_{0};
  std::atomic<std::size_t> followed_{0};
  const Counters* const counters_;
  const std::size_t rivals_;
  const GapLoopTurn loop_turn_;
  unsigned turn_ = 0;      // of the order kCounting
  std::size_t rival_ = 0;  // of the order kAdding
  std::vector<std::unique_ptr<Responder>> responders_;
  std::vector<topology::PinnedThread> threads_;  // last: joined before what they use goes
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_RESPONDERS_H_
