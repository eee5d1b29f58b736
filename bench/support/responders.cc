#include "bench/support/responders.h"

#include <sched.h>

#include <utility>

#include "allocator/spin_lock.h"

namespace flushwalk {
namespace {

// Waits for another CPU's thread; yields in case both share one after all.
template <class Done>
void wait_until(Done&& done) {
  constexpr unsigned kSpinsBeforeYield = 10'000;
  for (unsigned spins = 0; !done(); ++spins) {
    if (spins < kSpinsBeforeYield) {
      cpu_relax();
    } else {
      sched_yield();
    }
  }
}

// In the page of each, the line as far from the given byte as the writer's number.
std::vector<Address> bytes_of_writer(std::vector<Address> pages, std::size_t writer) {
  constexpr Address kLine = 64;
  for (Address& byte : pages) {
    const Address page = byte / kPageSize * kPageSize;
    byte = page + (byte - page + writer * kLine) % kPageSize;
  }
  return pages;
}

}  // namespace

Responders::Responders(const Clock& clock, const Counters* counters, std::size_t rivals,
                       GapLoopTurn turn)
    : clock_(clock), counters_(counters), rivals_(rivals), loop_turn_(turn) {}

std::unique_ptr<Responders> Responders::start(const topology::Machine& machine,
                                              const std::vector<int>& cpus, const Clock& clock,
                                              const std::vector<Address>& pages,
                                              std::size_t gap_capacity, std::string* error,
                                              const Counters* counters, std::size_t rivals,
                                              GapLoopTurn turn) {
  std::unique_ptr<Responders> responders(new Responders(clock, counters, rivals, turn));
  for (const int cpu : cpus) {
    responders->responders_.push_back(std::make_unique<Responder>(gap_capacity));
    Responder& responder = *responders->responders_.back();
    responder.cpu = cpu;
    responder.pages = turn == GapLoopTurn::write
                          ? bytes_of_writer(pages, responders->responders_.size() - 1)
                          : pages;
    Responders* const self = responders.get();
    auto thread = topology::PinnedThread::start(
        machine, cpu, [self, &responder](const std::stop_token&) { self->serve(responder); });
    if (!thread.ok()) {
      *error = thread.error();
      return nullptr;
    }
    responders->threads_.push_back(std::move(thread).value());
  }
  return responders;
}

Responders::~Responders() {
  phase_.store(kStopping, std::memory_order_release);
  phase_.notify_all();
}

void Responders::run() {
  phase_.store(kRunning, std::memory_order_release);
  phase_.notify_all();
  wait_until([&] { return running_.load(std::memory_order_acquire) == responders_.size(); });
}

void Responders::pause() {
  phase_.store(kPaused, std::memory_order_release);
  wait_until([&] { return running_.load(std::memory_order_acquire) == 0; });
}

// phase_'s release makes turn_ and rival_ the responders'.
void Responders::order(Phase phase) {
  followed_.store(0, std::memory_order_relaxed);
  phase_.store(phase, std::memory_order_release);
  wait_until([&] { return followed_.load(std::memory_order_acquire) == responders_.size(); });
}

void Responders::count(unsigned turn) {
  turn_ = turn;
  order(kCounting);
}

void Responders::stop_counting() { order(kRunning); }

void Responders::add_counts_to(std::size_t rival) {
  rival_ = rival;
  order(kAdding);
}

void Responders::follow(Responder& responder, int phase) {
  if (phase == kCounting) {
    responder.counters->begin(turn_);
  } else if (phase == kAdding) {
    responder.counters->add_to(rival_);
  } else {
    responder.counters->end();
  }
}

void Responders::serve(Responder& responder) {
  if (counters_ != nullptr) {
    responder.counters.emplace(counters_->plan(), counters_->calls(), rivals_);
  }
  for (;;) {
    phase_.wait(kPaused, std::memory_order_acquire);
    const int phase = phase_.load(std::memory_order_acquire);
    if (phase == kStopping) {
      return;
    }
    if (phase == kPaused) {
      continue;
    }
    if (responder.threshold == 0) {
      responder.threshold = gap_threshold(loop_turn_, clock_, responder.pages);
    }
    responder.gaps.clear();
    const ThreadCounts before = thread_counts_before();
    loop(responder);
    responder.counts = thread_counts_after() - before;
    running_.fetch_sub(1, std::memory_order_release);
  }
}

void Responders::loop(Responder& responder) {
  // Once round, before anybody is told: the pages are present and in the TLB.
  std::size_t turns = 0;
  take_turns(loop_turn_, clock_, responder.pages,
             [&](Ticks) { return ++turns < responder.pages.size(); });
  running_.fetch_add(1, std::memory_order_release);
  GapRecorder recorder(responder.threshold, responder.pages.size(), &responder.gaps);
  for (int phase = kRunning; phase >= kRunning;) {
    // What a switch of counters took is no gap, and no part of a round.
    recorder.resume(clock_.now());
    take_turns(loop_turn_, clock_, responder.pages, [&](Ticks now) {
      recorder.turn(now);
      return phase_.load(std::memory_order_relaxed) == phase;
    });
    // What began after the last reading, and before the order was seen, is a gap, too.
    recorder.turn(clock_.now());
    phase = phase_.load(std::memory_order_acquire);
    if (phase >= kRunning) {
      follow(responder, phase);
      followed_.fetch_add(1, std::memory_order_release);
    }
  }
}

}  // namespace flushwalk
