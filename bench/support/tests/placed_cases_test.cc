#include "bench/support/placed_cases.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "topology/pinned_thread.h"

namespace flushwalk {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> names_in(const std::string& text) {
  return std::get<std::vector<std::string>>(read_placements(text));
}

std::string problem_with(const std::string& text) {
  return std::get<Problem>(read_placements(text)).line();
}

TEST(ReadPlacements, ADigitGoesOnAList) {
  EXPECT_THAT(names_in("compact"), ElementsAre("compact"));
  EXPECT_THAT(names_in("smt,cpus:0,4-6,8,scatter,cpus:1"),
              ElementsAre("smt", "cpus:0,4-6,8", "scatter", "cpus:1"));
}

TEST(ReadPlacements, RefusesEmptyAndRepeatedOnes) {
  EXPECT_THAT(problem_with(""), HasSubstr("--placement: an empty value"));
  EXPECT_THAT(problem_with("smt,"), HasSubstr("an empty value"));
  EXPECT_EQ(problem_with("smt,compact,smt"), "--placement: smt is named twice");
  EXPECT_EQ(problem_with("cpus:0,1,cpus:0,1"), "--placement: cpus:0,1 is named twice");
}

TEST(MemoryPlace, IsTheOneNodeThatHoldsAllOfIt) {
  EXPECT_EQ(memory_place(std::vector<int>{1}, 1).node, 1U);
  EXPECT_EQ(memory_place(std::vector<int>{1}, 1).why_invalid, "");
  EXPECT_EQ(memory_place(std::vector<int>{1}, std::nullopt).why_invalid, "");
  EXPECT_EQ(memory_place({}, 1).node, std::nullopt);
  EXPECT_EQ(memory_place({}, 1).why_invalid, "") << "what is not known is no fault";
}

TEST(MemoryPlace, ElsewhereIsAFault) {
  EXPECT_EQ(memory_place(std::vector<int>{0}, 1).node, 0U);
  EXPECT_EQ(memory_place(std::vector<int>{0}, 1).why_invalid,
            "memory on NUMA node 0, the initiator on 1");
  EXPECT_EQ(memory_place(std::vector<int>{0, 1}, 1).node, std::nullopt);
  EXPECT_EQ(memory_place(std::vector<int>{0, 1}, 1).why_invalid,
            "memory on NUMA node 0 and 1, the initiator on 1");
}

// A group of one case whose repetition does what the test says.
class OneCase : public CaseGroup {
 public:
  explicit OneCase(std::function<void()> meanwhile) : meanwhile_(std::move(meanwhile)) {}

  std::vector<std::string> case_names() const override { return {"one/walk:xarray"}; }
  void drop_case(std::size_t) override {}
  unsigned responders() const override { return 1; }
  std::unique_ptr<Measurement> prepare(const MeasuringContext&, std::string*) const override {
    return std::make_unique<Measuring>(meanwhile_);
  }

 private:
  class Measuring : public Measurement {
   public:
    explicit Measuring(const std::function<void()>& meanwhile) : meanwhile_(meanwhile) {}
    std::vector<CaseOutcome> measure(unsigned, std::string*) override {
      meanwhile_();
      CaseOutcome outcome;
      outcome.rows.emplace_back().case_name = "one/walk:xarray";
      outcome.counter_rows.emplace_back().case_name = "one/walk:xarray";
      outcome.counters = {{"valid", 1}};
      std::vector<CaseOutcome> outcomes;
      outcomes.push_back(std::move(outcome));
      return outcomes;
    }

   private:
    const std::function<void()>& meanwhile_;
  };

