#include "bench/support/responders.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "allocator/spin_lock.h"

namespace flushwalk {
namespace {

constexpr double kShortestGapNs = 300;
constexpr Ticks kTurnsPerGap = 8;

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

}  // namespace

Responders::Responders(const Clock& clock, std::vector<Address> pages, const Counters* counters,
                       std::size_t rivals)
    : clock_(clock), pages_(std::move(pages)), counters_(counters), rivals_(rivals) {}

std::unique_ptr<Responders> Responders::start(const topology::Machine& machine,
                                              const std::vector<int>& cpus, const Clock& clock,
                                              std::vector<Address> pages, std::size_t gap_capacity,
                                              std::string* error, const Counters* counters,
                                              std::size_t rivals) {
  std::unique_ptr<Responders> responders(new Responders(clock, std::move(pages), counters, rivals));
  for (const int cpu : cpus) {
    responders->responders_.push_back(std::make_unique<Responder>(gap_capacity));
    Responder& responder = *responders->responders_.back();
    responder.cpu = cpu;
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
      responder.threshold = calibrate();
    }
    responder.gaps.clear();
    const ThreadCounts before = thread_counts_before();
    loop(responder);
    responder.counts = thread_counts_after() - before;
    running_.fetch_sub(1, std::memory_order_release);
  }
}

// Reads page after page, and the clock after each, as long as proceed(ticks) says so.
template <class Proceed>
void Responders::read_pages(Proceed&& proceed) {
  std::size_t next = 0;
  do {
    if (!pages_.empty()) {
      static_cast<void>(*reinterpret_cast<const volatile std::uint8_t*>(pages_[next]));
      next = next + 1 == pages_.size() ? 0 : next + 1;
    }
  } while (proceed(clock_.now()));
}

// Notes in a gap how long the two rounds after it take.
class Responders::RoundWatch {
 public:
  explicit RoundWatch(std::size_t turns) : turns_(turns) {}

  // After a gap that was kept, which another one may cut off.
  void begin(Gap* gap) {
    gap_ = gap;
    left_ = turns_;
    since_ = gap->end;
  }
  void cut_off() { left_ = 0; }
  // A turn without a gap.
  void turn(Ticks now) {
    if (left_ != 0 && --left_ == 0) {
      end_round(now);
    }
  }

 private:
  void end_round(Ticks now) {
    constexpr Ticks kMost = std::numeric_limits<std::uint32_t>::max();
    const auto ticks = static_cast<std::uint32_t>(std::min(now - since_, kMost));
    if (gap_->first_round == 0) {
      gap_->first_round = ticks;
      left_ = turns_;
      since_ = now;
    } else {
      gap_->second_round = ticks;
    }
  }

  std::size_t turns_;
  Gap* gap_ = nullptr;
  std::size_t left_ = 0;  // turns of the round; 0: nothing is watched
  Ticks since_ = 0;
};

void Responders::loop(Responder& responder) {
  // Once round, before anybody is told: the pages are present and in the TLB.
  std::size_t turns = 0;
  read_pages([&](Ticks) { return ++turns < pages_.size(); });
  running_.fetch_add(1, std::memory_order_release);
  RoundWatch rounds(pages_.size());
  for (int phase = kRunning; phase >= kRunning;) {
    Ticks previous = clock_.now();
    read_pages([&](Ticks now) {
      if (now - previous > responder.threshold) {
        if (responder.gaps.push({previous, now})) {
          rounds.begin(&responder.gaps.values().back());
        } else {
          rounds.cut_off();
        }
      } else {
        rounds.turn(now);
      }
      previous = now;
      return phase_.load(std::memory_order_relaxed) == phase;
    });
    phase = phase_.load(std::memory_order_acquire);
    if (phase >= kRunning) {
      // What a switch of counters takes is no part of a round.
      rounds.cut_off();
      follow(responder, phase);
      followed_.fetch_add(1, std::memory_order_release);
    }
  }
}

// A gap must be longer than what a turn of the loop takes by itself.
Ticks Responders::calibrate() {
  std::array<Ticks, 4096> turns{};
  std::size_t taken = 0;
  Ticks previous = clock_.now();
  read_pages([&](Ticks now) {
    turns[taken] = now - previous;
    previous = now;
    return ++taken < turns.size();
  });
  std::nth_element(turns.begin(), turns.begin() + turns.size() / 2, turns.end());
  return std::max(clock_.ns_to_ticks(kShortestGapNs), kTurnsPerGap * turns[turns.size() / 2]);
}

}  // namespace flushwalk
