#include "bench/support/responders.h"

#include <dirent.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "topology/machine.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FLUSHWALK_TSAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define FLUSHWALK_TSAN 1
#endif

namespace flushwalk {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

// Two ticks a nanosecond, whatever they are here: comparisons are in ticks.
Clock counter_clock() {
  return Clock(ClockDescription{.source = counter::kSource, .frequency_hz = 2e9});
}

topology::Machine this_machine() { return topology::Machine::discover().value(); }

// On a machine with one CPU the responder shares it with the caller.
int last_cpu(const topology::Machine& machine) { return machine.usable_cpus().back(); }

template <class Done>
bool eventually(Done&& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

std::set<pid_t> threads_of_this_process() {
  std::set<pid_t> threads;
  DIR* const folder = opendir("/proc/self/task");
  while (const dirent* const entry = readdir(folder)) {
    if (const int thread = std::atoi(entry->d_name); thread != 0) {
      threads.insert(thread);
    }
  }
  closedir(folder);
  return threads;
}

// Pages of shared memory: touched ones can be told from others, and made untouched again.
class SharedPages {
 public:
  explicit SharedPages(std::size_t count)
      : bytes_(count * kPageSize),
        memory_(mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {}
  ~SharedPages() { munmap(memory_, bytes_); }
  SharedPages(const SharedPages&) = delete;
  SharedPages& operator=(const SharedPages&) = delete;

  std::vector<Address> addresses() const {
    std::vector<Address> pages;
    for (std::size_t at = 0; at < bytes_; at += kPageSize) {
      pages.push_back(reinterpret_cast<Address>(memory_) + at);
    }
    return pages;
  }
  std::size_t touched() const {
    std::vector<unsigned char> present(bytes_ / kPageSize);
    mincore(memory_, bytes_, present.data());
    return static_cast<std::size_t>(std::count_if(present.begin(), present.end(),
                                                  [](unsigned char p) { return (p & 1) != 0; }));
  }
  void untouch() { EXPECT_EQ(madvise(memory_, bytes_, MADV_REMOVE), 0); }

 private:
  std::size_t bytes_;
  void* memory_;
};

std::unique_ptr<Responders> start(const topology::Machine& machine, std::vector<int> cpus,
                                  std::vector<Address> pages = {}, std::size_t capacity = 1 << 16) {
  std::string error = "none";
  auto responders =
      Responders::start(machine, cpus, counter_clock(), std::move(pages), capacity, &error);
  EXPECT_NE(responders, nullptr) << error;
  return responders;
}

TEST(Responders, RunPauseAndStopManyTimes) {
  const topology::Machine machine = this_machine();
  for (int i = 0; i < 20; ++i) {
    const auto responders = start(machine, {last_cpu(machine)});
    ASSERT_NE(responders, nullptr);
    EXPECT_EQ(responders->size(), 1U);
    EXPECT_EQ(responders->cpu(0), last_cpu(machine));
    for (int run = 0; run < i; ++run) {
      responders->run();
      responders->pause();
    }
  }
}

TEST(Responders, MayBeStoppedWhileTheyRun) {
  const topology::Machine machine = this_machine();
  for (int i = 0; i < 20; ++i) {
    const auto responders = start(machine, {last_cpu(machine)});
    ASSERT_NE(responders, nullptr);
    responders->run();
  }
}

TEST(Responders, OneOnEachCpu) {
  const topology::Machine machine = this_machine();
  std::vector<int> cpus = machine.usable_cpus();
  cpus.resize(std::min<std::size_t>(cpus.size(), 4));
  std::reverse(cpus.begin(), cpus.end());
  const auto responders = start(machine, cpus);
  ASSERT_NE(responders, nullptr);
  ASSERT_EQ(responders->size(), cpus.size());
  for (int run = 0; run < 5; ++run) {
    responders->run();
    responders->pause();
  }
  for (std::size_t i = 0; i < cpus.size(); ++i) {
    EXPECT_EQ(responders->cpu(i), cpus[i]);
    EXPECT_GT(responders->threshold(i), 0U);
  }
}

TEST(Responders, NoneAtAllIsGoodToo) {
  const auto responders = start(this_machine(), {});
  ASSERT_NE(responders, nullptr);
  responders->run();
  responders->pause();
  EXPECT_EQ(responders->size(), 0U);
}

TEST(Responders, ACpuThatIsNotThereIsAnError) {
  std::string error;
  EXPECT_EQ(Responders::start(this_machine(), {65'535}, counter_clock(), {}, 10, &error), nullptr);
  EXPECT_THAT(error, HasSubstr("65535"));
  EXPECT_THAT(error, ::testing::Not(HasSubstr("\n")));
}

TEST(Responders, ACpuOutsideTheMaskIsAnErrorAndTheOthersAreStopped) {
  const topology::Machine machine = this_machine();
  const std::vector<int> cpus = machine.usable_cpus();
  if (cpus.size() < 2) {
    GTEST_SKIP() << "one CPU: none is left to be outside of the mask";
  }
  const std::vector<int> allowed = {cpus[0]};
  const auto restricted = machine.restricted_to(allowed);
  ASSERT_TRUE(restricted.ok());
  std::string error;
  EXPECT_EQ(
      Responders::start(restricted.value(), {cpus[0], cpus[1]}, counter_clock(), {}, 10, &error),
      nullptr);
  EXPECT_THAT(error, HasSubstr("CPU " + std::to_string(cpus[1])));
}

TEST(Responders, TheThresholdIsAtLeast300Ns) {
  const topology::Machine machine = this_machine();
  const auto responders = start(machine, {last_cpu(machine)});
  ASSERT_NE(responders, nullptr);
  responders->run();
  responders->pause();
  EXPECT_GE(responders->threshold(0), counter_clock().ns_to_ticks(300));
}

TEST(Responders, ReadAllTheirPagesAllTheTime) {
  const topology::Machine machine = this_machine();
  SharedPages pages(17);
  const auto responders = start(machine, {last_cpu(machine)}, pages.addresses());
  ASSERT_NE(responders, nullptr);
  EXPECT_EQ(pages.touched(), 0U);
  responders->run();
  EXPECT_EQ(pages.touched(), 17U) << "when run() returns they have been read";
  for (int i = 0; i < 3; ++i) {
    pages.untouch();
    EXPECT_TRUE(eventually([&] { return pages.touched() == 17; }));
  }
  responders->pause();
  pages.untouch();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(pages.touched(), 0U) << "they are read after pause()";
}

TEST(Responders, CountWhatTheKernelCountedInTheLoop) {
  const topology::Machine machine = this_machine();
  SharedPages pages(17);
  const auto responders = start(machine, {last_cpu(machine)}, pages.addresses());
  ASSERT_NE(responders, nullptr);
  responders->run();
  responders->pause();
  pages.untouch();
  responders->run();
  responders->pause();
  EXPECT_GE(responders->counts(0).page_faults(), 17U);
  responders->run();
  responders->pause();
  EXPECT_LT(responders->counts(0).page_faults(), 17U) << "of the last run only";
}

// --- Counters: a stand-in that counts each call as a hit.

class CountingCalls final : public PerfCalls {
 public:
  int open(const perf_event_attr&, int) override { return 3; }
  int set_filter(int, const std::string&) override { return 0; }
  int enable(int) override {
    note_thread();
    ++enables;
    return 0;
  }
  int disable(int) override {
    note_thread();
    ++disables;
    return 0;
  }
  long read(int, void* buffer, std::size_t bytes) override {
    note_thread();
    // One event; 10 ns and a hit for each time that it was on.
    const std::uint64_t ns = 10 * disables.load();
    const std::uint64_t words[] = {1, ns, ns, disables.load()};
    std::memcpy(buffer, words, std::min(bytes, sizeof words));
    return sizeof words;
  }
  void close(int) override {}

  std::atomic<std::uint64_t> enables{0};
  std::atomic<std::uint64_t> disables{0};
  std::atomic<int> on_cpu{-1};  // of the last call

 private:
  void note_thread() { on_cpu = sched_getcpu(); }
};

TEST(Responders, SwitchAndReadTheirOwnCountersWhenTold) {
  const topology::Machine machine = this_machine();
  CountingCalls calls;
  auto made = Counters::make({.events = "page-faults"}, calls);
  const auto counters = std::move(std::get<std::unique_ptr<Counters>>(made));
  std::string error;
  const auto responders = Responders::start(machine, {last_cpu(machine)}, counter_clock(), {},
                                            1 << 16, &error, counters.get(), 2);
  ASSERT_NE(responders, nullptr) << error;
  for (int run = 0; run < 2; ++run) {
    responders->run();
    const std::uint64_t before = calls.enables;
    for (const std::size_t rival : {0U, 1U, 1U}) {
      responders->count(0);
      EXPECT_EQ(calls.enables, calls.disables + 1) << "count() returns when they count";
      responders->stop_counting();
      EXPECT_EQ(calls.enables, calls.disables) << "stop_counting() when they do not";
      responders->add_counts_to(rival);
    }
    EXPECT_EQ(calls.enables, before + 3);
    EXPECT_EQ(calls.on_cpu, last_cpu(machine));
    responders->pause();
    const auto first = responders->take_counts(0, 0);
    const auto second = responders->take_counts(0, 1);
    ASSERT_THAT(first, SizeIs(1));
    EXPECT_EQ(second[0].raw, 2U);
    EXPECT_EQ(second[0].time_enabled, 20U);
    // The tries of the plan stand in the first.
    EXPECT_EQ(first[0].raw, run == 0 ? before + 1 : 1U);
  }
}

// --- Planted interruptions: a signal whose handler takes its time.

struct Interruption {
  std::atomic<Ticks> begin{0};
  std::atomic<Ticks> end{0};
};

constexpr std::size_t kMostInterruptions = 64;
Interruption interruptions[kMostInterruptions];
std::atomic<std::size_t> interrupted{0};
std::atomic<std::size_t> handlers_begun{0};

extern "C" void take_some_time(int /*signal*/) {
  const std::size_t i = interrupted.load(std::memory_order_relaxed);
  const Ticks begin = counter::read();
  handlers_begun.store(i + 1, std::memory_order_release);
  Ticks end = begin;
  while (end - begin < 100'000) {
    end = counter::read();
  }
  interruptions[i].begin.store(begin, std::memory_order_relaxed);
  interruptions[i].end.store(end, std::memory_order_relaxed);
  interrupted.store(i + 1, std::memory_order_release);
}

class InterruptedResponder : public ::testing::Test {
 protected:
  void SetUp() override {
#if defined(FLUSHWALK_TSAN)
    GTEST_SKIP() << "ThreadSanitizer holds signals back until the thread makes a call";
#endif
    struct sigaction action {};
    action.sa_handler = take_some_time;
    sigemptyset(&action.sa_mask);
    ASSERT_EQ(sigaction(SIGUSR1, &action, &previous), 0);
    interrupted = 0;
    handlers_begun = 0;
  }
  void TearDown() override { sigaction(SIGUSR1, &previous, nullptr); }

  void start_one(std::size_t capacity, std::vector<Address> pages = {}) {
    const topology::Machine machine = this_machine();
    const std::set<pid_t> before = threads_of_this_process();
    responders = start(machine, {last_cpu(machine)}, std::move(pages), capacity);
    ASSERT_NE(responders, nullptr);
    for (const pid_t each : threads_of_this_process()) {
      if (!before.contains(each)) {
        thread = each;
      }
    }
    ASSERT_NE(thread, 0);
  }

  // Interrupts the running responder and waits for the end of it.
  void interrupt(std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) {
      const std::size_t before = interrupted;
      ASSERT_EQ(syscall(SYS_tgkill, getpid(), thread, SIGUSR1), 0);
      ASSERT_TRUE(eventually([&] { return interrupted.load() == before + 1; }));
    }
  }

  std::unique_ptr<Responders> responders;
  pid_t thread = 0;
  struct sigaction previous {};
};

TEST_F(InterruptedResponder, EachInterruptionIsInAGap) {
  start_one(1 << 16);
  responders->run();
  interrupt(20);
  responders->pause();
  EXPECT_EQ(responders->lost_gaps(0), 0U);
  for (std::size_t i = 0; i < 20; ++i) {
    std::size_t found = 0;
    for (const Gap& gap : responders->gaps(0)) {
      found += gap.begin <= interruptions[i].begin && gap.end >= interruptions[i].end ? 1U : 0U;
    }
    EXPECT_EQ(found, 1U) << "interruption " << i;
  }
}

// One in two was lost, while the loop looked for the pause and not at its clock once more.
TEST_F(InterruptedResponder, AnInterruptionThatThePauseMeetsIsInAGapToo) {
  start_one(1 << 16);
  for (std::size_t i = 0; i < 30; ++i) {
    responders->run();
    ASSERT_EQ(syscall(SYS_tgkill, getpid(), thread, SIGUSR1), 0);
    // Without a nap: the handler takes 50 us.
    while (handlers_begun.load() != i + 1) {
      std::this_thread::yield();
    }
    responders->pause();
    ASSERT_TRUE(eventually([&] { return interrupted.load() == i + 1; }));
    std::size_t found = 0;
    for (const Gap& gap : responders->gaps(0)) {
      found += gap.begin <= interruptions[i].begin && gap.end >= interruptions[i].end ? 1U : 0U;
    }
    EXPECT_EQ(found, 1U) << "interruption " << i;
  }
}

TEST_F(InterruptedResponder, GapsAscendAndAreLongerThanTheThreshold) {
  start_one(1 << 16);
  for (int run = 0; run < 3; ++run) {
    const Ticks before = counter::read();
    responders->run();
    interrupt(5);
    responders->pause();
    const Ticks after = counter::read();
    const auto gaps = responders->gaps(0);
    ASSERT_GE(gaps.size(), 2U);
    EXPECT_GE(gaps.front().begin, before) << "a gap of an earlier run";
    EXPECT_LE(gaps.back().end, after);
    for (std::size_t i = 0; i < gaps.size(); ++i) {
      EXPECT_GT(gaps[i].end - gaps[i].begin, responders->threshold(0));
      if (i != 0) {
        EXPECT_GE(gaps[i].begin, gaps[i - 1].end);
      }
    }
  }
}

TEST_F(InterruptedResponder, GapsThatDoNotFitAreCounted) {
  start_one(2);
  responders->run();
  interrupt(10);
  responders->pause();
  EXPECT_THAT(responders->gaps(0), SizeIs(2));
  EXPECT_GE(responders->lost_gaps(0), 5U);
}

// Between two interruptions of this test lie many rounds of few pages.
TEST_F(InterruptedResponder, AfterAGapTwoRoundsOverThePagesAreTimedUnlessAnotherGapComes) {
  SharedPages pages(17);
  start_one(1 << 16, pages.addresses());
  responders->run();
  interrupt(21);
  responders->pause();
  const auto gaps = responders->gaps(0);
  std::size_t timed = 0;
  for (std::size_t i = 0; i + 1 < gaps.size(); ++i) {
    const Gap& gap = gaps[i];
    const Ticks until_next = gaps[i + 1].begin - gap.end;
    EXPECT_LE(Ticks{gap.first_round} + gap.second_round,
              until_next + 17 * responders->threshold(0));
    EXPECT_TRUE(gap.second_round == 0 || gap.first_round != 0);
    // Every turn of a round is shorter than a gap.
    EXPECT_LE(gap.first_round, 17 * responders->threshold(0));
    EXPECT_LE(gap.second_round, 17 * responders->threshold(0));
    timed += gap.second_round != 0 ? 1U : 0U;
  }
  EXPECT_GE(timed, 10U) << "of " << gaps.size();
}

TEST_F(InterruptedResponder, WithoutPagesThereAreNoRounds) {
  start_one(1 << 16);
  responders->run();
  interrupt(5);
  responders->pause();
  for (const Gap& gap : responders->gaps(0)) {
    EXPECT_EQ(gap.first_round + gap.second_round, 0U);
  }
}

// What interrupts a responder that is not running is in no run's gaps.
TEST_F(InterruptedResponder, PausedRespondersRecordNothing) {
  start_one(1 << 16);
  responders->run();
  responders->pause();
  const std::size_t before = responders->gaps(0).size();
  interrupt(5);
  EXPECT_EQ(responders->gaps(0).size(), before);
  const Ticks between = counter::read();
  responders->run();
  responders->pause();
  for (const Gap& gap : responders->gaps(0)) {
    EXPECT_GE(gap.begin, between);
  }
}

}  // namespace
}  // namespace flushwalk
