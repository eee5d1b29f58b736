// Holds the timed part to its promise: it allocates nothing, and it makes no system call but the
// shootdown's own (timed_part.h).
#include "bench/flush_walk/timed_flush.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "allocator/tests/memory_probe.h"
#include "bench/counters/counters.h"
#include "bench/counters/thread_counters.h"
#include "bench/flush_walk/load.h"
#include "bench/flush_walk/walk_measurement.h"
#include "bench/support/tests/timed_part.h"
#include "topology/machine.h"
#include "topology/placement.h"

namespace flushwalk {
namespace {

using ::testing::Combine;
using ::testing::Values;
using ::testing::ValuesIn;

constexpr LoadShape kShape{64, 50, 25, 4, 3};

// The counter itself, at any frequency: times are not looked at.
Clock counter_clock() { return Clock(ClockDescription{.source = counter::kSource}); }

struct Backend {
  ShootdownKind kind;
  Gather gather;
};

// Each backend with the gather that it goes with, or with all others that make sense.
std::vector<Backend> backends(bool usual) {
  std::vector<Backend> all;
  for (const ShootdownKind kind : kShootdownKinds) {
    for (const Gather gather : kGathers) {
      if ((gather == gather_for(kind)) == usual && why_senseless(gather, kind).empty()) {
        all.push_back({kind, gather});
      }
    }
  }
  return all;
}

class TimedFlush : public ::testing::TestWithParam<std::tuple<Walk, Backend>> {
 protected:
  void SetUp() override {
    if (kSanitized) {
      GTEST_SKIP() << "sanitizers allocate and make system calls of their own";
    }
    const std::string reason = why_unsupported(kind());
    if (!reason.empty()) {
      GTEST_SKIP() << reason;
    }
  }

  static Walk walk() { return std::get<0>(GetParam()); }
  static ShootdownKind kind() { return std::get<1>(GetParam()).kind; }
  static Gather gather() { return std::get<1>(GetParam()).gather; }
  static std::uint64_t expected_visits() {
    if (walk() == Walk::free_list) {
      return 32;
    }
    if (walk() == Walk::list_and_full) {
      return 32 + 8;
    }
    return walk() == Walk::marked || walk() == Walk::dirty_list ? 16 : 64;
  }

