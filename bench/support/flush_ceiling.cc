#include "bench/support/flush_ceiling.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <vector>

#include "allocator/geometry.h"

namespace flushwalk {
namespace {

constexpr unsigned kMostPages = 96;
constexpr unsigned kRounds = 60;
constexpr unsigned kFewestRounds = 8;
constexpr double kEnoughNs = 150e6;

// A fall counts from this share of the cost, and this many times what neighbours usually differ in.
constexpr double kLeastShare = 0.05;
constexpr double kTimesUsual = 6;
// So many sizes on either side must bear it out: more than one, which a disturbance may have met.
constexpr std::size_t kNeighbours = 4;

double cost(const FlushCost& of, bool second) { return second ? of.second_ns : of.first_ns; }

double usual_difference(std::span<const FlushCost> costs, bool second) {
  std::vector<double> differences;
  for (std::size_t i = 1; i < costs.size(); ++i) {
    differences.push_back(std::abs(cost(costs[i], second) - cost(costs[i - 1], second)));
  }
  const auto middle = differences.begin() + static_cast<std::ptrdiff_t>(differences.size() / 2);
  std::nth_element(differences.begin(), middle, differences.end());
  return *middle;
}

// Whether the cost falls from costs[at] to the next, in one of the halves.
bool falls(std::span<const FlushCost> costs, std::size_t at, bool second, double usual) {
  const double before = cost(costs[at], second);
  const double least = std::max(kLeastShare * before, kTimesUsual * usual);
  // Half of the fall: costs also rise from page to page.
  const double between = (before + cost(costs[at + 1], second)) / 2;
  if (before - cost(costs[at + 1], second) < least) {
    return false;
  }
  const std::size_t first = at + 1 > kNeighbours ? at + 1 - kNeighbours : 0;
  const std::size_t last = std::min(at + kNeighbours, costs.size() - 1);
  for (std::size_t i = first; i <= last; ++i) {
    if ((cost(costs[i], second) > between) != (i <= at)) {
      return false;
    }
  }
  return true;
}

// A mapping of touched pages of its own, between two that differ from it in their protection: its
// VMA is never merged with a neighbour.
class Pages {
 public:
  Pages() {
    void* const address =
        mmap(nullptr, (kMostPages + 2) * kPageSize, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address == MAP_FAILED) {
      return;
    }
    whole_ = static_cast<char*>(address);
    madvise(whole_, (kMostPages + 2) * kPageSize, MADV_NOHUGEPAGE);  // no such call: none either
    mprotect(first(), kMostPages * kPageSize, PROT_READ | PROT_WRITE);
    std::memset(first(), 1, kMostPages * kPageSize);
  }
  ~Pages() {
    if (whole_ != nullptr) {
      munmap(whole_, (kMostPages + 2) * kPageSize);
    }
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  bool mapped() const { return whole_ != nullptr; }

  // ns that the kernel takes to take all access to so many pages away, which are in the TLB; NaN,
  // with errno, where it does not.
  double time_flush(unsigned pages, const Clock& clock) {
    for (unsigned i = 0; i < pages; ++i) {
      static_cast<void>(*static_cast<volatile char*>(first() + i * kPageSize));
    }
    const Ticks begin = clock.now_begin();
    const int result = mprotect(first(), pages * kPageSize, PROT_NONE);
    const Ticks end = clock.now_end();
    if (result != 0 || mprotect(first(), pages * kPageSize, PROT_READ | PROT_WRITE) != 0) {
      return std::numeric_limits<double>::quiet_NaN();
    }
    return clock.ticks_to_ns(end - begin);
  }

 private:
  char* first() const { return whole_ + kPageSize; }

  char* whole_ = nullptr;
};

std::string in_words(std::span<const FlushCost> costs, std::optional<unsigned> found) {
  if (!found) {
    return fmt::format("not readable; measured: no one step in mprotect of 1 to {} touched pages",
                       costs.size());
  }
  const FlushCost& at = costs[*found - 1];
  const FlushCost& above = costs[*found];
  return fmt::format(
      "not readable; measured: mprotect of {} touched pages takes {:.2f} us, of {} {:.2f} us",
      at.pages, std::min(at.first_ns, at.second_ns) / 1000, above.pages,
      std::min(above.first_ns, above.second_ns) / 1000);
}

}  // namespace

std::optional<unsigned> find_ceiling(std::span<const FlushCost> costs) {
  if (costs.size() < 2 * kNeighbours) {
    return std::nullopt;
  }
  const double usual[] = {usual_difference(costs, false), usual_difference(costs, true)};
  std::optional<unsigned> found;
  for (std::size_t i = 0; i + 1 < costs.size(); ++i) {
    if (falls(costs, i, false, usual[0]) && falls(costs, i, true, usual[1])) {
      if (found) {
        return std::nullopt;
      }
      found = costs[i].pages;
    }
  }
  return found;
}

FlushCeiling measure_flush_ceiling(const Clock& clock) {
  Pages memory;
  if (!memory.mapped()) {
    return {std::nullopt, fmt::format("not readable; mmap: {}", std::strerror(errno))};
  }
  std::vector<FlushCost> costs;
  for (unsigned pages = 1; pages <= kMostPages; ++pages) {
    costs.push_back(
        {pages, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()});
  }
  const Ticks enough = clock.now() + clock.ns_to_ticks(kEnoughNs);
  for (unsigned round = 0; round < kRounds && (round < kFewestRounds || clock.now() < enough);
       ++round) {
    for (FlushCost& each : costs) {
      const double time = memory.time_flush(each.pages, clock);
      if (std::isnan(time)) {
        return {std::nullopt, fmt::format("not readable; mprotect: {}", std::strerror(errno))};
      }
      double& least = round % 2 == 0 ? each.first_ns : each.second_ns;
      least = std::min(least, time);
    }
  }
  const std::optional<unsigned> found = find_ceiling(costs);
  return {found, in_words(costs, found)};
}

}  // namespace flushwalk
