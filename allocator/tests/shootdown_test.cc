// The arena and the backends on real memory. Accesses go through process_vm_readv and _writev on
// the process itself, which answer EFAULT where a load or store would be a SIGSEGV.
#include "allocator/shootdown.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "allocator/arena.h"
#include "allocator/tests/sanitizers.h"

namespace flushwalk {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

Address address_of(volatile std::uint8_t* pointer) { return reinterpret_cast<Address>(pointer); }

// The byte at an address, or -errno.
int read_byte(Address address) {
  std::uint8_t byte = 0;
  iovec local{&byte, 1};
  iovec remote{reinterpret_cast<void*>(address), 1};
  return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1 ? byte : -errno;
}

int write_byte(Address address, std::uint8_t byte) {
  iovec local{&byte, 1};
  iovec remote{reinterpret_cast<void*>(address), 1};
  return process_vm_writev(getpid(), &local, 1, &remote, 1, 0) == 1 ? 0 : -errno;
}

// Whether a VMA is there at all: tells SEGV_ACCERR (yes) from SEGV_MAPERR (no).
bool is_mapped(Address address) {
  return msync(reinterpret_cast<void*>(address), kPageSize, MS_ASYNC) == 0;
}

std::vector<std::string> maps() {
  std::ifstream in("/proc/self/maps");
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  return lines;
}

// "rw-s" and the like; empty in a hole.
std::string permissions(Address address) {
  for (const std::string& line : maps()) {
    unsigned long start = 0;
    unsigned long end = 0;
    char bits[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &start, &end, bits) == 3 && start <= address &&
        address < end) {
      return bits;
    }
  }
  return {};
}

class ArenaTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kPages = 64;

  void SetUp() override {
    std::string error;
    arena = Arena::create(kPages * kPageSize, kPages * kPageSize, &error);
    ASSERT_NE(arena, nullptr) << error;
    if (const int got = read_byte(arena->base()); got == -EPERM || got == -ENOSYS) {
      GTEST_SKIP() << "process_vm_readv: " << std::strerror(-got);
    }
    for (std::uint64_t page = 0; page < kPages; ++page) {
      ASSERT_EQ(write_byte(at(page), mark(page)), 0);
    }
  }
  Address at(std::uint64_t page) const { return arena->base() + page * kPageSize; }
  Range pages(std::uint64_t from, std::uint64_t to) const { return {at(from), at(to)}; }
  static std::uint8_t mark(std::uint64_t page) { return static_cast<std::uint8_t>(page + 100); }

  // Exactly the pages of `revoked` fault; the others still hold what was written.
  void expect_revoked(const std::vector<std::uint64_t>& revoked, bool still_mapped) {
    for (std::uint64_t page = 0; page < kPages; ++page) {
      const bool faults = std::find(revoked.begin(), revoked.end(), page) != revoked.end();
      EXPECT_EQ(read_byte(at(page)), faults ? -EFAULT : mark(page)) << "page " << page;
      EXPECT_EQ(is_mapped(at(page)), !faults || still_mapped) << "page " << page;
    }
  }
  static int flush(Shootdown& shootdown, std::vector<Range> ranges) {
    return shootdown.flush(ranges);
  }

  std::unique_ptr<Arena> arena;
};

TEST_F(ArenaTest, TheNextOwnerSeesTheSameFrames) {
  EXPECT_EQ(arena->base() % (kPages * kPageSize), 0U);
  EXPECT_EQ(arena->bytes(), kPages * kPageSize);
  EXPECT_EQ(arena->range(), pages(0, kPages));
  for (const std::uint64_t page : {std::uint64_t{0}, std::uint64_t{5}, kPages - 1}) {
    const Address owner = address_of(arena->next_owner(at(page) + 7));
    EXPECT_FALSE(owner >= arena->base() && owner < arena->range().end);
    ASSERT_EQ(write_byte(owner, 42), 0);
    EXPECT_EQ(read_byte(at(page) + 7), 42);
    ASSERT_EQ(write_byte(at(page) + 7, 43), 0);
    EXPECT_EQ(read_byte(owner), 43);
  }
  EXPECT_EQ(address_of(Arena::at(at(3))), at(3));
  EXPECT_EQ(permissions(arena->base()), "rw-s");
}