  // A load whose backend has had its first flush, which makes its book-keeping grow.
  static std::unique_ptr<Load> warm_load() {
    std::string error;
    std::unique_ptr<Load> load = Load::build(kShape, kind(), gather(), &error);
    if (load == nullptr) {
      ADD_FAILURE() << error;
      return nullptr;
    }
    FlushPlan plan = load->make_plan();
    load->allocator().collect(walk(), Check::locked, plan);
    EXPECT_EQ(load->shootdown().flush(plan.ranges()), 0);
    EXPECT_EQ(load->shootdown().settle(), 0);
    load->make_dirty_again();
    EXPECT_EQ(load->restore_access(), 0);
    return load;
  }
};

TEST_P(TimedFlush, ReportsWhatTheWalkAndTheShootdownDid) {
  const auto load = warm_load();
  ASSERT_NE(load, nullptr);
  FlushPlan plan = load->make_plan();
  FlushReport report;
  const Clock clock = counter_clock();
  const std::uint64_t before = load->shootdown().calls();
  const FlushTimes times =
      timed_flush(clock, load->allocator(), walk(), plan, &load->shootdown(), &report);
  EXPECT_LE(times.begin, times.walked);
  EXPECT_LE(times.walked, times.end);
  EXPECT_EQ(report.system_errno, 0);
  EXPECT_EQ(report.visited, expected_visits());
  EXPECT_EQ(report.dirty_blocks, walk() == Walk::free_list ? 8U : 16U);
  EXPECT_EQ(load->shootdown().calls() - before, expected_calls(kind(), plan.ranges().size()));
  EXPECT_EQ(plan.ranges().size(), is_array(gather()) ? report.dirty_blocks : 1U);
}

TEST_P(TimedFlush, WithoutAShootdownEndsWithTheWalk) {
  const auto load = warm_load();
  ASSERT_NE(load, nullptr);
  FlushPlan plan = load->make_plan();
  FlushReport report;
  const Clock clock = counter_clock();
  const std::uint64_t before = load->shootdown().calls();
  const FlushTimes times = timed_flush(clock, load->allocator(), walk(), plan, nullptr, &report);
  EXPECT_EQ(times.walked, times.end);
  EXPECT_EQ(load->shootdown().calls(), before);
}

TEST_P(TimedFlush, AllocatesNothing) {
  const auto load = warm_load();
  ASSERT_NE(load, nullptr);
  const Clock clock = counter_clock();
  Shootdown* const shootdown = kind() == ShootdownKind::none ? nullptr : &load->shootdown();
  for (int i = 0; i < 20; ++i) {
    // As the measurement has it: with room for every dirty block.
    FlushPlan plan = load->make_plan();
    FlushReport report;
    const std::size_t before = allocations();
    timed_flush(clock, load->allocator(), walk(), plan, shootdown, &report);
    ASSERT_EQ(allocations(), before) << "flush " << i;
    ASSERT_EQ(report.system_errno, 0);
    load->make_dirty_again();
    ASSERT_EQ(load->restore_access(), 0);
  }
}

TEST_P(TimedFlush, AnAllocationWouldBeSeen) {
  const auto load = warm_load();
  ASSERT_NE(load, nullptr);
  const Clock clock = counter_clock();
  for (void (*const act)() : {allocate_new, allocate_malloc}) {
    Misbehaving misbehaving(act);
    FlushPlan plan = load->make_plan();
    FlushReport report;
    const std::size_t before = allocations();
    timed_flush(clock, load->allocator(), walk(), plan, &misbehaving, &report);
    EXPECT_EQ(allocations(), before + 1);
  }
}

// The measurement as a whole: what the first of its timed flushes would allocate that later ones do
// not would show as a difference between repetitions. (Only later ones give access back to what the
// repetition before has revoked, outside of the timed part: one vector for each of two runs here.)
TEST_P(TimedFlush, TheFirstOnesOfAMeasurementAllocateNoMoreThanTheLast) {
  const auto machine = topology::Machine::discover();
  ASSERT_TRUE(machine.ok());
  const topology::Placement placement{"compact", machine.value().usable_cpus().front(), {}};
  const Clock clock = counter_clock();
  const std::atomic<bool> stop{false};
  const WalkGroup group{{{2, 50, 100, 1, 1}, kind(), 0, gather()}, {walk()}};
  std::string error;
  const auto measurement =
      WalkMeasurement::prepare(group, {clock, machine.value(), placement, 5, stop}, &error);
  ASSERT_NE(measurement, nullptr) << error;
  std::vector<std::size_t> counts;
  for (int i = 0; i < 4; ++i) {
    const std::size_t before = allocations();
    ASSERT_FALSE(measurement->measure(&error).empty()) << error;
    counts.push_back(allocations() - before);
  }
  EXPECT_LE(counts[0], counts[1]);
  EXPECT_EQ(counts[1], counts[2]);
  EXPECT_EQ(counts[2], counts[3]);
}

constexpr int kNothingToCount = 78;

// In a forked child that may make the backend's calls alone: flushes each load, and exits with the
// number of flushes that failed. Loads, so that nothing has to be given back between flushes. A
// null shootdown: the load's own.
int flush_under_filter(const std::vector<std::unique_ptr<Load>>& loads, Walk walk,
                       ShootdownKind kind, Shootdown* shootdown) {
  const Clock clock = counter_clock();
  std::vector<FlushPlan> plans;
  for (const auto& load : loads) {
    plans.push_back(load->make_plan());
  }
  FlushReport report;
  return run_under_filter(kind, [&] {
    int failed = 0;
    for (std::size_t at = 0; at < loads.size(); ++at) {
      const auto& load = loads[at];
      FlushPlan& plan = plans[at];
      for (int i = 0; i < (revokes(kind) ? 1 : 5); ++i) {
        plan.clear();
        Shootdown* const own = kind == ShootdownKind::none ? nullptr : &load->shootdown();
        timed_flush(clock, load->allocator(), walk, plan, shootdown != nullptr ? shootdown : own,
                    &report);
        failed += report.system_errno != 0 || plan.dirty_blocks() == 0 ? 1 : 0;
        load->make_dirty_again();
      }
    }
    return failed;
  });
}

class TimedFlushCalls : public TimedFlush {
 protected:
  void SetUp() override {
    TimedFlush::SetUp();
    for (int i = 0; !IsSkipped() && i < 3; ++i) {
      loads.push_back(warm_load());
      ASSERT_NE(loads.back(), nullptr);
    }
  }

