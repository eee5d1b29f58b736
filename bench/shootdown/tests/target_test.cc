// What each operation does to its pages, and that it is undone; and that the timed part is the
// operation alone (timed_part.h).
#include "bench/shootdown/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>

#include <memory>
#include <string>
#include <vector>

#include "allocator/tests/memory_probe.h"
#include "bench/shootdown/timed_operation.h"
#include "bench/support/tests/timed_part.h"

namespace flushwalk {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::ValuesIn;

constexpr unsigned kPages = 5;

long call_number(Operation operation) {
  switch (operation) {
    case Operation::membarrier:
      return SYS_membarrier;
    case Operation::noop:
    case Operation::none_to_rw:
    case Operation::mprotect_range:
    case Operation::mprotect:
      return SYS_mprotect;
    case Operation::munmap:
    case Operation::munmap_whole:
      return SYS_munmap;
    case Operation::mremap:
      return SYS_mremap;
    case Operation::cold_range:
    case Operation::guard:
    case Operation::dontneed:
    case Operation::dontneed_loop:
      return SYS_madvise;
    case Operation::dontneed_vectored:
      return SYS_process_madvise;
    case Operation::none:
      break;
  }
  return SYS_exit_group;  // which is allowed anyhow
}

bool takes_data(Operation operation) {
  return operation == Operation::dontneed || operation == Operation::dontneed_loop ||
         operation == Operation::dontneed_vectored;
}

// Permissions of the first page after the operation; of what is moved, of the place it left.
std::string permissions_after(Operation operation) {
  switch (operation) {
    case Operation::mprotect:
      return "---p";
    case Operation::mprotect_range:
      return "rwxp";
    case Operation::munmap:
    case Operation::munmap_whole:
    case Operation::mremap:
      return "";
    default:
      return "rw-p";
  }
}

class Targets : public ::testing::TestWithParam<Operation> {
 protected:
  void SetUp() override {
    if (const std::string reason = why_unsupported(GetParam()); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
  }
  std::unique_ptr<Target> build(bool touched, unsigned pages = kPages) {
    std::string error;
    auto target = Target::build({GetParam(), pages, PageSize::small, touched}, &error);
    EXPECT_NE(target, nullptr) << error;
    return target;
  }
};

TEST_P(Targets, AnOperationDoesWhatItsNameSaysAndIsUndone) {
  const auto target = build(true);
  ASSERT_NE(target, nullptr);
  const Address step = takes_every_other_page(GetParam()) ? 2 * kPageSize : kPageSize;
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(target->make_ready(), 0) << i;
    const Range pages = target->pages();
    ASSERT_EQ(pages.pages(), takes_every_other_page(GetParam()) ? 2 * kPages - 1 : kPages);
    EXPECT_EQ(read_byte(pages.start), GetParam() == Operation::none_to_rw ? -EFAULT : 1);
    ASSERT_EQ(target->operate(), 0) << i;
    const bool executable = GetParam() == Operation::mprotect_range && i % 2 == 1;
    EXPECT_EQ(permissions(pages.start), executable ? "rw-p" : permissions_after(GetParam()));
    EXPECT_EQ(permissions(pages.end - 1), permissions(pages.start));
    for (Address page = pages.start; takes_data(GetParam()) && page < pages.end; page += step) {
      EXPECT_EQ(read_byte(page), 0) << "its data is gone";
    }
    if (GetParam() == Operation::guard) {
      EXPECT_EQ(read_byte(pages.start), -EFAULT);
    } else if (GetParam() == Operation::mremap) {
      EXPECT_NE(target->pages(), pages);
      EXPECT_EQ(read_byte(target->pages().end - kPageSize), 1) << "moved, with its data";
    }
  }
}

// munmap_whole and mremap have nothing beside them that could be joined with them.
TEST_P(Targets, APartHasAPageBeforeItAndOneAfterItThatStay) {
  const auto target = build(true);
  ASSERT_NE(target, nullptr);
  const bool whole = GetParam() == Operation::munmap_whole || GetParam() == Operation::mremap;
  ASSERT_EQ(target->make_ready(), 0);
  const Range pages = target->pages();
  ASSERT_EQ(target->operate(), 0);
  for (const Address beside : {pages.start - kPageSize, pages.end}) {
    EXPECT_EQ(permissions(beside), whole ? "---p" : "rw-p");
  }
}

TEST_P(Targets, WhatIsUntouchedStaysUntouched) {
  const auto target = build(false);
  ASSERT_NE(target, nullptr);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(target->make_ready(), 0);
    EXPECT_THAT(map_detail(target->pages().start, "Rss"), HasSubstr(" 0 kB")) << i;
    ASSERT_EQ(target->operate(), 0);
  }
}

