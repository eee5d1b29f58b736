// Holds the timed part to its promise: it allocates nothing, and it makes no system call but the
// flush's own (timed_part.h); the suite's code and the loop by hand alike.
#include "bench/flush_range/timed_ranges.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <string>
#include <vector>

#include "allocator/tests/memory_probe.h"
#include "bench/flush_range/by_hand.h"
#include "bench/flush_range/dirty_space.h"
#include "bench/flush_range/range_axes.h"
#include "bench/support/tests/timed_part.h"

namespace flushwalk {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ValuesIn;

constexpr RangeShape kShape{6, 8, 1024};

struct Subject {
  ShootdownKind kind;
  Gather gather;
  Code code;
};

// Every combination that makes sense.
std::vector<Subject> subjects() {
  std::vector<Subject> all;
  for (const ShootdownKind kind : kShootdownKinds) {
    for (const Gather gather : kGathers) {
      for (const Code code : kCodes) {
        if (why_senseless(gather, kind).empty() &&
            (code == Code::suite || why_not_by_hand(kind).empty())) {
          all.push_back({kind, gather, code});
        }
      }
    }
  }
  return all;
}

class TimedRanges : public ::testing::TestWithParam<Subject> {
 protected:
  void SetUp() override {
    const std::string reason = why_unsupported(GetParam().kind);
    if (!reason.empty()) {
      GTEST_SKIP() << reason;
    }
    std::string error;
    space = DirtySpace::build(kShape, GetParam().kind, is_array(GetParam().gather), &error);
    ASSERT_NE(space, nullptr) << error;
    working_set = WorkingSet::create(100, &error);
    ASSERT_NE(working_set, nullptr) << error;
    hand = std::make_unique<ByHand>(GetParam().kind, space->arena());
    plan = std::make_unique<FlushPlan>(space->plan(GetParam().gather));
    // The first flushes, which make a backend's book-keeping grow.
    for (int i = 0; i < 2; ++i) {
      ASSERT_EQ(flush(), 0);
      give_back();
    }
  }

  int flush(Shootdown* other = nullptr) {
    int error = 0;
    const Clock clock(ClockDescription{.source = counter::kSource});
    const auto timed = [&](auto& flusher) {
      times = timed_ranges(clock, flusher, plan->ranges(), *working_set, &error);
    };
    if (other != nullptr) {
      timed(*other);
    } else if (GetParam().code == Code::by_hand) {
      timed(*hand);
    } else {
      timed(space->shootdown());
    }
    return error;
  }
  void give_back() {
    if (GetParam().code == Code::by_hand) {
      ASSERT_EQ(hand->restore(plan->ranges()), 0);
    } else if (revokes(GetParam().kind)) {
      for (const Range& range : plan->ranges()) {
        ASSERT_EQ(space->shootdown().map(range), 0);
      }
    }
    space->touch();
  }

  std::unique_ptr<DirtySpace> space;
  std::unique_ptr<WorkingSet> working_set;
  std::unique_ptr<ByHand> hand;
  std::unique_ptr<FlushPlan> plan;
  RangeTimes times{};
};

TEST_P(TimedRanges, AscendsAndCountsTheCalls) {
  const std::uint64_t before = space->shootdown().calls();
  ASSERT_EQ(flush(), 0);
  EXPECT_LE(times.begin, times.flushed);
  EXPECT_LT(times.flushed, times.read);
  EXPECT_LT(times.read, times.again);
  const std::uint64_t ranges = plan->ranges().size();
  EXPECT_EQ(ranges, is_array(GetParam().gather) ? kShape.ranges : 1U);
  EXPECT_EQ(space->shootdown().calls() - before,
            GetParam().code == Code::by_hand ? 0 : expected_calls(GetParam().kind, ranges));
}

TEST_P(TimedRanges, AllocatesNothing) {
  if (kSanitized) {
    GTEST_SKIP() << "sanitizers allocate";
  }
  for (int i = 0; i < 20; ++i) {
    const std::size_t before = allocations();
    ASSERT_EQ(flush(), 0);
    ASSERT_EQ(allocations(), before) << "flush " << i;
    give_back();
  }
  Misbehaving misbehaving(allocate_malloc);
  const std::size_t before = allocations();
  ASSERT_EQ(flush(&misbehaving), 0);
  EXPECT_EQ(allocations(), before + 1) << "one would not be seen";
}

TEST_P(TimedRanges, MakesTheFlushsOwnSystemCallsAlone) {
  if (kSanitized) {
    GTEST_SKIP() << "sanitizers make system calls of their own";
  }
  const int status = run_under_filter(GetParam().kind, [&] { return flush() == 0 ? 0 : 1; });
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNoSeccomp) {
    GTEST_SKIP() << "this kernel or container has no seccomp filters";
  }
  ASSERT_FALSE(WIFSIGNALED(status)) << "killed by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  Misbehaving misbehaving(ask_for_the_process);
  const int other = run_under_filter(GetParam().kind, [&] { return flush(&misbehaving); });
  ASSERT_TRUE(WIFSIGNALED(other)) << "any other one would not be seen";
  EXPECT_EQ(WTERMSIG(other), SIGSYS);
}

