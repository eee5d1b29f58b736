// What pinning does when the kernel refuses, or says yes and does something else. This program has
// its own sched_setaffinity, which hwloc gets in the place of the C library's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>
#include <thread>

#include "topology/pinned_thread.h"

namespace {

enum class Binding { kReal, kRefused, kPretended };

std::atomic<Binding> binding_mode = Binding::kReal;
std::atomic<int> bindings_asked = 0;
std::atomic<int> pretended_cpu =
    -1;  // where every thread runs, as far as it is told; -1: the truth

}  // namespace

extern "C" int sched_setaffinity(pid_t pid, size_t size, const cpu_set_t* mask) noexcept {
  ++bindings_asked;
  switch (binding_mode.load()) {
    case Binding::kRefused:
      errno = EPERM;
      return -1;
    case Binding::kPretended:
      return 0;
    case Binding::kReal:
      break;
  }
  return static_cast<int>(syscall(SYS_sched_setaffinity, pid, size, mask));
}

extern "C" int sched_getcpu() noexcept {
  if (pretended_cpu >= 0) {
    return pretended_cpu;
  }
  unsigned cpu = 0;
  return syscall(SYS_getcpu, &cpu, nullptr, nullptr) == 0 ? static_cast<int>(cpu) : -1;
}

namespace flushwalk::topology {
namespace {

using ::testing::HasSubstr;

class PinFailure : public ::testing::Test {
 protected:
  void SetUp() override {
    binding_mode = Binding::kReal;
    bindings_asked = 0;
    pretended_cpu = -1;
  }

  const Machine machine_ = Machine::discover().value();
  const int cpu_ = machine_.usable_cpus().front();
};

// Were hwloc to bind by another way, the tests below would prove nothing.
TEST_F(PinFailure, HwlocBindsThroughThisProgramsFunction) {
  std::thread([this] {
    const Result<Done> pinned = pin_this_thread(machine_, cpu_);
    EXPECT_TRUE(pinned.ok()) << pinned.error();
  }).join();
  EXPECT_EQ(bindings_asked, 1);
}

TEST_F(PinFailure, ARefusalComesWithTheSystemsWords) {
  binding_mode = Binding::kRefused;
  std::thread([this] {
    const Result<Done> pinned = pin_this_thread(machine_, cpu_);
    ASSERT_FALSE(pinned.ok());
    EXPECT_THAT(pinned.error(), HasSubstr("can't bind to CPU"));
    EXPECT_THAT(pinned.error(), HasSubstr("Operation not permitted"));
  }).join();
}

TEST_F(PinFailure, ASuccessThatDidNothingIsSeen) {
  if (machine_.usable_cpus().size() < 2) {
    GTEST_SKIP() << "with one usable CPU every thread is bound to it already";
  }
  binding_mode = Binding::kPretended;
  std::thread([this] {
    const Result<Done> pinned = pin_this_thread(machine_, cpu_);
    ASSERT_FALSE(pinned.ok());
    EXPECT_THAT(pinned.error(), HasSubstr("should be bound to CPU"));
  }).join();
}

TEST_F(PinFailure, AThreadThatRunsElsewhereIsSeen) {
  pretended_cpu = cpu_ + 1;
  std::thread([this] {
    const Result<Done> pinned = pin_this_thread(machine_, cpu_);
    ASSERT_FALSE(pinned.ok());
    EXPECT_THAT(pinned.error(), HasSubstr("but runs on CPU " + std::to_string(cpu_ + 1)));
  }).join();
}

TEST_F(PinFailure, APinnedThreadThatCantBePinnedRunsNothing) {
  binding_mode = Binding::kRefused;
  std::atomic<bool> ran = false;
  {
    const Result<PinnedThread> thread =
        PinnedThread::start(machine_, cpu_, [&ran](std::stop_token) { ran = true; });
    ASSERT_FALSE(thread.ok());
    EXPECT_THAT(thread.error(), HasSubstr("Operation not permitted"));
  }
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace flushwalk::topology