TEST_F(ArenaTest, MapsAHoleAgainAndNothingElse) {
  EXPECT_EQ(arena->map_again(pages(3, 4)), EEXIST) << "it is there";
  ASSERT_EQ(munmap(reinterpret_cast<void*>(at(3)), kPageSize), 0);
  EXPECT_EQ(arena->map_again(pages(3, 5)), EEXIST) << "partly there";
  EXPECT_EQ(arena->map_again(pages(3, 4)), 0);
  EXPECT_EQ(read_byte(at(3)), mark(3)) << "the same frame as before";
}

TEST_F(ArenaTest, SeveralArenasDoNotOverlap) {
  std::string error;
  const auto other = Arena::create(kPageSize, kPageSize, &error);
  ASSERT_NE(other, nullptr) << error;
  EXPECT_EQ(write_byte(other->base(), 1), 0);
  EXPECT_EQ(read_byte(arena->base()), mark(0));
  EXPECT_TRUE(other->range().end <= arena->base() || other->base() >= arena->range().end);
}

TEST(ArenaSizes, HugeAndSparseCostsNothing) {
  if (kThreadSanitizer) {
    GTEST_SKIP() << "ThreadSanitizer leaves no room for it";
  }
  std::string error;
  const auto arena = Arena::create(std::uint64_t{1} << 40, std::uint64_t{1} << 22, &error);
  if (arena == nullptr) {
    GTEST_SKIP() << error;
  }
  EXPECT_EQ(write_byte(arena->range().end - 1, 9), 0);
  EXPECT_EQ(read_byte(address_of(arena->next_owner(arena->range().end - 1))), 9);
}

TEST(ArenaSizes, LessThanAPageIsAPage) {
  std::string error;
  const auto arena = Arena::create(100, kPageSize, &error);
  ASSERT_NE(arena, nullptr) << error;
  EXPECT_EQ(write_byte(arena->base() + 99, 1), 0);
  EXPECT_EQ(read_byte(address_of(arena->next_owner(arena->base() + 99))), 1);
  const Address base = arena->base();
  EXPECT_TRUE(is_mapped(base));
}

TEST(ArenaLife, TheDestructorUnmapsBothViews) {
  std::string error;
  auto arena = Arena::create(4 * kPageSize, kPageSize, &error);
  ASSERT_NE(arena, nullptr) << error;
  const Address base = arena->base();
  const Address owner = address_of(arena->next_owner(base));
  arena.reset();
  EXPECT_FALSE(is_mapped(base));
  EXPECT_FALSE(is_mapped(owner));
}

TEST(ArenaErrors, EachSaysHowMuchWasWantedAndWhatFailed) {
  std::string error;
  EXPECT_EQ(Arena::create(0, kPageSize, &error), nullptr);
  EXPECT_EQ(error, fmt::format("arena of 0 MiB: mmap: {}", std::strerror(EINVAL)));
  EXPECT_EQ(Arena::create(std::uint64_t{1} << 60, kPageSize, &error), nullptr);
  EXPECT_THAT(error, StartsWith("arena of 1099511627776 MiB: "));
  EXPECT_EQ(Arena::create(kPageSize, Address{1} << 44, &error), nullptr);
  EXPECT_THAT(error, HasSubstr("alignment"));
}

TEST(ArenaErrors, AFileSizeLimitIsAnErrorAndNotASignal) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{1 << 20, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  std::string error;
  const auto arena = Arena::create(2 << 20, kPageSize, &error);
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(arena, nullptr);
  EXPECT_EQ(error,
            fmt::format("arena of 2 MiB: RLIMIT_FSIZE (ulimit -f): {}", std::strerror(EFBIG)));
}

TEST(ShootdownKinds, SayWhatTheyAre) {
  struct Row {
    ShootdownKind kind;
    const char* name;
    bool revokes;
    bool interrupts;
    Gather gather;
  };
  const Row rows[] = {
      {ShootdownKind::none, "none", false, false, Gather::hull},
      {ShootdownKind::noop, "noop", false, false, Gather::hull},
      {ShootdownKind::mprotect_range, "mprotect_range", false, true, Gather::hull},
      {ShootdownKind::mprotect, "mprotect", true, true, Gather::runs},
      {ShootdownKind::munmap, "munmap", true, true, Gather::runs},
  };
  ASSERT_EQ(std::size(kShootdownKinds), std::size(rows));
  for (std::size_t i = 0; i < std::size(rows); ++i) {
    const Row& row = rows[i];
    EXPECT_EQ(kShootdownKinds[i], row.kind);
    EXPECT_EQ(name_of(row.kind), row.name);
    EXPECT_EQ(revokes(row.kind), row.revokes) << row.name;
    EXPECT_EQ(interrupts(row.kind), row.interrupts) << row.name;
    EXPECT_EQ(gather_for(row.kind), row.gather) << row.name;
    EXPECT_EQ(why_unsupported(row.kind), "") << row.name;
  }
}