  std::vector<std::unique_ptr<Load>> loads;
};

TEST_P(TimedFlushCalls, AreTheShootdownsOwnAlone) {
  const int status = flush_under_filter(loads, walk(), kind(), nullptr);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNoSeccomp) {
    GTEST_SKIP() << "this kernel or container has no seccomp filters";
  }
  ASSERT_FALSE(WIFSIGNALED(status))
      << "killed by signal " << WTERMSIG(status) << ": a system call that is not the shootdown's";
  EXPECT_EQ(WEXITSTATUS(status), 0) << "flushes failed";
}

TEST_P(TimedFlushCalls, AnyOtherOneWouldBeKilled) {
  Misbehaving misbehaving(ask_for_the_process);
  const int status = flush_under_filter(loads, walk(), kind(), &misbehaving);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNoSeccomp) {
    GTEST_SKIP() << "this kernel or container has no seccomp filters";
  }
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGSYS);
}

// With counters on, in a forked child: nothing but the shootdown's call between begin() and end().
// too_early: end() is called before the filter has ended with the child.
int counted_flush_under_filter(Load* load, bool too_early) {
  const pid_t child = fork();
  if (child == 0) {
    auto made = Counters::make({.events = "software,page-faults:u,cycles:u"});
    const auto& counters = *std::get<std::unique_ptr<Counters>>(made);
    ThreadCounters thread(counters.plan(), counters.calls(), 1);
    const Clock clock = counter_clock();
    FlushPlan plan = load->make_plan();
    FlushReport report;
    if (counters.plan().descriptors() == 0) {
      _exit(kNothingToCount);
    }
    thread.begin(0);
    if (!allow_calls_of_only(ShootdownKind::mprotect_range)) {
      _exit(kNoSeccomp);
    }
    timed_flush(clock, load->allocator(), Walk::xarray, plan, &load->shootdown(), &report);
    if (too_early) {
      thread.end();
    }
    _exit(report.system_errno == 0 && plan.dirty_blocks() != 0 ? 0 : 1);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

TEST(CountedFlush, ContainsNoSystemCallOfACounter) {
  if (kSanitized) {
    GTEST_SKIP() << "sanitizers make system calls of their own";
  }
  std::string error;
  const auto load = Load::build(kShape, ShootdownKind::mprotect_range, Gather::hull, &error);
  ASSERT_NE(load, nullptr) << error;
  for (const bool too_early : {false, true}) {
    const int status = counted_flush_under_filter(load.get(), too_early);
    if (WIFEXITED(status) && WEXITSTATUS(status) >= kNoSeccomp) {
      GTEST_SKIP() << "no seccomp filters here, or no counters";
    }
    EXPECT_EQ(WIFSIGNALED(status), too_early) << "a switch of a counter would be killed";
    EXPECT_EQ(status, too_early ? SIGSYS : 0);
  }
}

std::string flush_name(const ::testing::TestParamInfo<std::tuple<Walk, Backend>>& test) {
  const Backend& backend = std::get<1>(test.param);
  return fmt::format("{}_{}_{}", name_of(std::get<0>(test.param)), name_of(backend.kind),
                     name_of(backend.gather));
}

INSTANTIATE_TEST_SUITE_P(WalksAndBackends, TimedFlush,
                         Combine(ValuesIn(kWalks), ValuesIn(backends(true))), flush_name);
INSTANTIATE_TEST_SUITE_P(WalksAndBackends, TimedFlushCalls,
                         Combine(ValuesIn(kWalks), ValuesIn(backends(true))), flush_name);
// What a plan does with a range is the same for each walk.
INSTANTIATE_TEST_SUITE_P(Gathers, TimedFlush,
                         Combine(Values(Walk::xarray), ValuesIn(backends(false))), flush_name);
INSTANTIATE_TEST_SUITE_P(Gathers, TimedFlushCalls,
                         Combine(Values(Walk::xarray), ValuesIn(backends(false))), flush_name);

}  // namespace
}  // namespace flushwalk
