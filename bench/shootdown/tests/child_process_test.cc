#include "bench/shootdown/child_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <memory>
#include <string>

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