using ShootdownTest = ArenaTest;

TEST_F(ShootdownTest, NoneMakesNoCall) {
  const auto none = make_shootdown(ShootdownKind::none, nullptr);
  EXPECT_EQ(flush(*none, {pages(0, 8)}), 0);
  EXPECT_EQ(none->map(pages(0, 8)), 0);
  EXPECT_EQ(none->calls(), 0U);
  expect_revoked({}, true);
}

TEST_F(ShootdownTest, NoopMakesOneCallARangeAndChangesNothing) {
  const auto noop = make_shootdown(ShootdownKind::noop, arena.get());
  EXPECT_EQ(flush(*noop, {pages(0, 8), pages(10, 12)}), 0);
  EXPECT_EQ(noop->calls(), 2U);
  EXPECT_EQ(noop->map(pages(0, 8)), 0);
  EXPECT_EQ(noop->calls(), 2U);
  EXPECT_EQ(permissions(at(0)), "rw-s");
  expect_revoked({}, true);
}

TEST_F(ShootdownTest, RangeTogglesExecAndNeverRevokes) {
  const auto range = make_shootdown(ShootdownKind::mprotect_range, arena.get());
  for (std::uint64_t round = 1; round <= 4; ++round) {
    EXPECT_EQ(flush(*range, {pages(4, 20)}), 0);
    EXPECT_EQ(range->calls(), round) << "one call each";
    EXPECT_EQ(permissions(at(4)), round % 2 == 1 ? "rwxs" : "rw-s");
    EXPECT_EQ(permissions(at(19)), permissions(at(4)));
    EXPECT_EQ(permissions(at(3)), "rw-s");
    EXPECT_EQ(permissions(at(20)), "rw-s");
    expect_revoked({}, true);
    EXPECT_EQ(write_byte(at(4), mark(4)), 0);
  }
  EXPECT_EQ(range->map(pages(4, 20)), 0);
  EXPECT_EQ(range->calls(), 4U);
}

// A call that leaves some page's permission as it was would not flush that page.
TEST_F(ShootdownTest, ARangeThatIsPartlyExecutableNeedsTwoCalls) {
  const auto range = make_shootdown(ShootdownKind::mprotect_range, arena.get());
  EXPECT_EQ(flush(*range, {pages(0, 4)}), 0);
  EXPECT_EQ(range->calls(), 1U);
  EXPECT_EQ(flush(*range, {pages(2, 6)}), 0);
  EXPECT_EQ(range->calls(), 3U);
  EXPECT_EQ(permissions(at(0)), "rwxs");
  EXPECT_EQ(permissions(at(1)), "rwxs");
  for (std::uint64_t page = 2; page < 6; ++page) {
    EXPECT_EQ(permissions(at(page)), "rw-s") << page;
  }
  EXPECT_EQ(flush(*range, {pages(0, 2)}), 0) << "all executable: one call takes it away";
  EXPECT_EQ(range->calls(), 4U);
  EXPECT_EQ(permissions(at(0)), "rw-s");
  EXPECT_EQ(flush(*range, {pages(0, 3), pages(3, 6)}), 0);
  EXPECT_EQ(range->calls(), 6U);
  EXPECT_EQ(flush(*range, {pages(0, 6)}), 0) << "two neighbours are one executable range";
  EXPECT_EQ(range->calls(), 7U);
  EXPECT_EQ(flush(*range, {pages(1, 2)}), 0);
  EXPECT_EQ(flush(*range, {pages(0, 3)}), 0) << "a hole in reverse";
  EXPECT_EQ(range->calls(), 10U);
  EXPECT_EQ(permissions(at(1)), "rw-s");
  expect_revoked({}, true);
}

// After it each range takes one call, whatever came before.
TEST_F(ShootdownTest, SettlingTakesEveryExecAway) {
  const auto range = make_shootdown(ShootdownKind::mprotect_range, arena.get());
  EXPECT_EQ(range->settle(), 0) << "nothing to do";
  EXPECT_EQ(flush(*range, {pages(0, 4), pages(10, 12)}), 0);
  EXPECT_EQ(permissions(at(11)), "rwxs");
  EXPECT_EQ(range->settle(), 0);
  EXPECT_EQ(permissions(at(0)), "rw-s");
  EXPECT_EQ(permissions(at(11)), "rw-s");
  EXPECT_EQ(range->calls(), 2U) << "it is no flush";
  EXPECT_EQ(flush(*range, {pages(2, 11)}), 0);
  EXPECT_EQ(range->calls(), 3U);
  EXPECT_EQ(permissions(at(2)), "rwxs");
  for (const ShootdownKind kind : {ShootdownKind::mprotect, ShootdownKind::munmap}) {
    const auto revoke = make_shootdown(kind, arena.get());
    EXPECT_EQ(flush(*revoke, {pages(20, 21)}), 0);
    EXPECT_EQ(revoke->settle(), 0);
    EXPECT_EQ(read_byte(at(20)), -EFAULT) << "what is revoked stays so";
    EXPECT_EQ(revoke->map(pages(20, 21)), 0);
  }
}

