// Gap loop: what a thread does that is to notice when its CPU is taken away: one small thing, its
// turn, and then the clock, over and over. Two readings further apart than a threshold are a gap.
//
// GapRecorder is what happens at each reading of the clock. Recording must not disturb what it
// records: it writes only where there was a gap, to memory touched before, and in the turns of the
// rounds after one it counts down. bench/support/tests/gap_loop_cost.cc shows what that costs.
#ifndef FLUSHWALK_BENCH_SUPPORT_GAP_LOOP_H_
#define FLUSHWALK_BENCH_SUPPORT_GAP_LOOP_H_

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "allocator/geometry.h"
#include "bench/support/clock.h"
#include "bench/support/statistics.h"

namespace flushwalk {

struct Gap {
  Ticks begin;  // the last reading before
  Ticks end;    // the first one after
  // From the end on, turns of the loop for as many as there are pages, and for as many again; with
  // the reading of the clock in each. 0: another gap or the pause came before.
  std::uint32_t first_round = 0;
  std::uint32_t second_round = 0;
};

// What a turn is, beside the clock. Without pages the first two are nothing.
enum class GapLoopTurn {
  read,         // a byte of the next page
  write,        // the same, written
  system_call,  // getppid: the CPU is in the kernel most of the time
};

// A turn after the other over the pages, and the clock after each, as long as proceed(ticks) says
// so.
template <GapLoopTurn kTurn, class Proceed>
void take_turns(const Clock& clock, std::span<const Address> pages, Proceed&& proceed) {
  std::size_t next = 0;
  do {
    if constexpr (kTurn == GapLoopTurn::system_call) {
      syscall(SYS_getppid);
    } else if (!pages.empty()) {
      auto* const byte = reinterpret_cast<volatile std::uint8_t*>(pages[next]);
      if constexpr (kTurn == GapLoopTurn::write) {
        *byte = 1;
      } else {
        static_cast<void>(*byte);
      }
      next = next + 1 == pages.size() ? 0 : next + 1;
    }
  } while (proceed(clock.now()));
}

template <class Proceed>
void take_turns(GapLoopTurn turn, const Clock& clock, std::span<const Address> pages,
                Proceed&& proceed) {
  switch (turn) {
    case GapLoopTurn::read:
      return take_turns<GapLoopTurn::read>(clock, pages, proceed);
    case GapLoopTurn::write:
      return take_turns<GapLoopTurn::write>(clock, pages, proceed);
    case GapLoopTurn::system_call:
      return take_turns<GapLoopTurn::system_call>(clock, pages, proceed);
  }
}

class GapRecorder {
 public:
  // Longer than `threshold` is a gap. round: turns of a round. *gaps outlives the recorder; those
  // that do not fit are counted there.
  GapRecorder(Ticks threshold, std::size_t round, SampleBuffer<Gap>* gaps)
      : threshold_(threshold), round_(round), gaps_(gaps) {}

  // The loop begins, or goes on after it did something else: what lies before is no gap.
  void resume(Ticks now) {
    previous_ = now;
    left_ = 0;
  }

  void turn(Ticks now) {
    if (now - previous_ > threshold_) {
      record(now);
    } else if (left_ != 0 && --left_ == 0) {
      end_round(now);
    }
    previous_ = now;
  }

 private:
  // A gap cuts the rounds after the last one off.
  void record(Ticks now) {
    left_ = 0;
    if (gaps_->push({previous_, now})) {
      gap_ = &gaps_->values().back();
      left_ = round_;
      since_ = now;
    }
  }

  void end_round(Ticks now) {
    constexpr Ticks kMost = std::numeric_limits<std::uint32_t>::max();
    const auto ticks = static_cast<std::uint32_t>(std::min(now - since_, kMost));
    if (gap_->first_round == 0) {
      gap_->first_round = ticks;
      left_ = round_;
      since_ = now;
    } else {
      gap_->second_round = ticks;
    }
  }

  Ticks threshold_;
  std::size_t round_;
  SampleBuffer<Gap>* gaps_;
  Ticks previous_ = 0;
  Gap* gap_ = nullptr;
  std::size_t left_ = 0;  // turns of the round; 0: none is watched
  Ticks since_ = 0;
};

// A gap must be longer than what a turn takes by itself: 300 ns, or 8 turns where that is more.
inline Ticks gap_threshold(GapLoopTurn turn, const Clock& clock, std::span<const Address> pages) {
  constexpr double kShortestGapNs = 300;
  constexpr Ticks kTurnsPerGap = 8;
  std::array<Ticks, 4096> turns{};
  std::size_t taken = 0;
  Ticks previous = clock.now();
  take_turns(turn, clock, pages, [&](Ticks now) {
    turns[taken] = now - previous;
    previous = now;
    return ++taken < turns.size();
  });
  std::nth_element(turns.begin(), turns.begin() + turns.size() / 2, turns.end());
  return std::max(clock.ns_to_ticks(kShortestGapNs), kTurnsPerGap * turns[turns.size() / 2]);
}

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_GAP_LOOP_H_
