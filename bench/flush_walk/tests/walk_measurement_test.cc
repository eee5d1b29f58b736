// Measures for real. What the machine does meanwhile is not this test's to say: rows must be
// consistent, and invalid where they are not proven; that a row is valid is asserted nowhere.
#include "bench/flush_walk/walk_measurement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "allocator/tests/memory_probe.h"
#include "bench/flush_walk/tests/measuring.h"
#include "bench/flush_walk/walk_rows.h"
#include "bench/support/kernel_tables.h"

namespace flushwalk {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;

// What must hold of every result, on whatever machine.
void expect_consistent(const WalkResult& result, ShootdownKind kind, unsigned samples,
                       std::size_t responders) {
  EXPECT_EQ(result.flush.size(), samples);
  EXPECT_EQ(result.walk.size(), samples);
  EXPECT_EQ(result.shootdown.size(), samples);
  for (std::size_t i = 0; i < result.flush.size(); ++i) {
    EXPECT_EQ(result.flush.values()[i], result.walk.values()[i] + result.shootdown.values()[i]);
    EXPECT_GT(result.walk.values()[i], 0U);
  }
  const bool interrupting = interrupts(kind) && responders != 0;
  EXPECT_EQ(result.calls, expected_calls(kind, result.ranges));
  EXPECT_EQ(result.expected, interrupting ? samples * result.calls * responders : 0);
  ASSERT_EQ(result.responders.size(), responders);
  for (const ResponderResult& responder : result.responders) {
    const std::uint64_t expected = result.expected / responders;
    EXPECT_LE(responder.proven, expected);
    EXPECT_LE(responder.stalls.size(), samples);
    EXPECT_LE(responder.stalls.size(), responder.proven);
    EXPECT_EQ(responder.stalls.empty(), responder.proven == 0);
    const std::string reason = why_invalid(result, interrupts(kind));
    if (responder.proven * 100 < expected * 99) {
      EXPECT_THAT(reason,
                  HasSubstr(std::to_string(responder.proven) + " of " + std::to_string(expected) +
                            " shootdowns proven by gaps on CPU " + std::to_string(responder.cpu)));
    }
  }
}

class MeasuringEach : public Measuring, public ::testing::WithParamInterface<ShootdownKind> {};

TEST_P(MeasuringEach, ResultsAreTheWalksOwnInTheirOrder) {
  for (const unsigned responders : {0U, 1U}) {
    place(responders, GetParam());
    if (IsSkipped()) {
      return;
    }
    on_initiator([&] {
      const auto measurement = prepare(25);
      ASSERT_NE(measurement, nullptr);
      EXPECT_EQ(measurement->listed_blocks(), 32U);
      EXPECT_EQ(measurement->dirty_blocks(), 16U);
      for (int repetition = 0; repetition < 2; ++repetition) {
        const std::vector<WalkResult> results = measure(*measurement);
        ASSERT_THAT(results, SizeIs(2));
        for (const WalkResult& result : results) {
          expect_consistent(result, GetParam(), 25, responders);
        }
        EXPECT_EQ(results[0].report.visited, 32U);
        EXPECT_EQ(results[0].report.dirty_blocks, 8U);
        EXPECT_EQ(results[0].stale_slots, 32U);
        EXPECT_EQ(results[1].report.visited, 64U);
        EXPECT_EQ(results[1].report.dirty_blocks, 16U);
        EXPECT_EQ(results[1].stale_slots, 0U);
        const bool runs = gather_for(GetParam()) == Gather::runs;
        EXPECT_EQ(results[0].ranges, runs ? 8U : 1U);
        EXPECT_EQ(results[1].ranges, runs ? 16U : 1U);
        // Dirty is each fourth block, its first 4 slots.
        EXPECT_EQ(results[0].hull_pages, 28 * kBlockSlots + 4);
        EXPECT_EQ(results[1].hull_pages, 60 * kBlockSlots + 4);
      }
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, MeasuringEach, ::testing::ValuesIn(kShootdownKinds),
                         [](const auto& kind) { return std::string(name_of(kind.param)); });

// Page faults of the calling thread so far.
long minor_faults() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_minflt;
}

// What a flush takes away is there again before the next one, or that would have nothing to do.
TEST_F(Measuring, ThePagesOfEachFlushWereTouchedAfterTheOneBefore) {
  place(0, ShootdownKind::dontneed);
  on_initiator([&] {
    constexpr unsigned kSamples = 10;
    const auto measurement = prepare(kSamples);
    ASSERT_NE(measurement, nullptr);
    const long before = minor_faults();
    const std::vector<WalkResult> results = measure(*measurement);
    ASSERT_THAT(results, SizeIs(2));
    // 4 pages of 8 and of 16 blocks; a sample's are touched before the next one's.
    EXPECT_GE(minor_faults() - before, (2 * kSamples - 1) * 8 * 4 + (kSamples - 1) * 8 * 4);
  });
}

// Each gather hands the backend its own ranges; what the walk did not find, full alone covers.
// The walk alone shoots nothing down, the shootdown alone does all that the flush does: each has
// its own proof, and its own rows.
TEST_F(Measuring, ThePartsOfAFlushByThemselves) {
  place(1, ShootdownKind::mprotect);
  if (IsSkipped()) {
    return;
  }
  group.parts_alone = true;
  on_initiator([&] {
    const auto measurement = prepare(20);
    ASSERT_NE(measurement, nullptr);
    auto results = measure(*measurement);
    ASSERT_THAT(results, SizeIs(2));
    for (std::size_t walk = 0; walk < 2; ++walk) {
      WalkResult& result = results[walk];
      ASSERT_TRUE(result.walk_alone && result.shootdown_alone);
      EXPECT_EQ(result.walk_alone->time.size(), 20U);
      EXPECT_EQ(result.shootdown_alone->time.size(), 20U);
      EXPECT_EQ(result.walk_alone->expected, 0U);
      EXPECT_EQ(result.shootdown_alone->expected, 20 * result.calls);
      EXPECT_EQ(result.expected, 20 * result.calls);
      std::vector<std::string> metrics;
      for (const MeasurementRow& row : rows(*measurement, walk, &result)) {
        if (row.metric.ends_with("_alone_time")) {
          metrics.push_back(row.metric);
          const bool shoots = row.metric == "shootdown_alone_time";
          EXPECT_EQ(row.shootdowns_expected, shoots ? 20 * result.calls : 0);
          EXPECT_EQ(row.statistics.value().samples, 20U);
        }
      }
      EXPECT_THAT(metrics, ::testing::ElementsAre("walk_alone_time", "shootdown_alone_time"));
    }
  });
}

TEST_F(Measuring, TheGatherIsTheGroups) {
  place(0, ShootdownKind::mprotect_range);
  for (const Gather gather : kGathers) {
    SCOPED_TRACE(name_of(gather));
    group.axes.asked_gather = gather;
    on_initiator([&] {
      const auto measurement = prepare(4);
      ASSERT_NE(measurement, nullptr);
      std::vector<WalkResult> results = measure(*measurement);
      ASSERT_THAT(results, SizeIs(2));
      for (std::size_t walk = 0; walk < 2; ++walk) {
        expect_consistent(results[walk], ShootdownKind::mprotect_range, 4, 0);
        EXPECT_EQ(results[walk].ranges, is_array(gather) ? results[walk].report.dirty_blocks : 1);
        EXPECT_EQ(rows(*measurement, walk, &results[walk]).front().gather, name_of(gather));
      }
      EXPECT_EQ(results[0].stale_slots, gather == Gather::full ? 0U : 32U);
      EXPECT_EQ(results[1].stale_slots, 0U);
    });
  }
}

TEST_F(Measuring, WalksKeepTheGroupsOrder) {
  group.walks = {Walk::xarray, Walk::free_list};
  place(0, ShootdownKind::none);
  on_initiator([&] {
    const auto measurement = prepare(3);
    ASSERT_NE(measurement, nullptr);
    const std::vector<WalkResult> results = measure(*measurement);
    ASSERT_THAT(results, SizeIs(2));
    EXPECT_EQ(results[0].report.visited, 64U);
    EXPECT_EQ(results[1].report.visited, 32U);
  });
}

TEST_F(Measuring, AWalkMayBeAloneAndAFlushToo) {
  group.walks = {Walk::xarray};
  place(0, ShootdownKind::mprotect);
  on_initiator([&] {
    const auto measurement = prepare(1);
    ASSERT_NE(measurement, nullptr);
    const std::vector<WalkResult> results = measure(*measurement);
    ASSERT_THAT(results, SizeIs(1));
    expect_consistent(results[0], ShootdownKind::mprotect, 1, 0);
  });
}

TEST_F(Measuring, WhatFindsNothingExpectsNothing) {
  group.axes.load.full_percent = 100;
  place(1, ShootdownKind::mprotect_range);
  if (IsSkipped()) {
    return;
  }
  on_initiator([&] {
    const auto measurement = prepare(20);
    ASSERT_NE(measurement, nullptr);
    std::vector<WalkResult> results = measure(*measurement);
    ASSERT_THAT(results, SizeIs(2));
    EXPECT_EQ(results[0].calls, 0U);
    EXPECT_EQ(results[0].expected, 0U);
    EXPECT_EQ(results[0].responders[0].proven, 0U);
    EXPECT_EQ(results[0].stale_slots, 16U * 4U);
    EXPECT_EQ(results[1].calls, 1U);
    EXPECT_EQ(results[1].expected, 20U);
    for (const MeasurementRow& row : rows(*measurement, 0, &results[0])) {
      EXPECT_THAT(row.invalid_reason, ::testing::Not(HasSubstr("shootdowns")));
    }
  });
}

TEST_F(Measuring, ASetStopEndsItWithoutAResult) {
  place(0, ShootdownKind::none);
  on_initiator([&] {
    const auto measurement = prepare(10);
    ASSERT_NE(measurement, nullptr);
    stop = true;
    std::string error;
    EXPECT_THAT(measurement->measure(&error), IsEmpty());
    EXPECT_EQ(error, "interrupted");
    stop = false;
    EXPECT_THAT(measure(*measurement), SizeIs(2)) << "and goes on when asked";
  });
}

TEST_F(Measuring, ResponderThatCannotBePinnedIsAnError) {
  group.axes.responders = 1;
  placement = {"compact", machine.usable_cpus().front(), {65'535}};
  std::string error;
  EXPECT_EQ(WalkMeasurement::prepare(group, {clock, machine, placement, 10, stop}, &error),
            nullptr);
  EXPECT_THAT(error, HasSubstr("65535"));
}

// The kernel's count of a CPU, minus what it was.
std::uint64_t tlb_interrupts_since(const InterruptCounts& before, int cpu) {
  return interrupts_between(before.tlb, read_interrupts().tlb, static_cast<unsigned>(cpu))
      .value_or(0);
}

class MeasuringInterrupts : public Measuring,
                            public ::testing::WithParamInterface<ShootdownKind> {};

// Gaps, the kernel's row and the expectation are accounts of the same shootdowns. A busy machine
// can spoil a repetition, but not forty, in which the mechanism was seen: a repetition is shorter
// than that takes, and than a time slice.
TEST_P(MeasuringInterrupts, GapsAndTheKernelsRowTellTheSame) {
  place(1, GetParam());
  if (IsSkipped()) {
    return;
  }
  constexpr unsigned kSamples = 25;
  group.axes.load = {2, 50, 100, 1, 1};
  const int cpu = placement.responders[0];
  bool seen_by_kernel = false;
  bool seen_by_gaps = false;
  on_initiator([&] {
    mechanism = find_shootdown_mechanism(machine, cpu, clock).mechanism;
    const bool row_counts = tlb_row_counts(mechanism) && flushes_tlb(GetParam());
    const auto measurement = prepare(kSamples);
    ASSERT_NE(measurement, nullptr);
    for (int i = 0; i < 40 && !(seen_by_gaps && (seen_by_kernel || !row_counts)); ++i) {
      const InterruptCounts before = read_interrupts();
      const std::vector<WalkResult> results = measure(*measurement);
      const std::uint64_t all = tlb_interrupts_since(before, cpu);
      ASSERT_THAT(results, SizeIs(2));
      std::uint64_t in_rows = 0;
      for (const WalkResult& result : results) {
        expect_consistent(result, GetParam(), kSamples, 1);
        EXPECT_EQ(result.expected, kSamples * result.calls);
        const ResponderResult& responder = result.responders[0];
        EXPECT_EQ(responder.cpu, cpu);
        EXPECT_EQ(responder.lost_gaps, 0U);
        const std::uint64_t proven = responder.proven;
        seen_by_gaps |= proven * 10 >= result.expected * 9;
        EXPECT_EQ(responder.tlb_interrupts.has_value(), row_counts && before.tlb.has_value());
        if (responder.tlb_interrupts && mechanism == ShootdownMechanism::ipi) {
          in_rows += *responder.tlb_interrupts;
          seen_by_kernel |= *responder.tlb_interrupts * 10 >= result.expected * 9;
          // An interrupt makes a gap. Few gaps come from elsewhere and fall into a flush.
          EXPECT_LE(proven, *responder.tlb_interrupts + 10 + result.expected / 10);
        }
      }
      EXPECT_LE(in_rows, all) << "interrupts of outside the measurement";
    }
  });
  if (mechanism != ShootdownMechanism::ipi && mechanism != ShootdownMechanism::paravirtual) {
    GTEST_SKIP() << "the responder's CPU is not interrupted by flushes, or too busy";
  }
  EXPECT_TRUE(seen_by_gaps);
  EXPECT_EQ(seen_by_kernel, mechanism == ShootdownMechanism::ipi && flushes_tlb(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Backends, MeasuringInterrupts,
                         ::testing::Values(ShootdownKind::membarrier, ShootdownKind::mprotect_range,
                                           ShootdownKind::cold_range, ShootdownKind::mprotect,
                                           ShootdownKind::munmap, ShootdownKind::guard,
                                           ShootdownKind::dontneed),
                         [](const auto& kind) { return std::string(name_of(kind.param)); });

// A stall is one gap of the responder's loop: longer than the shortest that is recorded, and no
// longer than the repetition.
TEST_F(Measuring, StallsAreTicksOfRealGaps) {
  place(1, ShootdownKind::mprotect_range);
  if (IsSkipped()) {
    return;
  }
  on_initiator([&] {
    const auto measurement = prepare(50);
    ASSERT_NE(measurement, nullptr);
    const Ticks before = clock.now();
    const std::vector<WalkResult> results = measure(*measurement);
    const Ticks all = clock.now() - before;
    for (const WalkResult& result : results) {
      EXPECT_THAT(result.responders[0].stalls, Each(AllOf(Ge(clock.ns_to_ticks(300)), Le(all))));
    }
  });
}

// The control's call is a system call like the others, and interrupts nobody.
TEST_F(Measuring, TheControlExpectsNoShootdown) {
  place(1, ShootdownKind::noop);
  if (IsSkipped()) {
    return;
  }
  on_initiator([&] {
    const auto measurement = prepare(50);
    ASSERT_NE(measurement, nullptr);
    for (WalkResult& result : measure(*measurement)) {
      EXPECT_EQ(result.calls, 1U);
      EXPECT_EQ(result.expected, 0U);
      EXPECT_EQ(result.responders[0].proven, 0U);
      EXPECT_EQ(result.responders[0].tlb_interrupts, std::nullopt);
      EXPECT_THAT(result.responders[0].stalls, IsEmpty());
    }
  });
}

// An interrupt that flushes nothing is expected, and not in the kernel's row of flushes.
TEST_F(Measuring, AnInterruptAloneIsProvenByGapsAlone) {
  place(1, ShootdownKind::membarrier);
  if (IsSkipped()) {
    return;
  }
  on_initiator([&] {
    const auto measurement = prepare(50);
    ASSERT_NE(measurement, nullptr);
    for (WalkResult& result : measure(*measurement)) {
      EXPECT_EQ(result.calls, 1U);
      EXPECT_EQ(result.expected, 50U);
      EXPECT_EQ(result.responders[0].tlb_interrupts, std::nullopt);
    }
  });
}

// A process that wants the responder's CPU for itself.
class ForeignLoad {
 public:
  explicit ForeignLoad(int cpu) : child_(fork()) {
    if (child_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      cpu_set_t mask;
      CPU_ZERO(&mask);
      CPU_SET(static_cast<std::size_t>(cpu), &mask);
      sched_setaffinity(0, sizeof(mask), &mask);
      // More than its half, where that is allowed; not all, or the responder would never begin.
      setpriority(PRIO_PROCESS, 0, -4);
      for (;;) {
        asm volatile("" ::: "memory");
      }
    }
  }
  ~ForeignLoad() {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }
  ForeignLoad(const ForeignLoad&) = delete;
  ForeignLoad& operator=(const ForeignLoad&) = delete;

 private:
  pid_t child_;
};

TEST_F(Measuring, AForeignLoadOnTheRespondersCpuMakesRowsInvalidNotWrong) {
  place(1, ShootdownKind::mprotect_range);
  if (IsSkipped()) {
    return;
  }
  const ForeignLoad foreign(placement.responders[0]);
  bool disturbed = false;
  on_initiator([&] {
    const auto measurement = prepare(100);
    ASSERT_NE(measurement, nullptr);
    for (int repetition = 0; repetition < 30 && !disturbed; ++repetition) {
      std::vector<WalkResult> results = measure(*measurement);
      ASSERT_THAT(results, SizeIs(2));
      for (std::size_t walk = 0; walk < 2; ++walk) {
        expect_consistent(results[walk], ShootdownKind::mprotect_range, 100, 1);
        for (const MeasurementRow& row : rows(*measurement, walk, &results[walk])) {
          if (row.shootdowns_proven * 100 < row.shootdowns_expected * 99) {
            disturbed = true;
            EXPECT_FALSE(row.valid());
            EXPECT_THAT(row.invalid_reason, HasSubstr(std::to_string(row.shootdowns_proven) +
                                                      " of 100 shootdowns proven by gaps"));
          }
        }
      }
    }
  });
  if (!disturbed) {
    GTEST_SKIP() << "the foreign load never ran during a flush";
  }
}

// More responders than one: each is told apart, and each must be interrupted.
TEST_F(Measuring, EachOfTwoRespondersHasItsOwnAccount) {
  place(2, ShootdownKind::mprotect_range);
  if (IsSkipped()) {
    return;
  }
  on_initiator([&] {
    const auto measurement = prepare(30);
    ASSERT_NE(measurement, nullptr);
    for (const WalkResult& result : measure(*measurement)) {
      expect_consistent(result, ShootdownKind::mprotect_range, 30, 2);
      EXPECT_EQ(result.expected, 60U);
      EXPECT_EQ(result.responders[0].cpu, placement.responders[0]);
      EXPECT_EQ(result.responders[1].cpu, placement.responders[1]);
    }
  });
}

}  // namespace
}  // namespace flushwalk
