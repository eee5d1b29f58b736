#include "bench/support/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

namespace flushwalk {
namespace {

std::vector<std::uint64_t> one_to(std::uint64_t n) {
  std::vector<std::uint64_t> values(n);
  std::iota(values.begin(), values.end(), 1U);
  return values;
}

TEST(Summarize, NoSamplesHaveNoStatistics) {
  EXPECT_FALSE(summarize(std::span<std::uint64_t>{}).has_value());
  EXPECT_FALSE(summarize(std::span<double>{}).has_value());
}

TEST(Summarize, OneSampleIsEveryPercentile) {
  std::vector<double> one = {3.5};
  const Summary expected{3.5, 3.5, 3.5, 3.5, 3.5, 3.5, 3.5, 3.5, 1};
  EXPECT_EQ(summarize(one), expected);
}

TEST(Summarize, PercentilesOfOneToThousandAreTheirRanks) {
  std::vector<std::uint64_t> values = one_to(1000);
  std::shuffle(values.begin(), values.end(), std::mt19937{7});
  const Summary expected{1, 100, 500, 900, 990, 999, 1000, 500.5, 1000};
  EXPECT_EQ(summarize(values), expected);
}

TEST(Summarize, PercentileIsASampleAndNeverBetweenTwo) {
  std::vector<double> two_modes = {1.4, 22.6, 1.4, 22.6};
  const Summary summary = *summarize(two_modes);
  EXPECT_EQ(summary.p50, 1.4);
  EXPECT_EQ(summary.p90, 22.6);
  EXPECT_EQ(summary.mean, 12.0);
}

// The definition itself, checked by counting, at sizes where a rank off by one shows.
TEST(Summarize, PercentileIsTheSmallestSampleThatCoversItsShare) {
  for (const std::uint64_t n : {1U, 2U, 3U, 9U, 10U, 11U, 99U, 100U, 101U, 999U, 1001U, 4096U}) {
    const std::vector<std::uint64_t> values = one_to(n);
    for (const unsigned permille : {1U, 100U, 500U, 900U, 990U, 999U, 1000U}) {
      std::uint64_t smallest = 0;
      while (smallest * 1000 < n * permille) {
        ++smallest;
      }
      EXPECT_EQ(percentile_of_sorted(values, permille), static_cast<double>(smallest))
          << n << " samples, " << permille << " permille";
    }
  }
}

TEST(Summarize, TailOfFewSamplesIsTheMaximum) {
  std::vector<std::uint64_t> values = one_to(999);
  EXPECT_EQ(summarize(values)->p999, 999);
  EXPECT_EQ(summarize(values)->p99, 990);
}

TEST(Summarize, MeanOfLargeTicksKeepsItsLastBits) {
  const std::uint64_t large = std::uint64_t{1} << 52;
  std::vector<std::uint64_t> values(1024, large + 1);
  EXPECT_EQ(summarize(values)->mean, static_cast<double>(large + 1));
}

TEST(Summary, ScalingChangesEveryTimeAndNotTheCount) {
  const Summary ticks{2, 4, 6, 8, 10, 12, 14, 16, 9};
  const Summary expected{1, 2, 3, 4, 5, 6, 7, 8, 9};
  EXPECT_EQ(ticks.scaled(0.5), expected);
}

TEST(SampleBuffer, RefusesBeyondItsCapacityAndKeepsWhatItHas) {
  SampleBuffer<std::uint64_t> buffer(2);
  EXPECT_TRUE(buffer.push(5));
  EXPECT_TRUE(buffer.push(6));
  const std::uint64_t* before = buffer.values().data();
  EXPECT_FALSE(buffer.push(7));
  EXPECT_EQ(buffer.refused(), 1U);
  EXPECT_EQ(buffer.values().data(), before);
  EXPECT_EQ(std::vector<std::uint64_t>(buffer.values().begin(), buffer.values().end()),
            (std::vector<std::uint64_t>{5, 6}));
}

TEST(SampleBuffer, ClearedItTakesAsManyAgain) {
  SampleBuffer<double> buffer(1);
  EXPECT_TRUE(buffer.push(1.0));
  EXPECT_FALSE(buffer.push(2.0));
  buffer.clear();
  EXPECT_EQ(buffer.size(), 0U);
  EXPECT_EQ(buffer.refused(), 0U);
  EXPECT_TRUE(buffer.push(3.0));
  EXPECT_EQ(buffer.values()[0], 3.0);
}

}  // namespace
}  // namespace flushwalk