TEST_F(ShootdownTest, RevokingEndsAccessToExactlyTheRuns) {
  for (const ShootdownKind kind : {ShootdownKind::mprotect, ShootdownKind::munmap}) {
    SCOPED_TRACE(name_of(kind));
    const bool still_mapped = kind == ShootdownKind::mprotect;
    const auto revoke = make_shootdown(kind, arena.get());
    EXPECT_EQ(flush(*revoke, {pages(2, 4), pages(10, 11)}), 0);
    EXPECT_EQ(revoke->calls(), 2U);
    expect_revoked({2, 3, 10}, still_mapped);
    EXPECT_EQ(write_byte(at(2), 1), -EFAULT);
    // The next owner's view is not concerned.
    EXPECT_EQ(read_byte(address_of(arena->next_owner(at(2)))), mark(2));
    EXPECT_EQ(revoke->map(arena->range()), 0);
    expect_revoked({}, true);
    EXPECT_EQ(revoke->calls(), 2U) << "map() is no flush";
    EXPECT_EQ(write_byte(at(2), mark(2)), 0);
  }
}

TEST_F(ShootdownTest, MapRestoresExactlyItsRange) {
  for (const ShootdownKind kind : {ShootdownKind::mprotect, ShootdownKind::munmap}) {
    SCOPED_TRACE(name_of(kind));
    const bool still_mapped = kind == ShootdownKind::mprotect;
    const auto revoke = make_shootdown(kind, arena.get());
    EXPECT_EQ(flush(*revoke, {pages(8, 16)}), 0);
    EXPECT_EQ(revoke->map(pages(10, 12)), 0);
    expect_revoked({8, 9, 12, 13, 14, 15}, still_mapped);
    EXPECT_EQ(revoke->map(pages(0, 9)), 0) << "partly revoked";
    expect_revoked({9, 12, 13, 14, 15}, still_mapped);
    EXPECT_EQ(flush(*revoke, {pages(7, 14)}), 0) << "partly revoked already";
    expect_revoked({7, 8, 9, 10, 11, 12, 13, 14, 15}, still_mapped);
    EXPECT_EQ(revoke->map(pages(20, 30)), 0) << "nothing was revoked";
    EXPECT_EQ(revoke->map(pages(7, 16)), 0);
    EXPECT_EQ(revoke->map(pages(7, 16)), 0) << "once is enough";
    expect_revoked({}, true);
  }
}

TEST_F(ShootdownTest, ATakenHoleIsAnErrorAndTheTakerIsUnharmed) {
  const auto revoke = make_shootdown(ShootdownKind::munmap, arena.get());
  EXPECT_EQ(flush(*revoke, {pages(5, 6)}), 0);
  void* const taker = mmap(reinterpret_cast<void*>(at(5)), kPageSize, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  ASSERT_EQ(taker, reinterpret_cast<void*>(at(5)));
  ASSERT_EQ(write_byte(at(5), 7), 0);
  EXPECT_EQ(revoke->map(pages(4, 8)), EEXIST);
  EXPECT_EQ(read_byte(at(5)), 7);
  ASSERT_EQ(munmap(taker, kPageSize), 0);
  EXPECT_EQ(revoke->map(pages(4, 8)), 0) << "it is still known as revoked";
  EXPECT_EQ(read_byte(at(5)), mark(5));
}

TEST_F(ShootdownTest, AFailingCallEndsTheFlushWithItsErrno) {
  const Range nowhere{kPageSize, 2 * kPageSize};
  for (const ShootdownKind kind :
       {ShootdownKind::noop, ShootdownKind::mprotect_range, ShootdownKind::mprotect}) {
    SCOPED_TRACE(name_of(kind));
    const auto shootdown = make_shootdown(kind, arena.get());
    EXPECT_EQ(flush(*shootdown, {pages(0, 1), nowhere, pages(2, 3)}), ENOMEM);
    EXPECT_EQ(shootdown->calls(), 2U);
    EXPECT_EQ(read_byte(at(2)), mark(2)) << "what follows the failure is not flushed";
    EXPECT_EQ(shootdown->map(pages(0, 3)), 0);
  }
  const auto unmap = make_shootdown(ShootdownKind::munmap, arena.get());
  EXPECT_EQ(flush(*unmap, {{at(0) + 1, at(0) + 2}}), EINVAL);
}

class ManyRangesTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kRanges = 10000;

  void SetUp() override {
    std::string error;
    arena = Arena::create(2 * kRanges * kPageSize, kPageSize, &error);
    ASSERT_NE(arena, nullptr) << error;
    for (std::uint64_t i = 0; i < kRanges; ++i) {
      const Address start = arena->base() + 2 * i * kPageSize;
      ranges.push_back({start, start + kPageSize});
    }
  }

  std::unique_ptr<Arena> arena;
  std::vector<Range> ranges;
};

