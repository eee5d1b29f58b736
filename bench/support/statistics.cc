#include "bench/support/statistics.h"

#include <algorithm>
#include <cassert>

namespace flushwalk {
namespace {

// Ranks in integers: 0.999 * n in floating point may land just above a whole number.
template <typename T>
double percentile(std::span<const T> sorted, unsigned permille) {
  assert(!sorted.empty() && permille >= 1 && permille <= 1000);
  const std::size_t rank = (sorted.size() * permille + 999) / 1000;
  return static_cast<double>(sorted[rank - 1]);
}

template <typename T>
std::optional<Summary> summarize_samples(std::span<T> samples) {
  if (samples.empty()) {
    return std::nullopt;
  }
  std::sort(samples.begin(), samples.end());
  const std::span<const T> sorted = samples;
  // 64 bits of mantissa on x86: sums of tick counts stay exact up to 2^64.
  long double sum = 0;
  for (const T value : sorted) {
    sum += static_cast<long double>(value);
  }
  return Summary{
      .min = static_cast<double>(sorted.front()),
      .p10 = percentile(sorted, 100),
      .p50 = percentile(sorted, 500),
      .p90 = percentile(sorted, 900),
      .p99 = percentile(sorted, 990),
      .p999 = percentile(sorted, 999),
      .max = static_cast<double>(sorted.back()),
      .mean = static_cast<double>(sum / static_cast<long double>(sorted.size())),
      .samples = sorted.size(),
  };
}

}  // namespace

Summary Summary::scaled(double factor) const {
  Summary result = *this;
  for (double* value : {&result.min, &result.p10, &result.p50, &result.p90, &result.p99,
                        &result.p999, &result.max, &result.mean}) {
    *value *= factor;
  }
  return result;
}

std::optional<Summary> summarize(std::span<std::uint64_t> samples) {
  return summarize_samples(samples);
}

std::optional<Summary> summarize(std::span<double> samples) { return summarize_samples(samples); }

double percentile_of_sorted(std::span<const std::uint64_t> sorted, unsigned permille) {
  return percentile(sorted, permille);
}

double percentile_of_sorted(std::span<const double> sorted, unsigned permille) {
  return percentile(sorted, permille);
}

}  // namespace flushwalk
