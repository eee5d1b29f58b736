// Groups, multiplexing, rotation, statuses and errnos, against a stand-in for the kernel.
#include "bench/counters/counter_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/counters/counter_group.h"
#include "bench/counters/tests/perf_stand_in.h"
#include "bench/counters/thread_counters.h"

namespace flushwalk {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

PlannedCounter hardware(const std::string& text, std::uint64_t config = 1) {
  PlannedCounter counter;
  counter.event.name.text = text;
  counter.event.kind = EventKind::hardware;
  counter.event.attr.type = PERF_TYPE_RAW;
  counter.event.attr.config = config;
  return counter;
}

PlannedCounter software(const std::string& text, std::uint64_t config) {
  PlannedCounter counter = hardware(text, config);
  counter.event.kind = EventKind::software;
  counter.event.attr.type = PERF_TYPE_SOFTWARE;
  return counter;
}

PlannedCounter tracepoint(const std::string& text, const std::string& filter) {
  PlannedCounter counter = hardware(text, 188);
  counter.event.kind = EventKind::tracepoint;
  counter.event.attr.type = PERF_TYPE_TRACEPOINT;
  counter.event.name.filter = filter;
  return counter;
}

std::vector<PlannedCounter> six_hardware_events() {
  std::vector<PlannedCounter> counters;
  for (std::uint64_t i = 0; i < 6; ++i) {
    counters.push_back(hardware(fmt::format("event{}", i), i + 1));
  }
  return counters;
}

class CounterPlanTest : public ::testing::Test {
 protected:
  CounterPlan plan(std::vector<PlannedCounter> counters, PlanInputs inputs = {}) {
    CounterPlan made = make_counter_plan(std::move(counters), inputs, perf);
    EXPECT_THAT(perf.events, IsEmpty()) << "a try stays open";
    return made;
  }

