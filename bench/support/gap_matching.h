// Gap matching: which flush interrupted which responder. Pure functions of recorded times.
//
// A responder's gap belongs to the flush during whose shootdown it begins: the interrupt arrives
// while the initiator is in its system call. A gap that began before (the responder was preempted,
// or its virtual CPU was not running) proves nothing: the kernel may have skipped that CPU.
#ifndef FLUSHWALK_BENCH_SUPPORT_GAP_MATCHING_H_
#define FLUSHWALK_BENCH_SUPPORT_GAP_MATCHING_H_

#include <cstdint>
#include <span>
#include <vector>

#include "bench/support/clock.h"
#include "bench/support/gap_loop.h"

namespace flushwalk {

// How far the clocks of two CPUs may be apart: they are synchronised much better than an interrupt
// travels.
inline constexpr double kClockSlackNs = 100;

// The shootdown of one flush, as the initiator saw it.
struct ShootdownWindow {
  Ticks begin;
  Ticks end;
  std::uint64_t calls;  // that should have interrupted the responder, each once
};

struct GapMatches {
  std::uint64_t proven = 0;   // shootdowns: at most `calls` of each window
  std::uint64_t exact = 0;    // windows with calls in which just as many gaps begin
  std::vector<Ticks> stalls;  // the longest gap of each window that has one
  // Of the last gap of each window, where both are known (Gap).
  std::vector<Ticks> first_rounds;
  std::vector<Ticks> second_rounds;
};

// Both ascending in time; windows do not overlap. slack: kClockSlackNs in ticks.
GapMatches match_gaps(std::span<const ShootdownWindow> windows, std::span<const Gap> gaps,
                      Ticks slack);

// How much of each window lies in gaps, ticks. Both ascending in time; windows do not overlap.
std::vector<Ticks> time_in_gaps(std::span<const ShootdownWindow> windows,
                                std::span<const Gap> gaps);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_GAP_MATCHING_H_
