#include "bench/support/clock.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <sstream>
#include <string_view>
#include <utility>

#include "bench/support/kernel_tables.h"
#include "bench/support/statistics.h"

namespace flushwalk {
namespace {

constexpr std::uint32_t kAdvancedPowerLeaf = 0x80000007;
constexpr std::uint32_t kInvariantTscBit = 1U << 8;
constexpr std::size_t kOverheadPairs = 10'000;

bool has_word(const std::string& words, std::string_view wanted) {
  std::istringstream stream(words);
  std::string word;
  while (stream >> word) {
    if (word == wanted) {
      return true;
    }
  }
  return false;
}

std::string first_line(const std::string& path) {
  const std::string text = read_kernel_file(path).value_or("");
  return text.substr(0, text.find('\n'));
}

// Clocksources which the kernel derives from the TSC, and only from one that it trusts.
bool reads_tsc(const std::string& clocksource) {
  constexpr std::array<std::string_view, 5> kOnTsc = {"tsc", "tsc-early", "kvm-clock",
                                                      "hyperv_clocksource_tsc_page", "xen"};
  return std::find(kOnTsc.begin(), kOnTsc.end(), clocksource) != kOnTsc.end();
}

class MachineTickPairs final : public TickPairSource {
 public:
  TickPair read_pair() override {
    TickPair pair;
    pair.before = counter::read_fenced();
    pair.raw_ns = monotonic_raw_ns();
    pair.after = counter::read_fenced();
    return pair;
  }

