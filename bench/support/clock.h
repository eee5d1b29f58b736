// Clock: the suite's own clock, in ticks of the cheapest counter that can be trusted here.
//
// The counter is the TSC on x86 and the virtual counter on arm64; where that is not invariant (it
// may change its rate, or differ between CPUs) it is CLOCK_MONOTONIC_RAW, whose ticks are
// nanoseconds. Ticks are comparable between all threads of the process, and are turned into ns
// after the timed part by a frequency which was calibrated against CLOCK_MONOTONIC_RAW.
//
// What the fences do. now_begin() and now_end() stand around a timed part. On x86 the sequence is
// lfence; rdtsc; lfence. The lfence before waits until everything earlier has completed: at the
// start that is set-up which must not leak in, at the end it is the timed part itself. The lfence
// after holds back everything later until the counter has been read: at the start the timed part,
// at the end what stores the sample. rdtsc alone may be executed early or late by some hundred
// instructions. rdtscp would save the first fence, but not every (virtual) CPU has it. Linux makes
// lfence serialise on AMD too. Stores which have retired but still wait in the store buffer are not
// waited for: a caller of the kernel's flush does not wait for them either. On arm64 an isb on
// either side does the same for the virtual counter, which may otherwise be read speculatively.
// now() has no fence: it is for loops that look for gaps, where an error of some instructions is
// nothing and the loop's period is everything.
//
// A Clock is plain data and may be copied and shared by threads. Its parts (which source,
// calibration) are functions of facts and tick pairs which tests supply.
#ifndef FLUSHWALK_BENCH_SUPPORT_CLOCK_H_
#define FLUSHWALK_BENCH_SUPPORT_CLOCK_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "bench/support/cpuid.h"

namespace flushwalk {

using Ticks = std::uint64_t;

enum class ClockSource {
  tsc,                  // x86: time stamp counter
  cntvct,               // arm64: virtual counter
  clock_monotonic_raw,  // anywhere: ticks are ns
};

// "tsc", "cntvct" or "clock_monotonic_raw".
std::string_view name_of(ClockSource source);

// CLOCK_MONOTONIC_RAW in ns: hardware time, not slewed by NTP. No system call where the vDSO serves
// it.
inline std::uint64_t monotonic_raw_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_RAW, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
         static_cast<std::uint64_t>(now.tv_nsec);
}

// This machine's counter, whether or not it can be trusted.
namespace counter {

#if defined(__x86_64__)
inline constexpr ClockSource kSource = ClockSource::tsc;

inline Ticks read() {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  asm volatile("rdtsc" : "=a"(low), "=d"(high));
  return (Ticks{high} << 32) | low;
}

inline Ticks read_fenced() {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  asm volatile("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high) : : "memory");
  return (Ticks{high} << 32) | low;
}
#elif defined(__aarch64__)
inline constexpr ClockSource kSource = ClockSource::cntvct;

inline Ticks read() {
  Ticks ticks = 0;
  asm volatile("mrs %0, cntvct_el0" : "=r"(ticks));
  return ticks;
}

inline Ticks read_fenced() {
  Ticks ticks = 0;
  asm volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(ticks) : : "memory");
  return ticks;
}
#else
inline constexpr ClockSource kSource = ClockSource::clock_monotonic_raw;

inline Ticks read() { return monotonic_raw_ns(); }
inline Ticks read_fenced() { return monotonic_raw_ns(); }
#endif

}  // namespace counter

// What a reader must know of the clock to judge its times.
struct ClockDescription {
  ClockSource source = ClockSource::clock_monotonic_raw;
  double frequency_hz = 1e9;
  double calibration_error_ppm = 0;  // against a second, longer window
  bool invariant = false;            // the hardware counter keeps one rate, on all CPUs
  std::string how{};                 // why this source, in words
  // An empty now_begin(), now_end() pair. It is part of every sample and is not subtracted.
  double overhead_min_ns = 0;
  double overhead_ns = 0;  // median
  double overhead_p99_ns = 0;
  // The step in which the counter advances, as seen: a Zen's TSC counts 100 MHz steps, 10 ns each.
  double resolution_ns = 0;
};

