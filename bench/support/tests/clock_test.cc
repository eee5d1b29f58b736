#include "bench/support/clock.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace flushwalk {
namespace {

using testing::HasSubstr;

// A machine whose counter runs at `hz` and whose time passes only by waiting and by reading.
class SyntheticPairs final : public TickPairSource {
 public:
  explicit SyntheticPairs(double hz) : hz_(hz) {}

  TickPair read_pair() override {
    const Bracket bracket = brackets_.at(reads_ % brackets_.size());
    ++reads_;
    TickPair pair;
    pair.before = ticks();
    now_ns_ += bracket.until_raw_ns;
    pair.raw_ns = now_ns_;
    now_ns_ += bracket.after_raw_ns;
    pair.after = ticks();
    return pair;
  }

  void wait_ns(std::uint64_t ns) override {
    now_ns_ += ns;
    waits_.push_back(ns);
    if (on_wait) {
      on_wait(*this);
    }
  }

  struct Bracket {
    std::uint64_t until_raw_ns = 20;
    std::uint64_t after_raw_ns = 20;
  };
  // What following reads are like, in turn.
  void set_brackets(std::vector<Bracket> brackets) {
    brackets_ = std::move(brackets);
    reads_ = 0;
  }
  void set_rate(double hz) {
    base_ticks_ = ticks();
    base_ns_ = now_ns_;
    hz_ = hz;
  }
  const std::vector<std::uint64_t>& waits() const { return waits_; }

  std::function<void(SyntheticPairs&)> on_wait;

 private:
  Ticks ticks() const {
    return base_ticks_ + static_cast<Ticks>(static_cast<double>(now_ns_ - base_ns_) * hz_ / 1e9);
  }