  PerfStandIn perf;
};

TEST_F(CounterPlanTest, WhatFitsIsOneGroupAndTheRestAreMore) {
  const CounterPlan made = plan(six_hardware_events());
  EXPECT_THAT(made.turns, ElementsAre(ElementsAre(0, 1, 2, 3), ElementsAre(4, 5)));
  EXPECT_EQ(made.counters[5].group, 1);
  EXPECT_EQ(made.descriptors(), 6U);
}

// The NMI watchdog holds a counter: groups open that never run.
TEST_F(CounterPlanTest, AGroupThatNeverRunsIsMadeSmaller) {
  perf.never_runs_from = 4;
  const CounterPlan made = plan(six_hardware_events());
  EXPECT_THAT(made.turns, ElementsAre(ElementsAre(0, 1, 2), ElementsAre(3, 4, 5)));
  perf.never_runs_from = 1;
  const CounterPlan none = plan(six_hardware_events());
  EXPECT_THAT(none.turns, IsEmpty());
  EXPECT_EQ(none.counters[0].fault.status, CounterStatus::not_scheduled);
  EXPECT_THAT(none.counters[0].fault.remedy, HasSubstr("nmi_watchdog"));
}

TEST_F(CounterPlanTest, SoftwarePmusHaveAGroupEachThatIsAlwaysOn) {
  const CounterPlan made =
      plan({software("page-faults", PERF_COUNT_SW_PAGE_FAULTS), hardware("cycles"),
            tracepoint("tlb:tlb_flush/reason==1/", "reason==1"),
            software("context-switches", PERF_COUNT_SW_CONTEXT_SWITCHES),
            software("task-clock", PERF_COUNT_SW_TASK_CLOCK),
            tracepoint("tlb:tlb_flush/reason==3/", "reason==3")});
  EXPECT_THAT(made.always, ElementsAre(ElementsAre(0, 3), ElementsAre(2, 5), ElementsAre(4)));
  EXPECT_THAT(made.turns, ElementsAre(ElementsAre(1)));
}

TEST_F(CounterPlanTest, OneThatCannotBeOpenedHidesNoOther) {
  perf.refuse = [](const perf_event_attr& attr) { return attr.config == 1 ? ENOENT : 0; };
  const CounterPlan made = plan(six_hardware_events());
  EXPECT_EQ(made.counters[0].fault.status, CounterStatus::not_supported);
  EXPECT_EQ(made.counters[0].fault.error, ENOENT);
  EXPECT_THAT(made.turns, ElementsAre(ElementsAre(1, 2, 3, 4), ElementsAre(5)));
  ThreadCounters counters(made, perf, 1);
  counters.begin(0);
  perf.work(100, 7);
  counters.end();
  counters.add_to(0);
  const auto results = counters.take(0);
  EXPECT_EQ(results[0].status, CounterStatus::not_supported);
  EXPECT_EQ(results[0].scaled(), std::nullopt);
  EXPECT_EQ(results[1].raw, 7U);
}

TEST_F(CounterPlanTest, TooManyDescriptorsCutTheSetAndNotTheRun) {
  const CounterPlan made = plan(six_hardware_events(), {.most_descriptors = 2});
  EXPECT_THAT(made.turns, ElementsAre(ElementsAre(0, 1)));
  EXPECT_EQ(made.counters[2].fault.status, CounterStatus::not_scheduled);
  EXPECT_EQ(made.counters[2].fault.error, EMFILE);
}

// They ran out between the plan and a thread's opening.
TEST_F(CounterPlanTest, DescriptorsThatAreGoneLaterCostTheirCountersAlone) {
  const CounterPlan made = plan(six_hardware_events());
  perf.descriptors = 3;
  ThreadCounters counters(made, perf, 1);
  counters.begin(0);
  perf.work(100, 7);
  counters.end();
  counters.add_to(0);
  const auto results = counters.take(0);
  EXPECT_EQ(results[2].raw, 7U);
  EXPECT_EQ(results[3].status, CounterStatus::not_scheduled);
  EXPECT_THAT(results[3].reason, HasSubstr("file descriptors"));
}

TEST(CounterFaults, SayWhatEachErrnoMeansAndWhatWouldAllowIt) {
  const EncodedEvent cycles = hardware("cycles").event;
  EncodedEvent in_user_mode = cycles;
  in_user_mode.name.kernel = false;
  const EncodedEvent traced = tracepoint("tlb:tlb_flush", "reason=1").event;
  const auto status = [&](int error) { return fault_of(error, cycles, 2).status; };
  for (const int error : {EACCES, EPERM}) {
    EXPECT_EQ(status(error), CounterStatus::permission_denied);
    EXPECT_THAT(fault_of(error, cycles, 4).reason, HasSubstr("perf_event_paranoid is 4"));
    EXPECT_THAT(fault_of(error, cycles, 4).remedy, HasSubstr("perf_event_paranoid=1"));
    EXPECT_THAT(fault_of(error, in_user_mode, 4).remedy, HasSubstr("perf_event_paranoid=2"));
    EXPECT_THAT(fault_of(error, traced, 2).remedy, HasSubstr("perf_event_paranoid=-1"));
    // Low enough already: it is the container.
    EXPECT_THAT(fault_of(error, cycles, 1).remedy, HasSubstr("container"));
  }
  for (const int error : {ENOENT, ENODEV, ENXIO, EOPNOTSUPP}) {
    EXPECT_EQ(status(error), CounterStatus::not_supported);
    EXPECT_THAT(fault_of(error, cycles, 2).reason, HasSubstr("no PMU"));
    EXPECT_THAT(fault_of(error, traced, 2).reason, Not(HasSubstr("no PMU")));
  }
  for (const int error : {EMFILE, ENFILE, EBUSY}) {
    EXPECT_EQ(status(error), CounterStatus::not_scheduled);
    EXPECT_THAT(fault_of(error, cycles, 2).remedy, Not(IsEmpty()));
  }
  EXPECT_THAT(fault_of(ENOSYS, cycles, 2).remedy, HasSubstr("CONFIG_PERF_EVENTS"));
  EXPECT_THAT(fault_of(EINVAL, traced, 2).reason, HasSubstr("refuses the filter reason=1"));
  for (const int error : {EINVAL, ENOSPC, E2BIG, EOVERFLOW, ESRCH, EFAULT}) {
    EXPECT_EQ(status(error), CounterStatus::not_supported);
    EXPECT_EQ(fault_of(error, cycles, 2).error, error);
    EXPECT_THAT(fault_of(error, cycles, 2).reason, Not(IsEmpty()));
  }
}

class Sampled : public CounterPlanTest {
 protected:
  // One timed part of `ns`, in which each event that is on is hit so often.
  void sample(ThreadCounters& counters, unsigned turn, std::size_t rival, std::uint64_t ns,
              std::uint64_t hits) {
    counters.begin(turn);
    perf.work(ns, hits);
    counters.end();
    perf.work(1000, 1000);  // between the timed parts nothing is counted
    counters.add_to(rival);
  }
};

TEST_F(Sampled, RivalsGetWhatWasCountedInTheirSamples) {
  const CounterPlan made = plan({hardware("a"), hardware("b", 2)});
  ThreadCounters counters(made, perf, 2);
  sample(counters, 0, 0, 99, 3);
  sample(counters, 0, 1, 199, 50);
  sample(counters, 0, 1, 199, 50);
  sample(counters, 0, 0, 99, 4);
  const auto first = counters.take(0);
  const auto second = counters.take(1);
  EXPECT_EQ(first[0].raw, 7U);
  EXPECT_EQ(first[1].raw, 7U);
  EXPECT_EQ(first[0].time_enabled, 200U);
  EXPECT_EQ(second[0].raw, 100U);
  EXPECT_EQ(second[0].time_running, 400U);
  EXPECT_EQ(second[0].status, CounterStatus::counted);
  EXPECT_EQ(second[0].scaled(), 100.0);
  // The next repetition begins at nothing.
  sample(counters, 0, 0, 99, 1);
  EXPECT_EQ(counters.take(0)[0].raw, 1U);
}

TEST_F(Sampled, MultiplexedCountsAreScaledToTheTimeOfAllTurns) {
  const CounterPlan made = plan(six_hardware_events());
  ThreadCounters counters(made, perf, 1);
  sample(counters, 0, 0, 99, 10);
  sample(counters, 1, 0, 299, 60);
  const auto results = counters.take(0);
  EXPECT_EQ(results[0].status, CounterStatus::multiplexed);
  EXPECT_EQ(results[0].raw, 10U);
  EXPECT_EQ(results[0].time_running, 100U);
  EXPECT_EQ(results[0].time_enabled, 400U);
  EXPECT_DOUBLE_EQ(results[0].scaled().value(), 40.0);
  EXPECT_EQ(results[5].time_running, 300U);
  EXPECT_DOUBLE_EQ(results[5].scaled().value(), 80.0);
}

TEST_F(Sampled, RotationCountsOneGroupARepetitionUnscaled) {
  const CounterPlan made = plan(six_hardware_events(), {.rotation = true});
  ThreadCounters counters(made, perf, 1);
  sample(counters, 3, 0, 99, 10);  // the fourth repetition: the second group
  sample(counters, 3, 0, 99, 10);
  const auto results = counters.take(0);
  EXPECT_EQ(results[0].status, CounterStatus::not_scheduled);
  EXPECT_EQ(results[0].scaled(), std::nullopt);
  EXPECT_EQ(results[4].status, CounterStatus::counted);
  EXPECT_EQ(results[4].scaled(), 20.0);
}

TEST_F(Sampled, WhatAWarmUpCountedIsNobodys) {
  const CounterPlan made = plan({hardware("a")});
  ThreadCounters counters(made, perf, 1);
  counters.begin(0);
  perf.work(100, 100);
  counters.end();
  counters.drop();
  sample(counters, 0, 0, 9, 5);
  const auto results = counters.take(0);
  EXPECT_EQ(results[0].raw, 5U);
  EXPECT_EQ(results[0].time_enabled, 10U);
}

TEST_F(Sampled, ACallThatFailsSpoilsItsGroupAndIsNoZero) {
  const CounterPlan made = plan({hardware("a")});
  for (const bool truncated : {false, true}) {
    ThreadCounters counters(made, perf, 1);
    perf.read_error = truncated ? 0 : EIO;
    perf.short_reads = truncated;
    sample(counters, 0, 0, 99, 5);
    const auto results = counters.take(0);
    EXPECT_EQ(results[0].status, CounterStatus::not_supported);
    EXPECT_EQ(results[0].scaled(), std::nullopt);
    EXPECT_THAT(results[0].reason, HasSubstr("counting failed"));
    perf.read_error = 0;
    perf.short_reads = false;
  }
}

TEST_F(Sampled, TheCallsAreSwitchesAndOneReadAndNothingBetween) {
  const CounterPlan made =
      plan({software("page-faults", PERF_COUNT_SW_PAGE_FAULTS), hardware("cycles")});
  ThreadCounters counters(made, perf, 1);
  perf.calls.clear();
  counters.begin(0);
  const std::size_t at_begin = perf.calls.size();
  EXPECT_THAT(perf.enabled(), SizeIs(2));
  counters.end();
  EXPECT_THAT(perf.enabled(), IsEmpty());
  counters.add_to(0);
  counters.add_to(0);  // nothing was on since
  EXPECT_EQ(at_begin, 2U);
  EXPECT_THAT(perf.calls, SizeIs(6));
  // The hardware is on last and off first.
  EXPECT_EQ(perf.calls[1].substr(7), perf.calls[2].substr(8));
}

TEST_F(CounterPlanTest, FiltersReachTheKernelAndARefusedOneIsSaid) {
  const CounterPlan made = plan({tracepoint("tlb:tlb_flush/reason==1/", "reason==1")});
  {
    ThreadCounters counters(made, perf, 1);
    ASSERT_THAT(perf.events, SizeIs(1));
    EXPECT_EQ(perf.events.begin()->second.filter, "reason==1");
    EXPECT_EQ(perf.events.begin()->second.attr.disabled, 1U);
  }
  EXPECT_THAT(perf.events, IsEmpty()) << "a descriptor is lost";
  perf.filter_error = EINVAL;
  const CounterPlan refused = plan({tracepoint("tlb:tlb_flush/reason=1/", "reason=1")});
  EXPECT_THAT(refused.counters[0].fault.reason, HasSubstr("refuses the filter"));
}

}  // namespace
}  // namespace flushwalk