TEST_P(Targets, NameThePagesThatTheyTouch) {
  const auto target = build(true);
  ASSERT_NE(target, nullptr);
  ASSERT_EQ(target->make_ready(), 0);
  const std::vector<Address> pages = target->page_addresses();
  ASSERT_THAT(pages, SizeIs(kPages));
  EXPECT_EQ(pages.front(), target->pages().start);
  EXPECT_EQ(pages.back(), target->pages().end - kPageSize);
  const Address step = takes_every_other_page(GetParam()) ? 2 * kPageSize : kPageSize;
  EXPECT_EQ(pages[1] - pages[0], step);
  EXPECT_THAT(build(false)->page_addresses(), IsEmpty());
}

TEST_P(Targets, TwiceReadyIsOnceReady) {
  const auto target = build(true);
  ASSERT_NE(target, nullptr);
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(target->make_ready(), 0);
    ASSERT_EQ(target->make_ready(), 0);
    ASSERT_EQ(target->operate(), 0);
  }
}

TEST_P(Targets, TellTheirCalls) {
  EXPECT_EQ(build(true)->calls(), GetParam() == Operation::none            ? 0U
                                  : GetParam() == Operation::dontneed_loop ? kPages
                                                                           : 1U);
}

struct Allocating {
  int operate() {
    allocate_malloc();
    return 0;
  }
};

struct Asking {
  int operate() {
    ask_for_the_process();
    return 0;
  }
};

TEST_P(Targets, TheTimedPartIsTheOperationAlone) {
  if (kSanitized) {
    GTEST_SKIP() << "sanitizers allocate and make system calls of their own";
  }
  const Clock clock(ClockDescription{.source = counter::kSource});
  const auto target = build(true, kMostTargetPages);
  ASSERT_NE(target, nullptr);
  int failed = 0;
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(target->make_ready(), 0);
    const std::size_t before = allocations();
    const OperationTimes times = timed_operation(clock, *target, &failed);
    EXPECT_EQ(allocations(), before);
    ASSERT_EQ(failed, 0);
    EXPECT_LE(times.begin, times.end);
  }
  Allocating allocating;
  const std::size_t before = allocations();
  timed_operation(clock, allocating, &failed);
  EXPECT_EQ(allocations(), before + 1) << "one would not be seen";
  ASSERT_EQ(target->make_ready(), 0);
  const SystemCall allowed{call_number(GetParam())};
  const int status = run_under_filter(allowed, [&] {
    timed_operation(clock, *target, &failed);
    return failed == 0 ? 0 : 1;
  });
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNoSeccomp) {
    GTEST_SKIP() << "this kernel or container has no seccomp filters";
  }
  ASSERT_FALSE(WIFSIGNALED(status)) << "killed by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  Asking asking;
  const int other = run_under_filter(allowed, [&] {
    timed_operation(clock, asking, &failed);
    return 0;
  });
  ASSERT_TRUE(WIFSIGNALED(other)) << "any other one would not be seen";
  EXPECT_EQ(WTERMSIG(other), SIGSYS);
}

INSTANTIATE_TEST_SUITE_P(All, Targets, ValuesIn(kOperations),
                         [](const auto& test) { return std::string(name_of(test.param)); });

// None are asked for, and the kernel gives none without asking.
TEST(HugePages, AreSeenToBeHuge) {
  if (const std::string reason = why_unsupported(PageSize::huge); !reason.empty()) {
    GTEST_SKIP() << reason;
  }
  std::string error;
  const auto target = Target::build({Operation::mprotect, 2, PageSize::huge, true}, &error);
  if (target == nullptr) {
    GTEST_SKIP() << error;  // none are left
  }
  EXPECT_EQ(target->why_not_huge(), "");
  ASSERT_EQ(target->make_ready(), 0);
  const Range pages = target->pages();
  EXPECT_EQ(pages.end - pages.start, Address{4} << 20);
  EXPECT_EQ(madvise(reinterpret_cast<void*>(pages.start), kPageSize, MADV_DONTNEED), 0);
  EXPECT_THAT(target->why_not_huge(), HasSubstr("1 of 2 pages became huge"));
}

}  // namespace
}  // namespace flushwalk