  double hz_;
  std::uint64_t now_ns_ = 0;
  std::uint64_t base_ns_ = 0;
  Ticks base_ticks_ = Ticks{1} << 60;  // up for years: doubles alone would lose the ticks
  std::vector<Bracket> brackets_ = {Bracket{}};
  std::size_t reads_ = 0;
  std::vector<std::uint64_t> waits_;
};

double ppm_off(double value, double expected) { return std::abs(value / expected - 1) * 1e6; }

ClockFacts trusted_tsc() {
  return {.counter = ClockSource::tsc,
          .cpuid_invariant_tsc = true,
          .flags_invariant_tsc = true,
          .current_clocksource = "tsc",
          .available_clocksource = "tsc hpet"};
}

TEST(Calibrate, FindsTheFrequencyOfASteadyCounter) {
  for (const double hz : {24e6, 1e9, 2.6e9, 5.7e9}) {
    SyntheticPairs pairs(hz);
    const auto calibration = calibrate(pairs);
    ASSERT_TRUE(calibration.has_value());
    EXPECT_LT(ppm_off(calibration->frequency_hz, hz), 10) << hz;
    EXPECT_LT(calibration->error_ppm, 10) << hz;
  }
}

TEST(Calibrate, UsesTheTightestWindowAndItsTightestPairs) {
  SyntheticPairs pairs(2.6e9);
  using Brackets = std::vector<SyntheticPairs::Bracket>;
  // An interruption of 1 ms tears every pair apart, at one end of a window before the raw time and
  // at the other after it: 10 % off. Only the third window has tight pairs at both ends, one in
  // four.
  pairs.on_wait = [](SyntheticPairs& self) {
    const std::size_t window = self.waits().size();
    const bool early = window % 2 == 0;
    const SyntheticPairs::Bracket torn{early ? 1'000'000U : 0U, early ? 0U : 1'000'000U};
    self.set_brackets(window == 2 || window == 3 ? Brackets{torn, torn, {10, 10}, torn}
                                                 : Brackets{torn});
  };
  pairs.set_brackets({{1'000'000, 0}});
  const auto calibration = calibrate(
      pairs, {.windows = 5, .window_ns = 10'000'000, .check_window_ns = 50'000'000, .pairs = 8});
  ASSERT_TRUE(calibration.has_value());
  EXPECT_LT(calibration->uncertainty_ppm, 2.1);  // 20 ns in 10 ms
  EXPECT_LT(ppm_off(calibration->frequency_hz, 2.6e9), 2.1);
}

TEST(Calibrate, ErrorIsWhatAnotherWindowSays) {
  SyntheticPairs pairs(2e9);
  const CalibrationPlan plan;
  pairs.on_wait = [&](SyntheticPairs& self) {
    if (self.waits().size() == plan.windows) {
      self.set_rate(2e9 * (1 + 250e-6));
    }
  };
  const auto calibration = calibrate(pairs, plan);
  ASSERT_TRUE(calibration.has_value());
  EXPECT_LT(ppm_off(calibration->frequency_hz, 2e9), 5);
  EXPECT_NEAR(calibration->error_ppm, 250, 5);
  EXPECT_EQ(pairs.waits().size(), plan.windows + 1);
  EXPECT_EQ(pairs.waits().back(), plan.check_window_ns);
}

TEST(Calibrate, CounterThatStandsStillIsRefused) {
  SyntheticPairs pairs(0);
  EXPECT_FALSE(calibrate(pairs).has_value());
}

TEST(ChooseSource, TrustedTscIsUsed) {
  const SourceChoice choice = choose_source(trusted_tsc());
  EXPECT_EQ(choice.source, ClockSource::tsc);
  EXPECT_TRUE(choice.invariant);
  EXPECT_THAT(choice.how, HasSubstr("clocksource is tsc"));
}

TEST(ChooseSource, EitherProofOfInvarianceIsEnough) {
  ClockFacts facts = trusted_tsc();
  facts.cpuid_invariant_tsc = false;
  EXPECT_EQ(choose_source(facts).source, ClockSource::tsc);
  facts.flags_invariant_tsc = false;
  EXPECT_EQ(choose_source(facts).source, ClockSource::clock_monotonic_raw);
  EXPECT_FALSE(choose_source(facts).invariant);
  EXPECT_THAT(choose_source(facts).how, HasSubstr("not invariant"));
  facts.cpuid_invariant_tsc = true;
  EXPECT_EQ(choose_source(facts).source, ClockSource::tsc);
}

TEST(ChooseSource, TscThatTheKernelDroppedIsNotUsed) {
  ClockFacts facts = trusted_tsc();
  facts.current_clocksource = "hpet";
  facts.available_clocksource = "hpet acpi_pm";
  const SourceChoice choice = choose_source(facts);
  EXPECT_EQ(choice.source, ClockSource::clock_monotonic_raw);
  EXPECT_FALSE(choice.invariant);
  EXPECT_THAT(choice.how, HasSubstr("hpet"));
}

TEST(ChooseSource, ClocksourceOnTopOfTheTscOrChosenByTheUserIsFine) {
  ClockFacts facts = trusted_tsc();
  facts.current_clocksource = "kvm-clock";
  facts.available_clocksource = "kvm-clock acpi_pm";
  EXPECT_EQ(choose_source(facts).source, ClockSource::tsc);
  facts.current_clocksource = "hpet";
  facts.available_clocksource = "tsc hpet acpi_pm";
  EXPECT_EQ(choose_source(facts).source, ClockSource::tsc);
  facts.current_clocksource = "";
  facts.available_clocksource = "";
  EXPECT_EQ(choose_source(facts).source, ClockSource::tsc);
  EXPECT_THAT(choose_source(facts).how, HasSubstr("unknown"));
}

TEST(ChooseSource, OtherArchitectures) {
  EXPECT_EQ(choose_source({.counter = ClockSource::cntvct}).source, ClockSource::cntvct);
  EXPECT_TRUE(choose_source({.counter = ClockSource::cntvct}).invariant);
  const SourceChoice none = choose_source({.counter = ClockSource::clock_monotonic_raw});
  EXPECT_EQ(none.source, ClockSource::clock_monotonic_raw);
  EXPECT_FALSE(none.invariant);
}

class ClockFactsTest : public testing::Test {
 protected:
  ClockFactsTest()
      : root_(std::filesystem::path(testing::TempDir()) / fmt::format("clock_{}", getpid())) {}
  ~ClockFactsTest() override { std::filesystem::remove_all(root_); }

  void put(const std::string& path, const std::string& text) const {
    const std::filesystem::path full = root_ / path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }

  std::filesystem::path root_;
};

TEST_F(ClockFactsTest, AreReadFromTheFilesAndCpuid) {
  put("proc/cpuinfo", "processor : 0\nflags : fpu constant_tsc nonstop_tsc tsc\n");
  put("sys/devices/system/clocksource/clocksource0/current_clocksource", "kvm-clock\n");
  put("sys/devices/system/clocksource/clocksource0/available_clocksource", "kvm-clock tsc \n");
  const auto bit8 = [](std::uint32_t leaf, std::uint32_t) -> std::optional<CpuidLeaf> {
    return CpuidLeaf{.edx = leaf == 0x80000007 ? 0x100U : 0U};
  };
  const ClockFacts facts = read_clock_facts(root_, bit8);
  EXPECT_TRUE(facts.cpuid_invariant_tsc);
  EXPECT_TRUE(facts.flags_invariant_tsc);
  EXPECT_EQ(facts.current_clocksource, "kvm-clock");
  EXPECT_EQ(facts.available_clocksource, "kvm-clock tsc ");
}

TEST_F(ClockFactsTest, OneOfTheTwoFlagsOrAnotherBitIsNoProof) {
  put("proc/cpuinfo", "flags : fpu constant_tsc nonstop_tsc_s3\n");
  const auto all_but_bit8 = [](std::uint32_t, std::uint32_t) -> std::optional<CpuidLeaf> {
    return CpuidLeaf{.edx = ~0x100U};
  };
  const ClockFacts facts = read_clock_facts(root_, all_but_bit8);
  EXPECT_FALSE(facts.cpuid_invariant_tsc);
  EXPECT_FALSE(facts.flags_invariant_tsc);
  EXPECT_EQ(facts.current_clocksource, "");
}

TEST(MakeClock, CounterOfKnownRateIsUsed) {
  if (counter::kSource == ClockSource::clock_monotonic_raw) {
    GTEST_SKIP() << "no counter on this architecture";
  }
  ClockFacts facts = trusted_tsc();
  facts.counter = counter::kSource;
  SyntheticPairs pairs(2.5e9);
  const Clock clock = make_clock(facts, pairs);
  EXPECT_EQ(clock.description().source, counter::kSource);
  EXPECT_TRUE(clock.description().invariant);
  EXPECT_LT(ppm_off(clock.description().frequency_hz, 2.5e9), 10);
}

TEST(MakeClock, UntrustedCounterGivesMonotonicRawAndSaysWhy) {
  ClockFacts facts = trusted_tsc();
  facts.cpuid_invariant_tsc = facts.flags_invariant_tsc = false;
  SyntheticPairs steady(2.5e9);
  const ClockDescription not_invariant = make_clock(facts, steady).description();
  EXPECT_EQ(not_invariant.source, ClockSource::clock_monotonic_raw);
  EXPECT_EQ(not_invariant.frequency_hz, 1e9);

  SyntheticPairs unsteady(2.5e9);
  unsteady.on_wait = [](SyntheticPairs& self) {
    self.set_rate(self.waits().size() == CalibrationPlan{}.windows ? 2.51e9 : 2.5e9);
  };
  const ClockDescription drifts = make_clock(trusted_tsc(), unsteady).description();
  EXPECT_EQ(drifts.source, ClockSource::clock_monotonic_raw);
  EXPECT_FALSE(drifts.invariant);
  EXPECT_THAT(drifts.how, HasSubstr("4000 ppm"));

  SyntheticPairs stopped(0);
  const ClockDescription still = make_clock(trusted_tsc(), stopped).description();
  EXPECT_EQ(still.source, ClockSource::clock_monotonic_raw);
  EXPECT_THAT(still.how, HasSubstr("does not advance"));
}

TEST(Clock, TicksAndNsAreConvertedByTheFrequency) {
  const Clock clock(ClockDescription{.source = counter::kSource, .frequency_hz = 2.5e9});
  EXPECT_DOUBLE_EQ(clock.ticks_to_ns(5000), 2000);
  EXPECT_EQ(clock.ns_to_ticks(2000), 5000U);
  EXPECT_EQ(clock.ns_to_ticks(0.5), 1U);
}

TEST(Clock, FallbackTicksAreMonotonicRawNs) {
  const Clock clock(ClockDescription{.source = ClockSource::clock_monotonic_raw});
  for (const auto read : {&Clock::now_begin, &Clock::now_end, &Clock::now}) {
    const std::uint64_t before = monotonic_raw_ns();
    const Ticks ticks = (clock.*read)();
    const std::uint64_t after = monotonic_raw_ns();
    EXPECT_GE(ticks, before);
    EXPECT_LE(ticks, after);
  }
  EXPECT_DOUBLE_EQ(clock.ticks_to_ns(7), 7);
}

TEST(Clock, ThisMachinesClockGoesForwardAndStatesItsOverhead) {
  const Clock clock = make_clock();
  Ticks last = clock.now_begin();
  for (int i = 0; i < 1000; ++i) {
    const Ticks end = clock.now_end();
    EXPECT_GE(end, last);
    last = end;
  }
  const ClockDescription& description = clock.description();
  EXPECT_FALSE(description.how.empty());
  EXPECT_GT(description.frequency_hz, 0);
  EXPECT_GE(description.calibration_error_ppm, 0);
  EXPECT_GT(description.overhead_ns, 0);
  EXPECT_LE(description.overhead_min_ns, description.overhead_ns);
  EXPECT_LE(description.overhead_ns, description.overhead_p99_ns);
  EXPECT_GT(description.resolution_ns, 0);
  EXPECT_LE(description.resolution_ns, description.overhead_p99_ns);
  RecordProperty("source", std::string(name_of(description.source)));
  RecordProperty("frequency_hz", fmt::format("{}", description.frequency_hz));
  RecordProperty("overhead_ns", fmt::format("{}", description.overhead_ns));
}

#if defined(__x86_64__)
TEST(ReadCpuid, KnowsTheVendorAndRefusesLeavesBeyondTheLast) {
  const auto vendor = read_cpuid(0);
  ASSERT_TRUE(vendor.has_value());
  EXPECT_NE(vendor->ebx, 0U);
  EXPECT_EQ(read_cpuid(0x8fffffff), std::nullopt);
}
#endif

}  // namespace
}  // namespace flushwalk
