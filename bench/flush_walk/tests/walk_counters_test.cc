// Counters beside the times, of this kernel: each thread's own, of the timed parts and no others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "allocator/tests/sanitizers.h"
#include "bench/flush_walk/tests/measuring.h"

namespace flushwalk {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class CountedWalks : public Measuring {
 protected:
  void count(const std::string& events, bool rotation = false) {
    auto made = Counters::make({.events = events, .rotation = rotation, .threads = 2});
    ASSERT_TRUE(std::holds_alternative<std::unique_ptr<Counters>>(made))
        << std::get<Problem>(made).line();
    counters = std::move(std::get<std::unique_ptr<Counters>>(made));
  }

  std::vector<CounterRow> counter_rows(WalkMeasurement& measurement, std::size_t walk,
                                       WalkResult* result) const {
    return measurement.take_counter_rows(walk, *result, rows(measurement, walk, result));
  }
  static const CounterRow& find(const std::vector<CounterRow>& all, const std::string& role,
                                const std::string& counter) {
    for (const CounterRow& row : all) {
      if (row.role == role && row.counter == counter) {
        return row;
      }
    }
    ADD_FAILURE() << "no row of " << counter << " of the " << role;
    return all.front();
  }
};

TEST_F(CountedWalks, EachThreadOfEachWalkHasARowOfEachCounter) {
  place(1, ShootdownKind::noop);
  count("page-faults:u,context-switches,cycles:u,/proc/interrupts:CAL");
  on_initiator([&] {
    const auto measurement = prepare(20);
    ASSERT_NE(measurement, nullptr);
    for (int repetition = 0; repetition < 2; ++repetition) {
      auto results = measure(*measurement);
      ASSERT_THAT(results, SizeIs(2));
      for (std::size_t walk = 0; walk < 2; ++walk) {
        const auto all = counter_rows(*measurement, walk, &results[walk]);
        const CounterRow& faults = find(all, "initiator", "page-faults:u");
        EXPECT_EQ(faults.cpu, static_cast<unsigned>(placement.initiator));
        EXPECT_EQ(find(all, "responder", "page-faults:u").cpu,
                  static_cast<unsigned>(placement.responders[0]));
        EXPECT_EQ(faults.operations, 20U);
        EXPECT_EQ(faults.operation, "flush");
        EXPECT_EQ(faults.reason.empty(), faults.raw.has_value());
        const CounterRow& table = find(all, "initiator", "/proc/interrupts:CAL");
        EXPECT_EQ(table.status, CounterStatus::not_scheduled) << "nobody was interrupted";
        EXPECT_THAT(table.reason, HasSubstr("interrupted"));
        // A context switch in the timed part is in a valid row of no thread.
        for (const char* const role : {"initiator", "responder"}) {
          const CounterRow& switches = find(all, role, "context-switches");
          if (switches.raw.value_or(0) != 0) {
            EXPECT_THAT(switches.invalid_reason, HasSubstr(" counted in the timed part"));
          }
        }
      }
    }
  });
}

// The kernel's own count of flushes: as many as the timed parts made, and none of those between
// them, which give access back and settle the backend.
TEST_F(CountedWalks, TheKernelCountsTheTimedFlushesAndNoOthers) {
  if (kAddressSanitizer || kThreadSanitizer) {
    GTEST_SKIP() << "sanitizers fault, and unmap shadows, by themselves";
  }
  place(1, ShootdownKind::munmap);
  count("tlb:tlb_flush/reason==1/,tlb:tlb_flush/reason==3/,tlb:tlb_flush/reason==4/,page-faults");
  on_initiator([&] {
    const MechanismFinding found =
        find_shootdown_mechanism(machine, placement.responders[0], clock);
    mechanism = found.mechanism;
    const auto measurement = prepare(30);
    ASSERT_NE(measurement, nullptr);
    auto results = measure(*measurement);
    ASSERT_THAT(results, SizeIs(2));
    for (std::size_t walk = 0; walk < 2; ++walk) {
      const auto all = counter_rows(*measurement, walk, &results[walk]);
      // Between flushes the ranges are mapped and touched again: that faults, and is not counted.
      const CounterRow& faults = find(all, "initiator", "page-faults");
      if (faults.raw) {
        EXPECT_EQ(faults.raw, results[walk].page_faults);
      }
      const CounterRow& own = find(all, "initiator", "tlb:tlb_flush/reason==3/");
      if (!own.raw) {
        GTEST_SKIP() << "tracepoints cannot be counted here: " << own.reason;
      }
      if (mechanism == ShootdownMechanism::broadcast) {
        GTEST_SKIP() << "the kernel does not trace what the hardware broadcasts";
      }
      const std::uint64_t calls = 30 * results[walk].calls;
      // What is done between the flushes would double them. A few more may be the kernel's own
      // doing in this process: it looks which pages were accessed, or reclaims.
      EXPECT_GE(own.raw, calls);
      EXPECT_LE(own.raw, calls + calls / 5);
      const std::uint64_t received = find(all, "responder", "tlb:tlb_flush/reason==1/").raw.value();
      EXPECT_LE(received, calls);
      if (mechanism == ShootdownMechanism::ipi && own.invalid_reason.empty()) {
        EXPECT_GE(received, own.shootdowns_proven);
        EXPECT_GE(find(all, "initiator", "tlb:tlb_flush/reason==4/").raw, calls);
      }
    }
  });
}

}  // namespace
}  // namespace flushwalk