// What a flush does to each range, its neighbour and the gap behind it.
TEST_P(TimedRanges, TheLoopByHandDoesWhatTheSuiteDoes) {
  const auto look = [&] {
    std::vector<std::string> seen;
    const FlushPlan runs = space->plan(Gather::runs);
    for (const Range& range : runs.ranges()) {
      for (const Address at : {range.start, range.end - 1, range.end}) {
        seen.push_back(permissions(at));
      }
    }
    return seen;
  };
  const std::vector<std::string> untouched = look();
  ASSERT_EQ(space->shootdown().settle(), 0);
  ASSERT_EQ(hand->settle(plan->ranges()), 0);
  ASSERT_EQ(flush(), 0);
  const std::vector<std::string> seen = look();
  const ShootdownKind kind = GetParam().kind;
  const bool range = is_array(GetParam().gather);
  const std::string flushed = kind == ShootdownKind::mprotect_range ? "rwxs"
                              : kind == ShootdownKind::mprotect     ? "---s"
                              : kind == ShootdownKind::munmap       ? ""
                                                                    : untouched[0];
  EXPECT_EQ(seen[0], flushed);
  EXPECT_EQ(seen[1], flushed);
  EXPECT_EQ(seen[2], range ? untouched[2] : flushed) << "the gap";
  EXPECT_EQ(seen[seen.size() - 2], flushed) << "the last page";
  give_back();
  ASSERT_EQ(space->shootdown().settle(), 0);
  ASSERT_EQ(hand->settle(plan->ranges()), 0);
  EXPECT_EQ(look(), untouched);
}

std::string subject_name(const ::testing::TestParamInfo<Subject>& test) {
  return fmt::format("{}_{}_{}", name_of(test.param.kind), name_of(test.param.gather),
                     name_of(test.param.code));
}

INSTANTIATE_TEST_SUITE_P(All, TimedRanges, ValuesIn(subjects()), subject_name);

TEST(DirtySpacePages, OfWhatIsFlushedAsOneTheFirstAndTheLastIsTouched) {
  std::string error;
  const RangeShape shape{3, 8, 1024};
  const auto hull = DirtySpace::build(shape, ShootdownKind::mprotect_range, false, &error);
  ASSERT_NE(hull, nullptr) << error;
  const std::vector<Range> ranges = lay_out(shape, hull->arena().base());
  EXPECT_THAT(std::vector(hull->touched_pages().begin(), hull->touched_pages().end()),
              ElementsAre(ranges[0].start, ranges[2].end - kPageSize));
  const auto array = DirtySpace::build(shape, ShootdownKind::mprotect_range, true, &error);
  ASSERT_NE(array, nullptr) << error;
  EXPECT_EQ(array->touched_pages().size(), 6U);
  const auto single = DirtySpace::build({3, 1, 1024}, ShootdownKind::noop, true, &error);
  ASSERT_NE(single, nullptr) << error;
  EXPECT_EQ(single->touched_pages().size(), 3U);
  EXPECT_THAT(map_detail(array->arena().base(), "Rss"), HasSubstr(" 24 kB")) << "and no other";
}

// Below the program, which a sanitizer's memory is too.
TEST(AddressSpace, AsMuchAsIsSaidToFitDoes) {
  if (kSanitized) {
    GTEST_SKIP() << "sanitizers take low addresses for themselves";
  }
  for (const Arena::Memory memory : {Arena::Memory::shared, Arena::Memory::anonymous}) {
    for (const unsigned count : {1U, 2U}) {
      std::vector<std::unique_ptr<Arena>> arenas;
      std::string error;
      for (unsigned i = 0; i < count; ++i) {
        arenas.push_back(
            Arena::create(Arena::most_bytes(count, memory), kPageSize, &error, memory));
        EXPECT_NE(arenas.back(), nullptr) << error;
      }
    }
  }
}

}  // namespace
}  // namespace flushwalk
