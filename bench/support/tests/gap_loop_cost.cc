// gap_loop_cost: what recording a gap costs the loop that records it. The loop over 64 pages, with
// a gap each 1,000 turns (at 15 ns a turn that is 66,000 shootdowns a second), beside the same loop
// whose threshold is too high to record any:
//
//   gap_loop_cost                  time: both in turn, the fastest rounds of each, and the ratio
//   valgrind --tool=callgrind build/release/bin/gap_loop_cost recorded   instructions of the one
//   valgrind --tool=callgrind build/release/bin/gap_loop_cost bare       and of the other
//
// Of two million turns (g++ 12, -O2): 36.0 million instructions without, 0.59 million more with:
// 1.6 %; 295 for a gap, most of them one comparison and one decrement in each turn of its rounds.
// In time it is less: reading the clock takes longer than all else in a turn.
#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "bench/support/gap_loop.h"
#include "bench/support/working_set.h"

namespace flushwalk {
namespace {

constexpr std::size_t kPages = 64;
constexpr std::uint64_t kTurns = 2'000'000;
constexpr std::uint64_t kTurnsPerGap = 1000;
constexpr Ticks kThreshold = 100;
constexpr int kRounds = 50;

// The recorder's time is made up, so that each gap is where it should be; the clock is read all the
// same. The elapsed ticks of the clock.
Ticks loop(const Clock& clock, const WorkingSet& pages, Ticks threshold, SampleBuffer<Gap>* gaps) {
  gaps->clear();
  GapRecorder recorder(threshold, kPages, gaps);
  recorder.resume(0);
  std::uint64_t left = kTurns;
  std::uint64_t until_gap = kTurnsPerGap;
  Ticks made_up = 0;
  const Ticks begin = clock.now_begin();
  take_turns(GapLoopTurn::read, clock, pages.bytes(), [&](Ticks) {
    ++made_up;
    if (--until_gap == 0) {
      until_gap = kTurnsPerGap;
      made_up += 2 * kThreshold;
    }
    recorder.turn(made_up);
    return --left != 0;
  });
  return clock.now_end() - begin;
}

int run(std::string_view which) {
  std::string error;
  const auto pages = WorkingSet::create(kPages, &error);
  if (pages == nullptr) {
    fmt::print(stderr, "gap_loop_cost: {}\n", error);
    return 1;
  }
  const Clock clock(ClockDescription{.source = counter::kSource});
  SampleBuffer<Gap> gaps(kTurns / kTurnsPerGap);
  const Ticks never = std::numeric_limits<Ticks>::max();
  if (!which.empty()) {
    loop(clock, *pages, which == "recorded" ? kThreshold : never, &gaps);
    fmt::print("{} gaps\n", gaps.size());
    return 0;
  }
  Ticks bare = never;
  Ticks recorded = never;
  for (int i = 0; i < kRounds; ++i) {
    bare = std::min(bare, loop(clock, *pages, never, &gaps));
    recorded = std::min(recorded, loop(clock, *pages, kThreshold, &gaps));
  }
  const double more = static_cast<double>(recorded) / static_cast<double>(bare) - 1;
  fmt::print("{} gaps in {} turns: the loop takes {:+.2f} %\n", gaps.size(), kTurns, 100 * more);
  return 0;
}

}  // namespace
}  // namespace flushwalk

int main(int argc, char** argv) { return flushwalk::run(argc > 1 ? argv[1] : ""); }