TEST_F(ManyRangesTest, ARangeFlushKeepsTheNumberOfVmasBounded) {
  const auto shootdown = make_shootdown(ShootdownKind::mprotect_range, arena.get());
  const std::size_t before = maps().size();
  ASSERT_EQ(shootdown->flush(ranges), 0);
  EXPECT_LE(maps().size(), before + 2 * 4096 + 2);
  EXPECT_LE(shootdown->calls(), kRanges + 3) << "a clean-up now and then, no more";
  // What it believes to be executable is so: the second round changes each page it is given.
  const std::uint64_t calls = shootdown->calls();
  ASSERT_EQ(shootdown->flush(std::span(ranges).last(100)), 0);
  EXPECT_EQ(shootdown->calls(), calls + 100);
  EXPECT_EQ(permissions(ranges.back().start), "rw-s");
  EXPECT_EQ(permissions(ranges[kRanges - 101].start), "rwxs");
  EXPECT_EQ(permissions(ranges[0].start), "rw-s");
}

TEST_F(ManyRangesTest, RevokingThemAndMappingThemAgain) {
  for (const ShootdownKind kind : {ShootdownKind::mprotect, ShootdownKind::munmap}) {
    SCOPED_TRACE(name_of(kind));
    const auto shootdown = make_shootdown(kind, arena.get());
    ASSERT_EQ(shootdown->flush(ranges), 0);
    EXPECT_EQ(read_byte(ranges[kRanges / 2].start), -EFAULT);
    EXPECT_EQ(read_byte(ranges[kRanges / 2].end), 0);
    ASSERT_EQ(shootdown->map(arena->range()), 0);
    EXPECT_EQ(read_byte(ranges[kRanges / 2].start), 0);
    EXPECT_EQ(read_byte(ranges.back().start), 0);
  }
}

TEST(TooManyRanges, TheKernelsLimitIsAnErrorAndWhatWasRevokedIsKnown) {
  if (kThreadSanitizer || kAddressSanitizer) {
    GTEST_SKIP() << "the sanitizer, too, needs mappings, and ends the process when it gets none";
  }
  std::uint64_t most_vmas = 0;
  std::ifstream("/proc/sys/vm/max_map_count") >> most_vmas;
  if (most_vmas == 0 || most_vmas > 200000) {
    GTEST_SKIP() << "vm.max_map_count is " << most_vmas;
  }
  std::string error;
  const std::uint64_t count = most_vmas / 2 + 1000;
  const auto arena = Arena::create(2 * count * kPageSize, kPageSize, &error);
  ASSERT_NE(arena, nullptr) << error;
  std::vector<Range> ranges;
  for (std::uint64_t i = 0; i < count; ++i) {
    const Address start = arena->base() + (2 * i + 1) * kPageSize;
    ranges.push_back({start, start + kPageSize});
  }
  const auto shootdown = make_shootdown(ShootdownKind::mprotect, arena.get());
  EXPECT_EQ(shootdown->flush(ranges), ENOMEM);
  const std::uint64_t done = shootdown->calls() - 1;
  const int revoked = read_byte(ranges[done - 1].start);
  const int not_revoked = read_byte(ranges[done + 1].start);
  const int mapped = shootdown->map(arena->range());
  EXPECT_EQ(revoked, -EFAULT);
  EXPECT_EQ(not_revoked, 0);
  EXPECT_EQ(mapped, 0);
  EXPECT_EQ(read_byte(ranges[done - 1].start), 0);
}

}  // namespace
}  // namespace flushwalk
