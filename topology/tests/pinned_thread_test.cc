#include "topology/pinned_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "topology/placement.h"

namespace flushwalk::topology {
namespace {

using ::testing::HasSubstr;

// The kernel's own answer, past hwloc: the one CPU this thread may run on; -1 for none or several.
int only_cpu() {
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof(mask), &mask) != 0 || CPU_COUNT(&mask) != 1) {
    return -1;
  }
  int cpu = 0;
  while (!CPU_ISSET(static_cast<std::size_t>(cpu), &mask)) {
    ++cpu;
  }
  return cpu;
}

Machine this_system() { return Machine::discover().value(); }

TEST(PinThisThread, BindsToEachUsableCpu) {
  const Machine machine = this_system();
  for (const int cpu : machine.usable_cpus()) {
    std::thread([&machine, cpu] {
      const Result<Done> pinned = pin_this_thread(machine, cpu);
      ASSERT_TRUE(pinned.ok()) << pinned.error();
      EXPECT_EQ(only_cpu(), cpu);
      EXPECT_EQ(sched_getcpu(), cpu);
      EXPECT_TRUE(check_this_thread_pinned(machine, cpu).ok());
    }).join();
  }
}

// hwloc's binding succeeds on such a topology and does nothing.
TEST(PinThisThread, RefusesAMachineThatIsNotThisSystem) {
  const Machine described = Machine::from_synthetic("core:2 pu:1").value();
  EXPECT_EQ(pin_this_thread(described, 0).error(),
            "can't pin to CPU 0 of a described machine: it is not this system");
  EXPECT_FALSE(check_this_thread_pinned(described, 0).ok());
  const Machine recorded = Machine::from_xml(this_system().xml().value()).value();
  EXPECT_FALSE(pin_this_thread(recorded, recorded.usable_cpus().front()).ok());
}

