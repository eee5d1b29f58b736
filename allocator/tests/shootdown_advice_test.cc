// The backends that are no call a range, or no change of permissions: cold_range, guard, dontneed,
// membarrier, and the vectored advice that two of them share.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "allocator/tests/memory_probe.h"
#include "allocator/vectored_advice.h"

namespace flushwalk {
namespace {

class ColdRangeTest : public ArenaTest {
 protected:
  // Pages of the arena's mapping whose accessed bit is set.
  std::uint64_t referenced_pages() const {
    return std::strtoull(map_detail(at(0), "Referenced").c_str(), nullptr, 10) / (kPageSize >> 10);
  }
  void touch(std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t page = from; page < to; ++page) {
      *Arena::at(at(page)) = mark(page);
    }
  }
};

TEST_F(ColdRangeTest, MakesEveryRangeUntouchedAndNothingElse) {
  touch(0, kPages);
  if (referenced_pages() != kPages) {
    GTEST_SKIP() << "/proc/self/smaps does not tell what was touched";
  }
  const auto cold = make_shootdown(ShootdownKind::cold_range, arena.get());
  const std::size_t mappings = maps().size();
  EXPECT_EQ(flush(*cold, {pages(4, 20), pages(30, 31)}), 0);
  EXPECT_EQ(cold->calls(), 2U);
  EXPECT_EQ(referenced_pages(), kPages - 17);
  touch(5, 6);
  EXPECT_EQ(referenced_pages(), kPages - 16) << "a page that is touched again";
  EXPECT_EQ(flush(*cold, {arena->range()}), 0);
  EXPECT_EQ(referenced_pages(), 0U);
  EXPECT_EQ(maps().size(), mappings);
  EXPECT_EQ(permissions(at(4)), "rw-s");
  EXPECT_EQ(cold->map(pages(4, 20)), 0);
  EXPECT_EQ(cold->settle(), 0);
  EXPECT_EQ(cold->calls(), 3U);
  expect_revoked({}, true);
}

TEST_F(ColdRangeTest, AFailingCallEndsTheFlush) {
  touch(0, kPages);
  const std::uint64_t before = referenced_pages();
  const auto cold = make_shootdown(ShootdownKind::cold_range, arena.get());
  EXPECT_EQ(flush(*cold, {pages(0, 1), {kPageSize, 2 * kPageSize}, pages(2, 3)}), ENOMEM);
  EXPECT_EQ(cold->calls(), 2U);
  EXPECT_EQ(referenced_pages(), before == 0 ? 0 : before - 1);
}

class GuardTest : public ArenaTest {
 protected:
  void SetUp() override {
    if (const std::string reason = why_unsupported(ShootdownKind::guard); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
    ArenaTest::SetUp();
  }
};

TEST_F(GuardTest, SplitsNoMapping) {
  const auto guard = make_shootdown(ShootdownKind::guard, arena.get());
  const std::size_t mappings = maps().size();
  std::vector<Range> odd;
  std::vector<std::uint64_t> revoked;
  for (std::uint64_t page = 1; page < kPages; page += 2) {
    odd.push_back(pages(page, page + 1));
    revoked.push_back(page);
  }
  EXPECT_EQ(guard->flush(odd), 0);
  EXPECT_EQ(guard->calls(), expected_calls(ShootdownKind::guard, odd.size()));
  expect_revoked(revoked, true);
  EXPECT_EQ(maps().size(), mappings);
  EXPECT_EQ(permissions(at(1)), "rw-s");
}

// Both flush over guards, as another allocation's flush may: what is revoked stays so.
TEST_F(GuardTest, ARangeFlushLeavesThem) {
  const auto guard = make_shootdown(ShootdownKind::guard, arena.get());
  EXPECT_EQ(flush(*guard, {pages(7, 9)}), 0);
  for (const ShootdownKind kind : {ShootdownKind::mprotect_range, ShootdownKind::cold_range}) {
    EXPECT_EQ(flush(*make_shootdown(kind, arena.get()), {arena->range()}), 0);
    expect_revoked({7, 8}, true);
  }
}

TEST_F(GuardTest, AFailingRangeEndsTheFlushWithItsErrno) {
  const auto guard = make_shootdown(ShootdownKind::guard, arena.get());
  const Range nowhere{kPageSize, 2 * kPageSize};
  EXPECT_EQ(flush(*guard, {pages(0, 1), nowhere, pages(2, 3)}), ENOMEM);
  expect_revoked({0}, true);
  EXPECT_EQ(guard->calls(), 2U) << "one did as much as it could, the other tells why";
  EXPECT_EQ(guard->map(nowhere), ENOMEM);
  EXPECT_EQ(guard->map(arena->range()), 0);
  expect_revoked({}, true);
}

class DontneedTest : public ArenaTest {
 protected:
  void SetUp() override { make_arena(Arena::Memory::anonymous); }
};

TEST_F(DontneedTest, DropsTheDataOfExactlyTheRangesAndLeavesAccess) {
  const auto dontneed = make_shootdown(ShootdownKind::dontneed, arena.get());
  const std::size_t mappings = maps().size();
  EXPECT_EQ(flush(*dontneed, {pages(2, 4), pages(10, 11)}), 0);
  EXPECT_EQ(dontneed->calls(), expected_calls(ShootdownKind::dontneed, 2));
  for (std::uint64_t page = 0; page < kPages; ++page) {
    const bool dropped = page == 2 || page == 3 || page == 10;
    EXPECT_EQ(read_byte(at(page)), dropped ? 0 : mark(page)) << "page " << page;
  }
  EXPECT_EQ(dontneed->map(pages(2, 4)), 0);
  EXPECT_EQ(dontneed->settle(), 0);
  EXPECT_EQ(dontneed->calls(), expected_calls(ShootdownKind::dontneed, 2));
  EXPECT_EQ(write_byte(at(2), 1), 0);
  EXPECT_EQ(read_byte(at(2)), 1);
  EXPECT_EQ(maps().size(), mappings);
}

// What a call does at most, to the page.
TEST(VectoredAdviceTest, MakesACallForEach1024Ranges) {
  constexpr std::uint64_t kPages = 2 * 2050;
  std::string error;
  const auto arena = Arena::create(kPages * kPageSize, kPageSize, &error, Arena::Memory::anonymous);
  ASSERT_NE(arena, nullptr) << error;
  for (const std::size_t count : {1U, 1023U, 1024U, 1025U, 2048U, 2049U}) {
    std::vector<Range> ranges;
    for (std::uint64_t page = 0; page < kPages; ++page) {
      *Arena::at(arena->base() + page * kPageSize) = 1;
      if (page % 2 == 0 && ranges.size() < count) {
        const Address start = arena->base() + page * kPageSize;
        ranges.push_back({start, start + kPageSize});
      }
    }
    const auto dontneed = make_shootdown(ShootdownKind::dontneed, arena.get());
    ASSERT_EQ(dontneed->flush(ranges), 0);
    EXPECT_EQ(dontneed->calls(), expected_calls(ShootdownKind::dontneed, count)) << count;
    for (std::uint64_t page = 0; page < kPages; ++page) {
      const bool dropped = page % 2 == 0 && page / 2 < count;
      ASSERT_EQ(*Arena::at(arena->base() + page * kPageSize), dropped ? 0 : 1)
          << count << " ranges, page " << page;
    }
  }
}

TEST(VectoredAdviceTest, OfNoRangesMakesNoCall) {
  std::uint64_t calls = 0;
  EXPECT_EQ(VectoredAdvice(kAdviceDontneed)({}, &calls), 0);
  EXPECT_EQ(calls, 0U);
}

// The kernel cuts a call off at 2 GiB, in the middle of a range if need be.
TEST(VectoredAdviceTest, GoesOnWhereTheKernelCutsACallOff) {
  constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
  std::string error;
  const auto arena = Arena::create(8 * kGiB, kGiB, &error, Arena::Memory::anonymous);
  if (arena == nullptr) {
    GTEST_SKIP() << error;
  }
  const auto at = [&](std::uint64_t gib) { return arena->base() + gib * kGiB; };
  const std::vector<Range> ranges = {{at(0), at(1)}, {at(2), at(5)}, {at(6), at(6) + kPageSize}};
  const std::vector<Address> dropped = {at(0), at(1) - 1, at(2), at(4), at(5) - 1, at(6)};
  const std::vector<Address> kept = {at(1), at(2) - 1, at(5), at(6) - 1, at(6) + kPageSize};
  for (const Address address : dropped) {
    *Arena::at(address) = 1;
  }
  for (const Address address : kept) {
    *Arena::at(address) = 1;
  }
  const auto dontneed = make_shootdown(ShootdownKind::dontneed, arena.get());
  ASSERT_EQ(dontneed->flush(ranges), 0);
  for (const Address address : dropped) {
    EXPECT_EQ(*Arena::at(address), 0) << std::hex << address - arena->base();
  }
  for (const Address address : kept) {
    EXPECT_EQ(*Arena::at(address), 1) << std::hex << address - arena->base();
  }
  EXPECT_LE(dontneed->calls(), 3U);
}

using MembarrierTest = ArenaTest;

TEST_F(MembarrierTest, IsOneCallAFlushWhateverTheRanges) {
  const auto membarrier = make_shootdown(ShootdownKind::membarrier, arena.get());
  EXPECT_EQ(flush(*membarrier, {}), 0);
  EXPECT_EQ(membarrier->calls(), 0U) << "nothing is to be flushed";
  EXPECT_EQ(flush(*membarrier, {pages(0, 8)}), 0);
  EXPECT_EQ(membarrier->calls(), 1U);
  EXPECT_EQ(flush(*membarrier, {pages(0, 1), pages(3, 4), pages(9, 30)}), 0);
  EXPECT_EQ(membarrier->calls(), 2U);
  EXPECT_EQ(membarrier->map(pages(0, 8)), 0);
  EXPECT_EQ(membarrier->calls(), 2U);
  EXPECT_EQ(permissions(at(0)), "rw-s");
  expect_revoked({}, true);
}

}  // namespace
}  // namespace flushwalk
