// Noise: what a CPU loses to others (interrupts, the kernel, other programs, a hypervisor), seen by
// a thread there that does nothing but read the clock. Two readings further apart than a turn of
// the loop takes are a gap: something else ran.
#ifndef FLUSHWALK_BENCH_MACHINE_PROBE_NOISE_H_
#define FLUSHWALK_BENCH_MACHINE_PROBE_NOISE_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/support/clock.h"
#include "topology/machine.h"

namespace flushwalk {

// Gaps over these are counted; those over the first make up the lost time.
inline constexpr std::array<double, 3> kGapLimitsNs = {1'000, 10'000, 100'000};

class GapCounter {
 public:
  explicit GapCounter(const Clock& clock);

  // Two readings, one after the other.
  void add(Ticks previous, Ticks now) {
    const Ticks gap = now - previous;
    if (gap > limits_[0]) {
      count(gap);
    }
  }

  std::uint64_t over(std::size_t limit) const { return over_[limit]; }  // of kGapLimitsNs
  Ticks longest() const { return longest_; }
  Ticks lost() const { return lost_; }

 private:
  void count(Ticks gap);

  std::array<Ticks, kGapLimitsNs.size()> limits_{};
  std::array<std::uint64_t, kGapLimitsNs.size()> over_{};
  Ticks longest_ = 0;
  Ticks lost_ = 0;
};

struct CpuNoise {
  int cpu = 0;
  double seconds = 0;  // watched
  std::array<std::uint64_t, kGapLimitsNs.size()> gaps_over{};
  double longest_ns = 0;
  double lost_percent = 0;  // of the time watched
  std::string error{};      // why the CPU was not watched; the rest is 0 then
};

// Watches all the CPUs at once, as initiator and responders spin at once; each by a thread that is
// pinned there. In their order.
std::vector<CpuNoise> watch_noise(const topology::Machine& machine, const std::vector<int>& cpus,
                                  const Clock& clock, double seconds);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_MACHINE_PROBE_NOISE_H_
