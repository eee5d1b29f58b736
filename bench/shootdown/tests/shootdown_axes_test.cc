#include "bench/shootdown/shootdown_axes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace flushwalk {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

std::vector<ShootdownGroup> groups_of(const ShootdownTexts& texts) {
  const auto made = make_shootdown_groups(texts);
  const auto* const groups = std::get_if<std::vector<ShootdownGroup>>(&made);
  EXPECT_NE(groups, nullptr) << std::get<Problem>(made).line();
  return groups != nullptr ? *groups : std::vector<ShootdownGroup>();
}

std::string problem_of(const ShootdownTexts& texts) {
  const auto made = make_shootdown_groups(texts);
  const auto* const problem = std::get_if<Problem>(&made);
  return problem != nullptr ? problem->line() : "none";
}

std::vector<std::string> names_of(const ShootdownTexts& texts) {
  std::vector<std::string> names;
  for (const ShootdownGroup& group : groups_of(texts)) {
    for (const Arm arm : group.arms) {
      names.push_back(case_name(group, arm));
    }
  }
  return names;
}

TEST(ShootdownAxes, ACaseIsNamedByItsAxes) {
  EXPECT_THAT(names_of({.operation = "munmap", .pages = "33", .responders = "1"}),
              ElementsAre("shootdown/operation:munmap/arm:operation/pages:33/page_size:4k/"
                          "responder_does:spin/working_set:0/rate:5000/responders:1"));
  EXPECT_THAT(names_of({.initiators = "2"}),
              ElementsAre("shootdown_throughput/operation:mprotect/arm:operation/pages:1/"
                          "page_size:4k/initiators:2"));
}

// What has no meaning in a case is not multiplied.
TEST(ShootdownAxes, OnlyWhatDiffersIsACase) {
  const auto names = names_of(
      {.responders = "0,1", .responder_does = "spin,read,write,sleep", .working_set = "64,512"});
  EXPECT_THAT(names, SizeIs(1 + 1 + 2 + 2 + 1));
  EXPECT_THAT(names[0], HasSubstr("responder_does:none/working_set:0/rate:5000/responders:0"));
  EXPECT_THAT(names[3], HasSubstr("responder_does:read/working_set:512"));
  EXPECT_THAT(names[6], HasSubstr("responder_does:sleep/working_set:0"));
}

TEST(ShootdownAxes, AllArmsAreThoseThatMakeSense) {
  using enum Arm;
  const auto groups = groups_of({.operation = "munmap,membarrier,noop,none", .arms = "all"});
  ASSERT_THAT(groups, SizeIs(4));
  EXPECT_THAT(groups[0].arms,
              ElementsAre(operation, untouched, single_threaded, membarrier, noop, none));
  EXPECT_THAT(groups[1].arms, ElementsAre(operation, noop, none));
  EXPECT_THAT(groups[2].arms, ElementsAre(operation, untouched, single_threaded, membarrier, none));
  EXPECT_THAT(groups[3].arms, ElementsAre(operation, single_threaded, membarrier, noop));
  EXPECT_THAT(groups_of({.arms = "all", .initiators = "1"})[0].arms,
              ElementsAre(operation, untouched, membarrier, noop, none));
}

TEST(ShootdownAxes, AnArmSaysWhatIsDoneAndWhomItInterrupts) {
  ShootdownGroup group;
  group.operation = Operation::munmap;
  EXPECT_FALSE(group.target(Arm::untouched).touched);
  EXPECT_EQ(group.target(Arm::untouched).operation, Operation::munmap);
  EXPECT_EQ(group.target(Arm::noop).operation, Operation::noop);
  EXPECT_TRUE(group.target(Arm::noop).touched);
  EXPECT_TRUE(interrupts(Operation::munmap, Arm::operation));
  EXPECT_TRUE(interrupts(Operation::noop, Arm::membarrier));
  for (const Arm arm : {Arm::untouched, Arm::single_threaded, Arm::noop, Arm::none}) {
    EXPECT_FALSE(interrupts(Operation::munmap, arm)) << name_of(arm);
  }
  EXPECT_FALSE(interrupts(Operation::none_to_rw, Arm::operation));
}

TEST(ShootdownAxes, BadInputNamesTheFlagAndWhatIsAllowed) {
  EXPECT_THAT(problem_of({.operation = "unmap"}),
              AllOf(StartsWith("--operation: unmap is not one of none, noop"),
                    HasSubstr("dontneed_vectored")));
  EXPECT_THAT(problem_of({.arms = "some"}), StartsWith("--arms: some is not one of operation"));
  EXPECT_EQ(problem_of({.pages = "1025"}), "--pages: 1025 is not in 1..1024");
  EXPECT_EQ(problem_of({.pages = "1,65", .page_size = "4k,2m"}),
            "--pages: 65 of 2m are too many: up to 64");
  EXPECT_EQ(problem_of({.page_size = "1g"}), "--page-size: 1g is not one of 4k, 2m");
  EXPECT_THAT(problem_of({.responder_does = "none"}), StartsWith("--responder-does: none is not"));
  EXPECT_EQ(problem_of({.working_set = "0"}), "--working-set: 0 is not in 1..65536");
  EXPECT_EQ(problem_of({.rate = "1000001"}), "--rate: 1000001 is not in 0..1000000");
  EXPECT_EQ(problem_of({.initiators = "0"}), "--initiators: 0 is not in 1..65535");
}

TEST(ShootdownAxes, WhatDoesNotGoTogetherIsRefusedWithTheReason) {
  EXPECT_THAT(problem_of({.operation = "munmap,membarrier", .arms = "untouched"}),
              StartsWith("--arms: membarrier works on no pages"));
  EXPECT_THAT(problem_of({.operation = "membarrier", .arms = "single_threaded"}),
              StartsWith("--arms: membarrier does nothing in a process of one thread"));
  EXPECT_EQ(problem_of({.operation = "noop", .arms = "noop"}),
            "--arms: noop is the operation itself");
  EXPECT_THAT(problem_of({.arms = "single_threaded", .initiators = "2"}),
              StartsWith("--arms: initiators are threads of one process"));
  EXPECT_THAT(problem_of({.responders = "1", .initiators = "2"}),
              StartsWith("--responders: does not go with --initiators"));
  EXPECT_THAT(problem_of({.rate = "1", .initiators = "2"}), StartsWith("--rate: does not go"));
}

}  // namespace
}  // namespace flushwalk
