#include "bench/shootdown/child_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "allocator/geometry.h"

namespace flushwalk {
namespace {

struct Shared {
  int orders;
  pid_t child;
};

std::unique_ptr<ChildProcess> start() {
  std::string error;
  auto child = ChildProcess::start(
      sizeof(Shared),
      [](char order, void* memory) {
        Shared& shared = *static_cast<Shared*>(memory);
        ++shared.orders;
        shared.child = getpid();
        return order != 'e';
      },
      &error);
  EXPECT_NE(child, nullptr) << error;
  return child;
}

const Shared& shared_of(const ChildProcess& child) {
  return *static_cast<const Shared*>(child.shared());
}

TEST(ChildProcesses, CarryOutOrdersInAProcessOfTheirOwn) {
  const auto child = start();
  EXPECT_EQ(shared_of(*child).orders, 0);
  EXPECT_TRUE(child->order('a'));
  EXPECT_TRUE(child->order('a'));
  EXPECT_EQ(shared_of(*child).orders, 2);
  EXPECT_NE(shared_of(*child).child, getpid());
  EXPECT_FALSE(child->answered());
}

// Waiting for it would be for ever.
TEST(ChildProcesses, ThatHaveEndedAreNotWaitedFor) {
  const auto child = start();
  EXPECT_FALSE(child->order('e'));
  EXPECT_TRUE(child->answered());
  EXPECT_FALSE(child->order('a'));
}

// A fault each, otherwise, and with other threads at work a shootdown.
TEST(ChildProcesses, LeaveTheCallerItsPages) {
  constexpr std::size_t kOwnPages = 64;
  const std::size_t bytes = kOwnPages * kPageSize;
  void* const memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  if (madvise(memory, bytes, 23 /* MADV_POPULATE_WRITE */) != 0) {
    munmap(memory, bytes);
    GTEST_SKIP() << "a kernel before 5.14";
  }
  const auto child = start();
  volatile unsigned char* const pages = static_cast<unsigned char*>(memory);
  rusage before{};
  rusage after{};
  getrusage(RUSAGE_THREAD, &before);
  for (std::size_t i = 0; i < kOwnPages; ++i) {
    pages[i * kPageSize] = 1;
  }
  getrusage(RUSAGE_THREAD, &after);
  // A sanitizer has a few of its own.
  EXPECT_LT(after.ru_minflt - before.ru_minflt, static_cast<long>(kOwnPages / 2));
  munmap(memory, bytes);
}

TEST(ChildProcesses, EndWithTheObject) {
  auto child = start();
  ASSERT_TRUE(child->order('a'));
  const pid_t id = shared_of(*child).child;
  EXPECT_EQ(kill(id, 0), 0);
  child.reset();
  EXPECT_EQ(kill(id, 0), -1);
}

}  // namespace
}  // namespace flushwalk
