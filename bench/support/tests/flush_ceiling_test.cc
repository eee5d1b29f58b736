#include "bench/support/flush_ceiling.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace flushwalk {
namespace {

// Costs (ns) of 1 to 96 pages; the second half of the rounds is 10 ns dearer.
std::optional<unsigned> ceiling_of(const std::function<double(unsigned)>& cost,
                                   const std::function<double(unsigned)>& second) {
  std::vector<FlushCost> costs;
  for (unsigned pages = 1; pages <= 96; ++pages) {
    costs.push_back({pages, cost(pages), second(pages) + 10});
  }
  return find_ceiling(costs);
}
std::optional<unsigned> ceiling_of(const std::function<double(unsigned)>& cost) {
  return ceiling_of(cost, cost);
}

// 200 ns a page up to `last`, then 26 as of the page tables alone; and what minima still jitter by.
std::function<double(unsigned)> step_after(unsigned last) {
  return [last](unsigned pages) {
    const double jitter = pages * 7919 % 13 * 5.0;
    return 1100 + jitter + (pages <= last ? 200.0 * pages : 26.0 * pages);
  };
}

TEST(FindCeiling, IsTheLastSizeBeforeTheFall) {
  EXPECT_EQ(ceiling_of(step_after(33)), 33U);
  EXPECT_EQ(ceiling_of(step_after(12)), 12U);
  EXPECT_EQ(ceiling_of(step_after(64)), 64U);
}

TEST(FindCeiling, NothingFallsWhereTheStepIsFurtherOn) {
  EXPECT_EQ(ceiling_of(step_after(96)), std::nullopt);
  EXPECT_EQ(ceiling_of(step_after(0)), std::nullopt);
}

// A disturbance that met every round of one size, or all rounds of one half.
TEST(FindCeiling, ADisturbanceIsNoStep) {
  const auto flat = step_after(96);
  const auto spike = [&flat](unsigned pages) { return flat(pages) + (pages == 20 ? 9000 : 0); };
  const auto dip = [&flat](unsigned pages) { return flat(pages) - (pages == 60 ? 9000 : 0); };
  EXPECT_EQ(ceiling_of(spike), std::nullopt);
  EXPECT_EQ(ceiling_of(dip), std::nullopt);
  EXPECT_EQ(ceiling_of(step_after(33), flat), std::nullopt);
}

TEST(FindCeiling, TwoStepsAreNone) {
  const auto stairs = [](unsigned pages) {
    return 1000 + 200.0 * pages - (pages > 20 ? 3000 : 0) - (pages > 50 ? 5000 : 0);
  };
  EXPECT_EQ(ceiling_of(stairs), std::nullopt);
}

TEST(MeasureFlushCeiling, SaysWhatItSaw) {
  const FlushCeiling found = measure_flush_ceiling(make_clock());
  EXPECT_EQ(found.how.substr(0, 24), "not readable; measured: ") << found.how;
}

}  // namespace
}  // namespace flushwalk