  void wait_ns(std::uint64_t ns) override {
    const timespec duration{.tv_sec = static_cast<time_t>(ns / 1'000'000'000U),
                            .tv_nsec = static_cast<long>(ns % 1'000'000'000U)};
    ::nanosleep(&duration, nullptr);  // cut short by a signal, the window is shorter: that is all
  }
};

struct WindowEnd {
  double ticks = 0;    // middle of the bracket, relative to the origin
  double raw_ns = 0;   // relative to the origin
  double bracket = 0;  // ticks from before to after
};

// Relative to `origin`, so that doubles keep single ticks however long the machine has been up.
std::optional<WindowEnd> tightest_pair(TickPairSource& pairs, unsigned tries,
                                       const TickPair& origin) {
  std::optional<TickPair> best;
  for (unsigned i = 0; i < tries; ++i) {
    const TickPair pair = pairs.read_pair();
    if (pair.after < pair.before || pair.before < origin.before || pair.raw_ns < origin.raw_ns) {
      continue;
    }
    if (!best || pair.after - pair.before < best->after - best->before) {
      best = pair;
    }
  }
  if (!best) {
    return std::nullopt;
  }
  const auto bracket = static_cast<double>(best->after - best->before);
  return WindowEnd{.ticks = static_cast<double>(best->before - origin.before) + bracket / 2,
                   .raw_ns = static_cast<double>(best->raw_ns - origin.raw_ns),
                   .bracket = bracket};
}

struct Window {
  double frequency_hz = 0;
  double uncertainty_ppm = 0;
};

std::optional<Window> measure_window(TickPairSource& pairs, std::uint64_t ns, unsigned tries,
                                     const TickPair& origin) {
  const std::optional<WindowEnd> start = tightest_pair(pairs, tries, origin);
  pairs.wait_ns(ns);
  const std::optional<WindowEnd> end = tightest_pair(pairs, tries, origin);
  if (!start || !end || end->ticks <= start->ticks || end->raw_ns <= start->raw_ns) {
    return std::nullopt;
  }
  const double ticks = end->ticks - start->ticks;
  return Window{.frequency_hz = ticks / (end->raw_ns - start->raw_ns) * 1e9,
                .uncertainty_ppm = (start->bracket + end->bracket) / 2 / ticks * 1e6};
}

// Minimum, median and p99 of an empty pair, and the step that all of them are multiples of. The
// first tenth warms up and is dropped.
void measure_overhead(ClockDescription& description) {
  const Clock clock(description);
  SampleBuffer<Ticks> samples(kOverheadPairs);
  for (std::size_t i = 0; i < kOverheadPairs + kOverheadPairs / 10; ++i) {
    if (i == kOverheadPairs / 10) {
      samples.clear();
    }
    const Ticks begin = clock.now_begin();
    const Ticks end = clock.now_end();
    samples.push(end - begin);
  }
  Ticks step = 0;
  for (const Ticks sample : samples.values()) {
    step = std::gcd(step, sample);
  }
  description.resolution_ns = clock.ticks_to_ns(step);
  const Summary ns = summarize(samples.values())->scaled(clock.ns_per_tick());
  description.overhead_min_ns = ns.min;
  description.overhead_ns = ns.p50;
  description.overhead_p99_ns = ns.p99;
}

}  // namespace

std::string_view name_of(ClockSource source) {
  switch (source) {
    case ClockSource::tsc:
      return "tsc";
    case ClockSource::cntvct:
      return "cntvct";
    case ClockSource::clock_monotonic_raw:
      return "clock_monotonic_raw";
  }
  return "unknown";
}

ClockFacts read_clock_facts(const std::string& root, const CpuidFunction& cpuid) {
  const std::string folder = root + "/sys/devices/system/clocksource/clocksource0/";
  const std::string flags =
      keyed_value(read_kernel_file(root + "/proc/cpuinfo").value_or(""), "flags").value_or("");
  const std::optional<CpuidLeaf> power = cpuid(kAdvancedPowerLeaf, 0);
  ClockFacts facts;
  facts.cpuid_invariant_tsc = power && (power->edx & kInvariantTscBit) != 0;
  facts.flags_invariant_tsc = has_word(flags, "constant_tsc") && has_word(flags, "nonstop_tsc");
  facts.current_clocksource = first_line(folder + "current_clocksource");
  facts.available_clocksource = first_line(folder + "available_clocksource");
  return facts;
}

SourceChoice choose_source(const ClockFacts& facts) {
  SourceChoice choice;
  if (facts.counter == ClockSource::cntvct) {
    return {ClockSource::cntvct, true, "the architecture guarantees a constant rate"};
  }
  if (facts.counter != ClockSource::tsc) {
    choice.how = "no counter known on this architecture";
    return choice;
  }
  if (!facts.cpuid_invariant_tsc && !facts.flags_invariant_tsc) {
    choice.how = "the TSC is not invariant: neither CPUID 0x80000007 nor the kernel's flags say so";
    return choice;
  }
  const std::string said_by = facts.cpuid_invariant_tsc
                                  ? "CPUID 0x80000007 edx bit 8"
                                  : "the kernel's flags constant_tsc and nonstop_tsc";
  // The kernel checks that all CPUs' counters agree, and drops the TSC when they do not.
  if (facts.current_clocksource.empty()) {
    choice.how = fmt::format("invariant by {}; the kernel's clocksource is unknown", said_by);
  } else if (reads_tsc(facts.current_clocksource)) {
    choice.how = fmt::format("invariant by {}; the kernel's clocksource is {}", said_by,
                             facts.current_clocksource);
  } else if (has_word(facts.available_clocksource, "tsc")) {
    choice.how =
        fmt::format("invariant by {}; the kernel's clocksource is {}, and tsc is available",
                    said_by, facts.current_clocksource);
  } else {
    choice.how = fmt::format("the kernel does not trust the TSC: its clocksource is {}",
                             facts.current_clocksource);
    return choice;
  }
  choice.source = ClockSource::tsc;
  choice.invariant = true;
  return choice;
}

std::optional<Calibration> calibrate(TickPairSource& pairs, const CalibrationPlan& plan) {
  const TickPair origin = pairs.read_pair();
  std::optional<Window> best;
  for (unsigned i = 0; i < plan.windows; ++i) {
    const auto window = measure_window(pairs, plan.window_ns, plan.pairs, origin);
    if (window && (!best || window->uncertainty_ppm < best->uncertainty_ppm)) {
      best = window;
    }
  }
  const auto check = measure_window(pairs, plan.check_window_ns, plan.pairs, origin);
  if (!best || !check) {
    return std::nullopt;
  }
  const double off = std::abs(check->frequency_hz - best->frequency_hz) / best->frequency_hz;
  return Calibration{.frequency_hz = best->frequency_hz,
                     .error_ppm = off * 1e6,
                     .uncertainty_ppm = best->uncertainty_ppm};
}

Clock make_clock(const ClockFacts& facts, TickPairSource& pairs) {
  const SourceChoice choice = choose_source(facts);
  ClockDescription description;
  description.invariant = choice.invariant;
  description.how = choice.how;
  if (choice.source != ClockSource::clock_monotonic_raw) {
    const std::optional<Calibration> calibration = calibrate(pairs);
    if (!calibration) {
      description.invariant = false;
      description.how = fmt::format("the {} does not advance steadily", name_of(choice.source));
    } else if (calibration->error_ppm > kMaxCalibrationErrorPpm) {
      description.invariant = false;
      description.how = fmt::format("two calibrations of the {} differ by {:.0f} ppm",
                                    name_of(choice.source), calibration->error_ppm);
    } else {
      description.source = choice.source;
      description.frequency_hz = calibration->frequency_hz;
      description.calibration_error_ppm = calibration->error_ppm;
    }
  }
  measure_overhead(description);
  return Clock(std::move(description));
}

Clock make_clock(const std::string& root) {
  MachineTickPairs pairs;
  return make_clock(read_clock_facts(root), pairs);
}

}  // namespace flushwalk