class Clock {
 public:
  // description.frequency_hz must be positive, and source this machine's counter or
  // clock_monotonic_raw.
  explicit Clock(ClockDescription description)
      : uses_counter_(description.source != ClockSource::clock_monotonic_raw),
        ns_per_tick_(1e9 / description.frequency_hz),
        description_(std::move(description)) {}

  Ticks now_begin() const { return uses_counter_ ? counter::read_fenced() : monotonic_raw_ns(); }
  Ticks now_end() const { return uses_counter_ ? counter::read_fenced() : monotonic_raw_ns(); }
  // Not ordered with the code around it.
  Ticks now() const { return uses_counter_ ? counter::read() : monotonic_raw_ns(); }

  double ticks_to_ns(Ticks ticks) const { return static_cast<double>(ticks) * ns_per_tick_; }
  double ns_per_tick() const { return ns_per_tick_; }
  // Rounded to the nearest tick. ns: not negative.
  Ticks ns_to_ticks(double ns) const { return static_cast<Ticks>(std::llround(ns / ns_per_tick_)); }

  const ClockDescription& description() const { return description_; }

 private:
  bool uses_counter_;
  double ns_per_tick_;
  ClockDescription description_;
};

// --- Which source
// -----------------------------------------------------------------------------------

struct ClockFacts {
  ClockSource counter = counter::kSource;
  bool cpuid_invariant_tsc = false;     // CPUID 0x80000007 edx bit 8
  bool flags_invariant_tsc = false;     // constant_tsc and nonstop_tsc in /proc/cpuinfo
  std::string current_clocksource{};    // of the kernel; empty when unknown
  std::string available_clocksource{};  // space separated; empty when unknown
};

// root: folder that stands for / (tests).
ClockFacts read_clock_facts(const std::string& root = "", const CpuidFunction& cpuid = read_cpuid);

struct SourceChoice {
  ClockSource source = ClockSource::clock_monotonic_raw;
  bool invariant = false;
  std::string how{};
};

SourceChoice choose_source(const ClockFacts& facts);

// --- Calibration
// ------------------------------------------------------------------------------------

// A raw time and the ticks just before and just after it was read.
struct TickPair {
  Ticks before = 0;
  std::uint64_t raw_ns = 0;
  Ticks after = 0;
};

// Where calibration gets its pairs from: the machine, or a test.
class TickPairSource {
 public:
  virtual ~TickPairSource() = default;
  virtual TickPair read_pair() = 0;
  virtual void wait_ns(std::uint64_t ns) = 0;
};

struct CalibrationPlan {
  unsigned windows = 5;
  std::uint64_t window_ns = 10'000'000;
  std::uint64_t check_window_ns = 50'000'000;
  // At each end of a window; the tightest is used: a pair that an interrupt tore apart never is.
  unsigned pairs = 32;
};

struct Calibration {
  double frequency_hz = 0;
  double error_ppm = 0;        // how far the check window's frequency is away from it
  double uncertainty_ppm = 0;  // how far the used window's brackets allow it to be off
};

// The frequency of the window with the tightest brackets, checked by a further and longer window.
// nullopt when ticks or time do not advance.
std::optional<Calibration> calibrate(TickPairSource& pairs, const CalibrationPlan& plan = {});

// Beyond this the counter is not trusted.
inline constexpr double kMaxCalibrationErrorPpm = 1000;

// Source, calibration and overhead in one: takes about 0.1 s, most of it asleep. `root` as above.
Clock make_clock(const std::string& root = "");
// The same with the facts and pairs given; overhead is measured on the clock that comes out.
Clock make_clock(const ClockFacts& facts, TickPairSource& pairs);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_CLOCK_H_
