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

}  // namespace flushwalk
