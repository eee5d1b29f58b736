#include "bench/support/gap_matching.h"

#include <algorithm>

namespace flushwalk {

GapMatches match_gaps(std::span<const ShootdownWindow> windows, std::span<const Gap> gaps,
                      Ticks slack) {
  GapMatches matches;
  matches.stalls.reserve(windows.size());
  std::size_t next = 0;
  for (const ShootdownWindow& window : windows) {
    while (next < gaps.size() && gaps[next].begin + slack < window.begin) {
      ++next;
    }
    std::uint64_t found = 0;
    Ticks longest = 0;
    for (; next < gaps.size() && gaps[next].begin <= window.end + slack; ++next) {
      ++found;
      longest = std::max(longest, gaps[next].end - gaps[next].begin);
    }
    // What began in the window of a flush without a call is the machine's own.
    if (found != 0 && window.calls != 0) {
      matches.proven += std::min(found, window.calls);
      matches.exact += found == window.calls ? 1U : 0U;
      matches.stalls.push_back(longest);
      if (const Gap& last = gaps[next - 1]; last.second_round != 0) {
        matches.first_rounds.push_back(last.first_round);
        matches.second_rounds.push_back(last.second_round);
      }
    }
  }
  return matches;
}

std::vector<Ticks> time_in_gaps(std::span<const ShootdownWindow> windows,
                                std::span<const Gap> gaps) {
  std::vector<Ticks> times;
  times.reserve(windows.size());
  std::size_t first = 0;
  for (const ShootdownWindow& window : windows) {
    while (first < gaps.size() && gaps[first].end <= window.begin) {
      ++first;
    }
    Ticks inside = 0;
    for (std::size_t i = first; i < gaps.size() && gaps[i].begin < window.end; ++i) {
      inside += std::min(gaps[i].end, window.end) - std::max(gaps[i].begin, window.begin);
    }
    times.push_back(inside);
  }
  return times;
}

}  // namespace flushwalk
