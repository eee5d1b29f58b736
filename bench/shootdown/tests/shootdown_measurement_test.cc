// Measures for real, in short. What the machine does meanwhile is not this test's to say: that a
// row is valid, or how many operations are proven, is asserted nowhere; that none is where it does
// not belong, is.
#include "bench/shootdown/shootdown_measurement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "allocator/tests/memory_probe.h"
#include "allocator/tests/sanitizers.h"
#include "bench/shootdown/cross_check.h"
#include "bench/shootdown/shootdown_rows.h"
#include "bench/shootdown/throughput_measurement.h"
#include "bench/support/kernel_tables.h"
#include "bench/support/tests/initiator_test.h"
#include "topology/pinned_thread.h"

namespace flushwalk {
namespace {

using ::testing::Each;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A process that spins on a CPU until the test is over.
class ForeignLoad {
 public:
  ForeignLoad(const topology::Machine& machine, int cpu) : child_(fork()) {
    if (child_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (!topology::pin_this_thread(machine, cpu).ok()) {
        _exit(1);
      }
      for (volatile std::uint64_t turns = 0;;) {
        turns = turns + 1;
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

class ShootdownMeasuring : public InitiatorTest {
 protected:
  ShootdownGroup group_of(Operation operation, Activity activity, unsigned others) {
    EXPECT_TRUE(place_beside(others));
    ShootdownGroup group;
    group.operation = operation;
    group.activity = activity;
    group.responders = activity == Activity::none ? 0 : others;
    group.working_set = has_pages(activity) ? 64 : 0;
    group.pages = 3;
    for (const Arm arm : kArms) {
      if (why_senseless(operation, arm).empty()) {
        group.arms.push_back(arm);
      }
    }
    return group;
  }
  MeasuringContext context(unsigned samples) { return {clock, machine, placement, samples, stop}; }

  // Each: what there is of each arm.
  template <class Look>
  void measure(const ShootdownGroup& group, unsigned samples, Look&& look) {
    on_initiator([&] {
      std::string error;
      const auto measurement = ShootdownMeasurement::prepare(group, context(samples), &error);
      ASSERT_NE(measurement, nullptr) << error;
      for (int repetition = 0; repetition < 2; ++repetition) {
        std::vector<ArmResult> results = measurement->sample(&error);
        ASSERT_THAT(results, SizeIs(group.arms.size())) << error;
        for (std::size_t i = 0; i < results.size(); ++i) {
          look(*measurement, group.arms[i], &results[i]);
        }
      }
    });
  }
};

TEST_F(ShootdownMeasuring, EveryOperationCanBeMeasuredAgainAndAgainInEachArm) {
  for (const Operation operation : kOperations) {
    if (!why_unsupported(operation).empty()) {
      continue;
    }
    measure(group_of(operation, Activity::none, 0), 12,
            [&](const ShootdownMeasurement&, Arm, ArmResult* result) {
              EXPECT_EQ(result->times.size(), 12U) << name_of(operation);
              EXPECT_THAT(result->operations, SizeIs(12));
              EXPECT_THAT(result->batches, SizeIs(2));
              EXPECT_EQ(result->expected, 0U) << "nobody to interrupt";
              EXPECT_THAT(result->proven, IsEmpty());
            });
  }
}

// Also where the last operation took them away: the kernel is asked on which node they are.
TEST_F(ShootdownMeasuring, PagesAreThereWhenTheirMemoryIsAskedFor) {
  ShootdownGroup group = group_of(Operation::munmap, Activity::none, 0);
  group.arms = {Arm::operation};
  measure(group, 3, [](const ShootdownMeasurement& measurement, Arm, ArmResult*) {
    const MemorySample memory = measurement.memory();
    ASSERT_THAT(memory.addresses(), SizeIs(3));
    for (const void* page : memory.addresses()) {
      EXPECT_EQ(read_byte(reinterpret_cast<Address>(page)), 1);
    }
  });
}

TEST_F(ShootdownMeasuring, ExpectedIsWhatShouldInterruptAResponderThatCanTell) {
  if (machine.usable_cpus().size() < 2) {
    GTEST_SKIP() << "one CPU";
  }
  for (const Activity activity : kActivities) {
    measure(group_of(Operation::dontneed_loop, activity, 1), 12,
            [&](const ShootdownMeasurement& measurement, Arm arm, ArmResult* result) {
              const bool told =
                  is_interrupted(activity) && interrupts(Operation::dontneed_loop, arm);
              EXPECT_EQ(result->expected, !told                    ? 0U
                                          : arm == Arm::membarrier ? 12U
                                                                   : 36U)
                  << name_of(activity) << " " << name_of(arm);
              ASSERT_THAT(result->responders, SizeIs(1));
              EXPECT_EQ(result->responders[0].cpu, placement.responders[0]);
              EXPECT_LE(result->responders[0].proven, result->expected);
              EXPECT_EQ(result->proven.size(), told ? 12U : 0U);
              if (activity == Activity::sleep) {
                EXPECT_THAT(measurement.gaps(0), IsEmpty());
              }
            });
  }
}

// Judged a second time, from the gaps as they were recorded, by a simple rule.
bool begins_in_it(const std::vector<Gap>& gaps, const ShootdownWindow& operation, Ticks slack) {
  return std::any_of(gaps.begin(), gaps.end(), [&](const Gap& gap) {
    return gap.begin + slack >= operation.begin && gap.begin <= operation.end + slack;
  });
}

// Half of the time the responder is not there, and its CPU needs no interrupt.
TEST_F(ShootdownMeasuring, BesideAForeignLoadNoUnprovenTimeIsAmongTheProven) {
  if (machine.usable_cpus().size() < 2) {
    GTEST_SKIP() << "one CPU";
  }
  ShootdownGroup group = group_of(Operation::mprotect, Activity::spin, 1);
  group.arms = {Arm::operation};
  group.rate = 5000;
  const ForeignLoad load(machine, placement.responders[0]);
  measure(group, 200, [&](const ShootdownMeasurement& measurement, Arm arm, ArmResult* result) {
    const auto recorded = measurement.gaps(0);
    const std::vector<Gap> gaps(recorded.begin(), recorded.end());
    std::uint64_t unproven = 0;
    for (std::size_t i = 0; i < result->operations.size(); ++i) {
      unproven += result->proven[i] ? 0U : 1U;
      if (!begins_in_it(gaps, result->operations[i], clock.ns_to_ticks(100))) {
        EXPECT_FALSE(result->proven[i]) << "operation " << i << " saw no gap";
      }
    }
    const auto rows = make_shootdown_rows({group, placement, clock}, arm, 0, result);
    EXPECT_EQ(rows[0].metric, "operation_time");
    EXPECT_EQ(rows[0].statistics ? rows[0].statistics->samples : 0, 200 - unproven);
    EXPECT_EQ(rows[0].unproven_operations, unproven);
    if (unproven > 2) {
      for (const MeasurementRow& row : rows) {
        EXPECT_FALSE(row.valid()) << unproven << " of 200 are not proven";
      }
    }
  });
}

TEST_F(ShootdownMeasuring, StopsBetweenBatches) {
  const ShootdownGroup group = group_of(Operation::noop, Activity::none, 0);
  on_initiator([&] {
    std::string error;
    const auto measurement = ShootdownMeasurement::prepare(group, context(5), &error);
    ASSERT_NE(measurement, nullptr) << error;
    stop = true;
    EXPECT_THAT(measurement->sample(&error), IsEmpty());
    EXPECT_EQ(error, "interrupted");
  });
}

TEST_F(ShootdownMeasuring, InitiatorsAllMakeTheirOperations) {
  const auto others = static_cast<unsigned>(std::min<std::size_t>(machine.usable_cpus().size(), 3));
  ShootdownGroup group = group_of(Operation::munmap, Activity::none, others - 1);
  group.initiators = others;
  group.arms = {Arm::operation, Arm::untouched, Arm::noop};
  on_initiator([&] {
    std::string error;
    const auto measurement =
        ThroughputMeasurement::prepare(group, context(kOperationsPerWindow + 20), &error);
    ASSERT_NE(measurement, nullptr) << error;
    for (const ThroughputResult& result : measurement->sample(&error)) {
      EXPECT_THAT(result.times, SizeIs(others));
      EXPECT_THAT(result.times, Each(SizeIs(kOperationsPerWindow + 20)));
      EXPECT_LE(result.throughput.size(), 2U) << "a whole window, and one of 20";
    }
    EXPECT_EQ(error, "");
    const std::vector<CaseOutcome> outcomes = measurement->measure(1, &error);
    ASSERT_THAT(outcomes, SizeIs(3));
    EXPECT_THAT(outcomes[0].rows, SizeIs(1 + others));
    EXPECT_THAT(outcomes[0].times_ns, SizeIs(kOperationsPerWindow + 20));
  });
}

// More than once over the mapping.
constexpr std::uint64_t kDiscards = 5'000;

// Until kDiscards have been done, in a thread of its own. What discard_loop() says.
int discard_for_a_while(std::atomic<std::uint64_t>* loops) {
  std::atomic<bool> stop{false};
  std::atomic<int> failed{0};
  std::thread thread([&] { failed = discard_loop(stop, loops); });
  while (*loops < kDiscards && failed == 0) {
    std::this_thread::yield();
  }
  stop = true;
  thread.join();
  return failed;
}

TEST(DiscardLoops, ReadZeroesWhereTheyHaveWritten) {
  std::atomic<std::uint64_t> loops{0};
  EXPECT_EQ(discard_for_a_while(&loops), 0);
  EXPECT_GE(loops, kDiscards);
}

// To write where the zero page is mapped is a shootdown, too: with one mapping for all passes there
// would be two a loop. Where the kernel does not count them this sees none.
TEST_F(ShootdownMeasuring, DiscardLoopsNeedOneShootdownEach) {
  if (kThreadSanitizer) {
    GTEST_SKIP() << "discards its notes of the page as well";
  }
  if (!place_beside(1)) {
    GTEST_SKIP() << "one usable CPU";
  }
  auto spinning = topology::PinnedThread::start(machine, placement.responders[0],
                                                [this](const std::stop_token&) {
                                                  while (!stop.load(std::memory_order_relaxed)) {
                                                  }
                                                });
  ASSERT_TRUE(spinning.ok()) << spinning.error();
  std::atomic<std::uint64_t> loops{0};
  const InterruptCounts before = read_interrupts();
  on_initiator([&] { EXPECT_EQ(discard_for_a_while(&loops), 0); });
  const auto interrupted = interrupts_between(before.tlb, read_interrupts().tlb,
                                              static_cast<unsigned>(placement.responders[0]));
  stop = true;
  if (interrupted) {
    EXPECT_LT(*interrupted, loops * 3 / 2);
  }
}

}  // namespace
}  // namespace flushwalk
