// Nearest names: which of many names a misspelt one may have meant.
#ifndef FLUSHWALK_BENCH_COUNTERS_NEAREST_NAMES_H_
#define FLUSHWALK_BENCH_COUNTERS_NEAREST_NAMES_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace flushwalk {

// How many an error message offers.
inline constexpr std::size_t kSuggestions = 3;

// Insertions, deletions, exchanges and swaps of neighbours that lead from one to the other; the
// case of letters, and - against _ and : against ., which libpfm4 does not tell apart either, cost
// nothing.
std::size_t edit_distance(std::string_view from, std::string_view to);

// Up to `most` of the names, the nearest first; those that share less than half with it are none.
std::vector<std::string> nearest_names(std::string_view wanted, std::vector<std::string> names,
                                       std::size_t most);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_COUNTERS_NEAREST_NAMES_H_
