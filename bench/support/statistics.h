// Statistics: exact percentiles of samples that are all kept.
//
// A SampleBuffer takes samples in a timed section: it owns a fixed, already touched piece of
// memory, so that taking a sample neither allocates nor faults, and it refuses what does not fit.
// Afterwards summarize() sorts the samples and reads the percentiles off.
//
// Percentiles are nearest-rank: pQ is the smallest sample such that at least Q percent of all
// samples are not larger. It is always a value that was measured. Interpolation would invent times
// between the two modes of a shootdown (1.4 us when the responder was away, 22 us when it was
// there), where nothing ever happened. With fewer than 1,000 samples p999 is therefore the maximum.
#ifndef FLUSHWALK_BENCH_SUPPORT_STATISTICS_H_
#define FLUSHWALK_BENCH_SUPPORT_STATISTICS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace flushwalk {

// Of at least one sample; all but `samples` in the samples' unit.
struct Summary {
  double min = 0;
  double p10 = 0;
  double p50 = 0;
  double p90 = 0;
  double p99 = 0;
  double p999 = 0;
  double max = 0;
  double mean = 0;
  std::uint64_t samples = 0;

  // The same samples in another unit: every value times `factor` (positive), for instance ns per
  // tick.
  Summary scaled(double factor) const;

  friend bool operator==(const Summary&, const Summary&) = default;
};

// Sorts `samples` in place. Empty for no samples. Doubles must not be NaN.
std::optional<Summary> summarize(std::span<std::uint64_t> samples);
std::optional<Summary> summarize(std::span<double> samples);

// The nearest-rank percentile of samples in ascending order, which must not be empty.
// permille: 1..1000 (999 is p99.9).
double percentile_of_sorted(std::span<const std::uint64_t> sorted, unsigned permille);
double percentile_of_sorted(std::span<const double> sorted, unsigned permille);

template <typename T>
class SampleBuffer {
 public:
  // Allocates and writes all of its memory here and never again.
  explicit SampleBuffer(std::size_t capacity) : values_(capacity) {}

  // False, and the sample is only counted as refused, when the buffer is full.
  bool push(T value) noexcept {
    if (size_ == values_.size()) {
      ++refused_;
      return false;
    }
    values_[size_++] = value;
    return true;
  }

  void clear() noexcept {
    size_ = 0;
    refused_ = 0;
  }

  std::span<T> values() noexcept { return {values_.data(), size_}; }
  std::span<const T> values() const noexcept { return {values_.data(), size_}; }
  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept { return values_.size(); }
  // Samples pushed since the last clear() that did not fit.
  std::size_t refused() const noexcept { return refused_; }

 private:
  std::vector<T> values_;
  std::size_t size_ = 0;
  std::size_t refused_ = 0;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_STATISTICS_H_