TEST(PinThisThread, RefusesACpuThatIsNotThereOrNotAllowed) {
  const Machine machine = this_system();
  EXPECT_THAT(pin_this_thread(machine, 60'000).error(), HasSubstr("CPU 60000 does not exist"));
  EXPECT_FALSE(pin_this_thread(machine, -1).ok());
  const std::vector<int> usable = machine.usable_cpus();
  if (usable.size() < 2) {
    GTEST_SKIP() << "the rest needs 2 usable CPUs";
  }
  // The kernel would let a thread out of its taskset: the room must not.
  const Machine narrow = machine.restricted_to(std::vector<int>{usable[0]}).value();
  std::thread([&] {
    EXPECT_THAT(pin_this_thread(narrow, usable[1]).error(), HasSubstr("outside the cpuset"));
    EXPECT_NE(only_cpu(), usable[1]);
  }).join();
}

TEST(CheckPinned, SeesAThreadThatWasUnpinned) {
  const Machine machine = this_system();
  const std::vector<int> usable = machine.usable_cpus();
  if (usable.size() < 2) {
    GTEST_SKIP() << "needs 2 usable CPUs to be bound to more than one";
  }
  std::thread([&] {
    ASSERT_TRUE(pin_this_thread(machine, usable[0]).ok());
    cpu_set_t two;
    CPU_ZERO(&two);
    CPU_SET(static_cast<std::size_t>(usable[0]), &two);
    CPU_SET(static_cast<std::size_t>(usable[1]), &two);
    ASSERT_EQ(sched_setaffinity(0, sizeof(two), &two), 0);
    EXPECT_THAT(check_this_thread_pinned(machine, usable[0]).error(),
                HasSubstr("but is bound to CPUs"));
  }).join();
}

TEST(PinnedThread, IsPinnedBeforeItRunsAnything) {
  const Machine machine = this_system();
  for (const int cpu : machine.usable_cpus()) {
    int allowed = -1;
    int seen = -1;
    Result<PinnedThread> thread = PinnedThread::start(machine, cpu, [&](std::stop_token) {
      allowed = only_cpu();
      seen = sched_getcpu();
    });
    ASSERT_TRUE(thread.ok()) << thread.error();
    EXPECT_EQ(thread.value().cpu(), cpu);
    thread.value().join();
    EXPECT_EQ(allowed, cpu);
    EXPECT_EQ(seen, cpu);
    thread.value().join();  // a second one does nothing
  }
}

// As by taskset -p from outside, or when a CPU goes offline.
TEST(CheckPinnedThreads, SeesOneThatWasMovedFromOutside) {
  const Machine machine = this_system();
  const std::vector<int> usable = machine.usable_cpus();
  if (usable.size() < 2) {
    GTEST_SKIP() << "needs 2 usable CPUs to be bound to another";
  }
  std::atomic<pid_t> number = 0;
  Result<PinnedThread> thread =
      PinnedThread::start(machine, usable[0], [&number](std::stop_token stop) {
        number = gettid();
        while (!stop.stop_requested()) {
          std::this_thread::yield();
        }
      });
  ASSERT_TRUE(thread.ok()) << thread.error();
  while (number == 0) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(check_pinned_threads(machine).ok());
  cpu_set_t other;
  CPU_ZERO(&other);
  CPU_SET(static_cast<std::size_t>(usable[1]), &other);
  ASSERT_EQ(sched_setaffinity(number, sizeof(other), &other), 0);
  EXPECT_EQ(check_pinned_threads(machine).error(),
            "a thread that was pinned to CPU " + std::to_string(usable[0]) + " is bound to CPU " +
                std::to_string(usable[1]));
  thread.value().request_stop();
  thread.value().join();
  EXPECT_TRUE(check_pinned_threads(machine).ok()) << "one that is gone is no matter";
}

TEST(PinnedThread, LeavesItsCreatorWhereItWas) {
  const Machine machine = this_system();
  const int cpu = machine.usable_cpus().front();
  cpu_set_t before;
  cpu_set_t after;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  {
    ASSERT_TRUE(PinnedThread::start(machine, cpu, [](std::stop_token) {}).ok());
  }
  ASSERT_EQ(sched_getaffinity(0, sizeof(after), &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

TEST(PinnedThread, OneForEachCpuOfAPlacementAtOnce) {
  const Machine machine = this_system();
  const Placement placement = widest_placement(machine, kCompact).value();
  std::atomic<int> in_place = 0;
  std::vector<PinnedThread> threads;
  for (const int cpu : placement.responders) {
    Result<PinnedThread> thread =
        PinnedThread::start(machine, cpu, [&in_place, cpu](std::stop_token stop) {
          in_place += only_cpu() == cpu ? 1 : 0;
          while (!stop.stop_requested()) {
            std::this_thread::yield();
          }
        });
    ASSERT_TRUE(thread.ok()) << thread.error();
    threads.push_back(std::move(thread).value());
  }
  for (PinnedThread& thread : threads) {
    thread.request_stop();
    thread.join();
  }
  EXPECT_EQ(in_place, static_cast<int>(placement.responders.size()));
}

// A destructor that did not ask would wait for ever here, one that did not wait would read too
// early.
TEST(PinnedThread, DestructorStopsAndJoins) {
  const Machine machine = this_system();
  bool finished = false;
  {
    const Result<PinnedThread> thread = PinnedThread::start(machine, machine.usable_cpus().front(),
                                                            [&finished](std::stop_token stop) {
                                                              while (!stop.stop_requested()) {
                                                                std::this_thread::yield();
                                                              }
                                                              finished = true;
                                                            });
    ASSERT_TRUE(thread.ok()) << thread.error();
  }
  EXPECT_TRUE(finished);
}

TEST(PinnedThread, JoinWaitsForTheFunction) {
  const Machine machine = this_system();
  std::atomic<bool> finished = false;
  Result<PinnedThread> thread =
      PinnedThread::start(machine, machine.usable_cpus().front(), [&finished](std::stop_token) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        finished = true;
      });
  ASSERT_TRUE(thread.ok()) << thread.error();
  thread.value().join();
  EXPECT_TRUE(finished);
}

TEST(PinnedThread, AFailedPinIsToldAndNothingRuns) {
  bool ran = false;
  const Machine described = Machine::from_synthetic("core:2 pu:1").value();
  const Result<PinnedThread> thread =
      PinnedThread::start(described, 1, [&ran](std::stop_token) { ran = true; });
  ASSERT_FALSE(thread.ok());
  EXPECT_THAT(thread.error(), HasSubstr("not this system"));
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace flushwalk::topology
