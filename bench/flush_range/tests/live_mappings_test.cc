// What a hull promises to those who flushed nothing: live pages under it stay as they are, and its
// length costs no memory.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "allocator/tests/memory_probe.h"
#include "allocator/tests/sanitizers.h"
#include "bench/flush_range/dirty_space.h"
#include "bench/support/kernel_tables.h"

namespace flushwalk {
namespace {

using ::testing::HasSubstr;
using ::testing::Values;

constexpr int kFlushes = 2000;
constexpr std::size_t kLivePages = 16;

// A responder's own pages: it counts in each, and finds there what it has left.
class LivePages {
 public:
  explicit LivePages(Address first) : first_(first) {
    for (std::size_t i = 0; i < kLivePages; ++i) {
      *word(i) = 0;
    }
  }

  void count_until(const std::atomic<bool>& stop) {
    while (!stop.load(std::memory_order_relaxed)) {
      for (std::size_t i = 0; i < kLivePages; ++i) {
        lost_ += *word(i) == written_[i] ? 0U : 1U;
        *word(i) = ++written_[i];
      }
      turns_.fetch_add(1, std::memory_order_relaxed);
    }
  }

  std::uint64_t turns() const { return turns_.load(std::memory_order_relaxed); }
  std::uint64_t lost() const { return lost_; }
  bool as_written() const {
    for (std::size_t i = 0; i < kLivePages; ++i) {
      if (*word(i) != written_[i]) {
        return false;
      }
    }
    return true;
  }

 private:
  volatile std::uint64_t* word(std::size_t page) const {
    return reinterpret_cast<volatile std::uint64_t*>(first_ + page * kPageSize);
  }

  Address first_;
  std::array<std::uint64_t, kLivePages> written_{};
  std::atomic<std::uint64_t> turns_{0};
  std::uint64_t lost_ = 0;
};

class LiveMappings : public ::testing::TestWithParam<ShootdownKind> {
 protected:
  void SetUp() override {
    if (const std::string reason = why_unsupported(GetParam()); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
  }

  std::unique_ptr<DirtySpace> space_with_gap(std::uint64_t gap_pages) {
    std::string error;
    auto space = DirtySpace::build({2, 8, gap_pages}, GetParam(), false, &error);
    EXPECT_NE(space, nullptr) << error;
    return space;
  }
  static void flush_often(DirtySpace* space, int flushes) {
    const FlushPlan hull = space->plan(Gather::hull);
    for (int i = 0; i < flushes; ++i) {
      space->touch();
      ASSERT_EQ(space->shootdown().flush(hull.ranges()), 0);
    }
  }
};

// A fault would be a signal, and the end of this program. (The kernel clears a page table entry
// while it changes it: an access in that moment may enter the kernel, which finds the page again.
// Seen once in ten runs of this test; the thread notices nothing.)
TEST_P(LiveMappings, UnderAHullKeepWhatIsWrittenToThemAndDoNotFault) {
  const auto space = space_with_gap(1024);
  ASSERT_NE(space, nullptr);
  // In the gap: inside of the hull, and in no dirty range.
  const Range first = space->plan(Gather::runs).ranges().front();
  LivePages live(first.end + 4 * kPageSize);
  std::atomic<bool> stop{false};
  std::thread responder([&] { live.count_until(stop); });
  while (live.turns() == 0) {
    std::this_thread::yield();
  }
  flush_often(space.get(), kFlushes);
  stop = true;
  responder.join();
  EXPECT_EQ(live.lost(), 0U) << "of " << live.turns() << " turns";
  EXPECT_TRUE(live.as_written());
}

// In bytes, or -1.
std::int64_t status_value(const std::string& key) {
  const auto text = read_kernel_file("/proc/self/status");
  const auto value = text ? keyed_value(*text, key) : std::nullopt;
  return value ? std::stoll(*value) * 1024 : -1;
}

struct Memory {
  std::int64_t resident;
  std::int64_t page_tables;
  std::string of_the_arena;
};

TEST_P(LiveMappings, AHullOf255GiBNeedsNoMoreMemoryThanASmallOne) {
  if (kThreadSanitizer) {
    GTEST_SKIP() << "ThreadSanitizer leaves no room for it";
  }
  const auto memory_with_gap = [&](std::uint64_t gap_pages) {
    const auto space = space_with_gap(gap_pages);
    if (space == nullptr) {
      return Memory{-1, -1, ""};
    }
    flush_often(space.get(), 20);
    return Memory{status_value("VmRSS"), status_value("VmPTE"),
                  map_detail(space->arena().base(), "Rss")};
  };
  memory_with_gap(1024);  // what the first of all grows
  const Memory small = memory_with_gap(1024);
  const Memory wide = memory_with_gap(std::uint64_t{255} << 18);
  ASSERT_GT(small.page_tables, 0);
  EXPECT_THAT(small.of_the_arena, HasSubstr(" 8 kB")) << "the hull's first and last page";
  EXPECT_EQ(wide.of_the_arena, small.of_the_arena);
  // The hull's ends are under one entry of the third level, or under two: one page table more of
  // the second level, and of the third where the hull crosses 512 GiB. The rest is the heap's,
  // which may grow meanwhile, a sanitizer's most of all.
  EXPECT_LE(wide.page_tables, small.page_tables + 8 * static_cast<std::int64_t>(kPageSize));
  // The kernel sums what is resident from counters of its CPUs, and each may lag by 64 pages or so;
  // a hull whose pages were there would be 255 GiB, its page tables alone 510 MiB.
  EXPECT_LE(wide.resident, small.resident + 1024 * static_cast<std::int64_t>(kPageSize));
}

INSTANTIATE_TEST_SUITE_P(RangeBackends, LiveMappings,
                         Values(ShootdownKind::mprotect_range, ShootdownKind::cold_range),
                         [](const auto& test) { return std::string(name_of(test.param)); });

}  // namespace
}  // namespace flushwalk
