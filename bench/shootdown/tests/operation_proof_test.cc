#include "bench/shootdown/operation_proof.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace flushwalk {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr ProofLimits kLimits{.slack = 5, .longest_rest = 1000};

OperationVerdicts judge(const std::vector<ShootdownWindow>& operations,
                        const std::vector<Gap>& gaps) {
  return judge_operations(operations, gaps, kLimits);
}

Verdict verdict_of(const Gap& gap) { return judge({{1000, 2000, 1}}, {gap}).verdicts.at(0); }

TEST(JudgeOperations, AGapThatBeginsInTheOperationAndEndsSoonAfterItProvesIt) {
  EXPECT_EQ(verdict_of({1000, 1500}), Verdict::proven);
  EXPECT_EQ(verdict_of({2000, 3000}), Verdict::proven) << "at the limits";
  EXPECT_EQ(verdict_of({995, 1500}), Verdict::proven) << "the clocks may differ so much";
  EXPECT_EQ(verdict_of({2005, 2100}), Verdict::proven);
}

// The responder was not there: the kernel sends no interrupt, and the operation is fast.
TEST(JudgeOperations, AResponderThatWasAwayBeforeProvesNothing) {
  EXPECT_EQ(verdict_of({994, 1001}), Verdict::away);
  EXPECT_EQ(verdict_of({10, 90'000}), Verdict::away);
}

TEST(JudgeOperations, AClockThatRanOnProvesNothing) {
  EXPECT_EQ(verdict_of({500, 1000}), Verdict::ran_on) << "its gap was over";
  EXPECT_EQ(verdict_of({2006, 2100}), Verdict::ran_on);
  EXPECT_THAT(judge({{1000, 2000, 1}}, {}).verdicts, ElementsAre(Verdict::ran_on));
}

// A time slice of another task that begins in the operation.
TEST(JudgeOperations, AGapLongerThanAnInterruptsProvesNothing) {
  EXPECT_EQ(verdict_of({1500, 3001}), Verdict::too_long);
  const OperationVerdicts both = judge({{1000, 2000, 1}}, {{1100, 1200}, {1900, 90'000}});
  EXPECT_THAT(both.verdicts, ElementsAre(Verdict::proven));
  EXPECT_THAT(both.stalls, ElementsAre(100)) << "the preemption is no stall";
}

TEST(JudgeOperations, EachOperationIsJudgedByItself) {
  const OperationVerdicts made = judge({{1000, 2000, 1}, {3000, 4000, 1}, {5000, 6000, 1}},
                                       {{1100, 1300, 70, 60}, {2900, 4500}, {5100, 5600}});
  EXPECT_THAT(made.verdicts, ElementsAre(Verdict::proven, Verdict::away, Verdict::proven));
  EXPECT_EQ(made.proven, 2U);
  EXPECT_EQ(made.exact, 2U);
  EXPECT_THAT(made.stalls, ElementsAre(200, 500));
  EXPECT_THAT(made.first_rounds, ElementsAre(70)) << "those of a round that ended";
  EXPECT_THAT(made.second_rounds, ElementsAre(60));
}

TEST(JudgeOperations, ALoopOfCallsNeedsAGapForEach) {
  EXPECT_EQ(gaps_needed(1), 1U);
  EXPECT_EQ(gaps_needed(99), 99U);
  EXPECT_EQ(gaps_needed(100), 99U);
  EXPECT_EQ(gaps_needed(101), 100U) << "99 % of it are 99.99";
  EXPECT_EQ(gaps_needed(1024), 1014U);
  const std::vector<Gap> two = {{1100, 1150}, {1300, 1400}};
  const OperationVerdicts enough = judge({{1000, 2000, 2}}, two);
  EXPECT_THAT(enough.verdicts, ElementsAre(Verdict::proven));
  EXPECT_THAT(enough.stalls, ElementsAre(100)) << "the longest";
  const OperationVerdicts few = judge({{1000, 2000, 3}}, two);
  EXPECT_THAT(few.verdicts, ElementsAre(Verdict::ran_on));
  EXPECT_EQ(few.proven, 2U);
  EXPECT_EQ(few.exact, 0U);
  EXPECT_THAT(few.stalls, IsEmpty());
  EXPECT_EQ(judge({{1000, 2000, 1}}, two).exact, 0U);
}

TEST(CountStray, CountsOperationsNotGaps) {
  const std::vector<ShootdownWindow> operations = {{1000, 2000, 0}, {3000, 4000, 0}};
  EXPECT_EQ(count_stray(operations, std::vector<Gap>{{1100, 1200}, {1300, 1400}}), 1U);
  EXPECT_EQ(count_stray(operations, std::vector<Gap>{{1100, 1200}, {4000, 4100}}), 2U);
  EXPECT_EQ(count_stray(operations, std::vector<Gap>{{900, 1200}, {2500, 2600}}), 0U);
}

TEST(SharesLost, LeaveOutBatchesInWhichAnotherTaskRan) {
  const std::vector<ShootdownWindow> batches = {{0, 1000, 10}, {2000, 3000, 10}, {9000, 9500, 10}};
  const std::vector<Gap> gaps = {{100, 150}, {990, 1010}, {2900, 8000}, {9100, 9200}};
  EXPECT_THAT(shares_lost(batches, gaps, 1000), ElementsAre(DoubleEq(6), DoubleEq(20)));
}

TEST(WhyUnproven, TellsWhatIsKnownOfEach) {
  OperationVerdicts made;
  EXPECT_EQ(why_unproven(made, 3, {}, ShootdownMechanism::ipi), "");
  made.verdicts = {Verdict::away, Verdict::proven, Verdict::away, Verdict::too_long};
  ThreadCounts counts;
  counts.involuntary_switches = 7;
  EXPECT_EQ(why_unproven(made, 3, counts, ShootdownMechanism::ipi),
            "2 found CPU 3 away, 1 stopped CPU 3 for longer than an interrupt (its thread was "
            "switched out 7 times: another ran there)");
  EXPECT_THAT(why_unproven(made, 3, {}, ShootdownMechanism::ipi), HasSubstr("never switched out"));
  made.verdicts = {Verdict::ran_on};
  EXPECT_EQ(why_unproven(made, 3, counts, ShootdownMechanism::ipi), "1 did not stop CPU 3");
  EXPECT_THAT(why_unproven(made, 3, counts, ShootdownMechanism::paravirtual),
              HasSubstr("a hypervisor may flush"));
  EXPECT_THAT(why_unproven(made, 3, counts, ShootdownMechanism::broadcast),
              HasSubstr("the hardware broadcasts"));
}

}  // namespace
}  // namespace flushwalk
