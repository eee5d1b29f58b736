#include "bench/counters/nearest_names.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <utility>

namespace flushwalk {
namespace {

char folded(char c) {
  if (c == '-') {
    return '_';
  }
  return c == ':' ? '.' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
}

}  // namespace

// Damerau and Levenshtein's, with three rows of the table.
std::size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> before_last;
  std::vector<std::size_t> last(to.size() + 1);
  std::iota(last.begin(), last.end(), 0U);
  for (std::size_t i = 1; i <= from.size(); ++i) {
    std::vector<std::size_t> row(to.size() + 1, i);
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const bool same = folded(from[i - 1]) == folded(to[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0U : 1U)});
      const bool swapped = i > 1 && j > 1 && folded(from[i - 1]) == folded(to[j - 2]) &&
                           folded(from[i - 2]) == folded(to[j - 1]);
      if (swapped) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    before_last = std::exchange(last, std::move(row));
  }
  return last.back();
}

std::vector<std::string> nearest_names(std::string_view wanted, std::vector<std::string> names,
                                       std::size_t most) {
  std::vector<std::pair<std::size_t, std::string>> near;
  for (std::string& name : names) {
    const std::size_t distance = edit_distance(wanted, name);
    if (distance * 2 <= std::max(wanted.size(), name.size())) {
      near.emplace_back(distance, std::move(name));
    }
  }
  std::sort(near.begin(), near.end());
  near.erase(std::unique(near.begin(), near.end()), near.end());
  std::vector<std::string> nearest;
  for (auto& [distance, name] : near) {
    if (nearest.size() < most) {
      nearest.push_back(std::move(name));
    }
  }
  return nearest;
}

}  // namespace flushwalk