  std::function<void()> meanwhile_;
};

CaseGroups placed(const std::vector<std::string>& placements, std::function<void()> meanwhile) {
  return std::get<CaseGroups>(
      place_cases(placements, [&](const std::string&) -> std::variant<CaseGroups, Problem> {
        CaseGroups groups;
        groups.push_back(std::make_unique<OneCase>(meanwhile));
        return groups;
      }));
}

TEST(PlaceCases, TheNameTellsAllButCompact) {
  const CaseGroups groups = placed({"compact", "cpus:1,0"}, [] {});
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_THAT(groups[0]->case_names(), ElementsAre("one/walk:xarray"));
  EXPECT_EQ(groups[0]->placement(), "compact");
  EXPECT_THAT(groups[1]->case_names(), ElementsAre("one/walk:xarray/placement:cpus:1,0"));
  EXPECT_EQ(groups[1]->placement(), "cpus:1,0");
}

// Two packages of four CPUs.
class CountAll : public ::testing::Test {
 protected:
  std::string problem_of(const std::string& placement) {
    const auto problem =
        count_all(topology::Machine::from_synthetic("package:2 core:4 pu:1").value(), placement,
                  {{"--responders", &responders, false}, {"--initiators", &initiators, true}});
    return problem ? problem->line() : "";
  }
  std::string responders = "0";
  std::string initiators = "1";
};

TEST_F(CountAll, IsAsManyAsThePlacementHasRoomFor) {
  responders = "0,all,1";
  initiators = "all";
  EXPECT_EQ(problem_of("compact"), "");
  EXPECT_EQ(responders, "0,7,1");
  EXPECT_EQ(initiators, "8") << "the initiator makes one more";
  responders = "all";
  EXPECT_EQ(problem_of("cross_package"), "");
  EXPECT_EQ(responders, "4") << "all that are in the other one";
}

TEST_F(CountAll, LeavesOtherListsAlone) {
  responders = "0,1";
  initiators = "ball";
  EXPECT_EQ(problem_of("smt"), "") << "which is not here, but nobody asks";
  EXPECT_EQ(responders, "0,1");
  EXPECT_EQ(initiators, "ball");
}

TEST_F(CountAll, RefusesWhereThereAreNoneOrTheNumberIsThereTwice) {
  responders = "7,all";
  EXPECT_EQ(problem_of("compact"), "--responders: all are 7 here (compact), which is named, too");
  responders = "all";
  EXPECT_THAT(problem_of("smt"), HasSubstr("--placement: smt: "));
}

TEST(ListPlacements, TellsWhichCpusOrWhyNone) {
  std::ostringstream out;
  list_placements(topology::Machine::from_synthetic("package:2 core:2 pu:1").value(), out);
  EXPECT_THAT(out.str(), HasSubstr("here: initiator 0, responders 2,1,3\n"));
  EXPECT_THAT(out.str(), HasSubstr("cross_package  cores of another package\n"));
  EXPECT_THAT(out.str(), HasSubstr("not here: no room for 1 responder: needed are other threads"));
}

// Two threads of this process, the initiator and a responder, and what happens to one of them while
// a repetition runs.
class LostPin : public ::testing::Test {
 protected:
  // Moves a thread, by its number (0: the calling one), to the responder's or the initiator's CPU.
  static void move(pid_t thread, int cpu) {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    CPU_SET(static_cast<std::size_t>(cpu), &mask);
    ASSERT_EQ(sched_setaffinity(thread, sizeof(mask), &mask), 0);
  }

  // measure() twice, in a thread of its own: its pin is no other test's. False on one CPU.
  bool measure_twice(const std::function<void(const topology::Placement&, pid_t)>& meanwhile) {
    const topology::Machine machine = topology::Machine::discover().value();
    const std::vector<int> cpus = machine.usable_cpus();
    if (cpus.size() < 2) {
      return false;
    }
    std::thread([&] {
      const topology::Placement placement{"cpus:list", cpus[0], {cpus[1]}};
      std::atomic<pid_t> number = 0;
      auto responder = topology::PinnedThread::start(machine, cpus[1], [&](std::stop_token stop) {
        number = gettid();
        while (!stop.stop_requested()) {
          std::this_thread::yield();
        }
      });
      ASSERT_TRUE(responder.ok()) << responder.error();
      while (number == 0) {
        std::this_thread::yield();
      }
      const CaseGroups groups = placed({"cpus:list"}, [&] { meanwhile(placement, number); });
      const Clock clock = make_clock();
      const std::atomic<bool> stop = false;
      std::string error;
      const auto measurement =
          groups.front()->prepare({clock, machine, placement, 1, stop}, &error);
      ASSERT_NE(measurement, nullptr) << error;
      first = measurement->measure(0, &first_error);
      second = measurement->measure(1, &second_error);
    }).join();
    return true;
  }

  std::vector<CaseOutcome> first, second;
  std::string first_error, second_error;
};

TEST_F(LostPin, WithoutOneRowsAreValidAndTheNextRepetitionRuns) {
  if (!measure_twice([](const topology::Placement&, pid_t) {})) {
    GTEST_SKIP() << "one CPU";
  }
  ASSERT_EQ(second.size(), 1U) << second_error;
  EXPECT_EQ(second[0].rows[0].invalid_reason, "");
  EXPECT_EQ(second[0].rows[0].case_name, "one/walk:xarray/placement:cpus:list");
  EXPECT_EQ(second[0].counter_rows[0].case_name, "one/walk:xarray/placement:cpus:list");
}

TEST_F(LostPin, OfAResponderMarksTheRowsAndEndsTheCase) {
  if (!measure_twice([](const topology::Placement& placement, pid_t responder) {
        move(responder, placement.initiator);
      })) {
    GTEST_SKIP() << "one CPU";
  }
  ASSERT_EQ(first.size(), 1U) << first_error;
  EXPECT_THAT(first[0].rows[0].invalid_reason, HasSubstr("a thread that was pinned to CPU "));
  EXPECT_EQ(first[0].counter_rows[0].invalid_reason, first[0].rows[0].invalid_reason);
  EXPECT_EQ(first[0].counters[0].second, 0) << "Google Benchmark's column says it, too";
  EXPECT_TRUE(second.empty());
  EXPECT_EQ(second_error, first[0].rows[0].invalid_reason);
}

TEST_F(LostPin, OfTheInitiatorMarksTheRowsAndEndsTheCase) {
  if (!measure_twice(
          [](const topology::Placement& placement, pid_t) { move(0, placement.responders[0]); })) {
    GTEST_SKIP() << "one CPU";
  }
  ASSERT_EQ(first.size(), 1U) << first_error;
  EXPECT_THAT(first[0].rows[0].invalid_reason, HasSubstr("this thread should be bound to CPU "));
  EXPECT_TRUE(second.empty());
}

}  // namespace
}  // namespace flushwalk
