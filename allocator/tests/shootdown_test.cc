// The arena, and the backends on real memory that make a call a range.
#include "allocator/shootdown.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "allocator/tests/memory_probe.h"
#include "allocator/tests/sanitizers.h"

namespace flushwalk {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

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

class AnonymousArenaTest : public ArenaTest {
 protected:
  void SetUp() override { make_arena(Arena::Memory::anonymous); }
};

TEST_F(AnonymousArenaTest, IsPrivateMemoryOfSmallPagesUnderNoOtherAddress) {
  EXPECT_EQ(arena->memory(), Arena::Memory::anonymous);
  EXPECT_EQ(permissions(at(0)), "rw-p");
  EXPECT_EQ(read_byte(at(5)), mark(5));
  const std::string flags = map_detail(at(0), "VmFlags");
  if (!flags.empty() && std::ifstream("/sys/kernel/mm/transparent_hugepage/enabled")) {
    EXPECT_THAT(flags, HasSubstr(" nh")) << "a touched page would be 512";
  }
  ASSERT_EQ(munmap(reinterpret_cast<void*>(at(3)), kPageSize), 0);
  EXPECT_EQ(arena->map_again(pages(3, 4)), 0);
  EXPECT_EQ(read_byte(at(3)), 0) << "a new frame";
  EXPECT_EQ(permissions(at(3)), "rw-p");
  const Address base = arena->base();
  arena.reset();
  EXPECT_FALSE(is_mapped(base));
}

TEST(ShootdownKinds, SayWhatTheyAre) {
  struct Row {
    ShootdownKind kind;
    const char* name;
    ShootdownFamily family;
    bool interrupts;
    bool flushes_tlb;
    bool wants_touched_pages;
    Gather gather;
  };
  using Family = ShootdownFamily;
  const Row rows[] = {
      {ShootdownKind::none, "none", Family::none, false, false, false, Gather::hull},
      {ShootdownKind::noop, "noop", Family::none, false, false, false, Gather::hull},
      {ShootdownKind::membarrier, "membarrier", Family::none, true, false, false, Gather::hull},
      {ShootdownKind::mprotect_range, "mprotect_range", Family::range, true, true, false,
       Gather::hull},
      {ShootdownKind::cold_range, "cold_range", Family::range, true, true, true, Gather::hull},
      {ShootdownKind::mprotect, "mprotect", Family::revoke, true, true, true, Gather::runs},
      {ShootdownKind::munmap, "munmap", Family::revoke, true, true, true, Gather::runs},
      {ShootdownKind::guard, "guard", Family::revoke, true, true, true, Gather::runs},
      {ShootdownKind::dontneed, "dontneed", Family::drop, true, true, true, Gather::runs},
  };
  ASSERT_EQ(std::size(kShootdownKinds), std::size(rows));
  for (std::size_t i = 0; i < std::size(rows); ++i) {
    const Row& row = rows[i];
    SCOPED_TRACE(row.name);
    EXPECT_EQ(kShootdownKinds[i], row.kind);
    EXPECT_EQ(name_of(row.kind), row.name);
    EXPECT_EQ(family_of(row.kind), row.family);
    EXPECT_EQ(revokes(row.kind), row.family == Family::revoke);
    EXPECT_EQ(interrupts(row.kind), row.interrupts);
    EXPECT_EQ(flushes_tlb(row.kind), row.flushes_tlb);
    EXPECT_EQ(wants_touched_pages(row.kind), row.wants_touched_pages);
    EXPECT_EQ(gather_for(row.kind), row.gather);
    EXPECT_EQ(memory_for(row.kind), row.kind == ShootdownKind::dontneed ? Arena::Memory::anonymous
                                                                        : Arena::Memory::shared);
  }
}

// The allocator's own flushes ask the backend, a bench asks its kind.
TEST(ShootdownKinds, ABackendTellsTheGatherOfItsKind) {
  for (const ShootdownKind kind : kShootdownKinds) {
    std::string error;
    const auto arena = Arena::create(kPageSize, kPageSize, &error, memory_for(kind));
    ASSERT_NE(arena, nullptr) << error;
    EXPECT_EQ(make_shootdown(kind, arena.get())->gather(), gather_for(kind)) << name_of(kind);
  }
}

// What every kernel since 5.4 has.
TEST(ShootdownKinds, TheOldOnesAreSupported) {
  for (const ShootdownKind kind : kShootdownKinds) {
    if (kind != ShootdownKind::guard) {
      EXPECT_EQ(why_unsupported(kind), "") << name_of(kind);
    }
  }
}

TEST(WhySenseless, WhatTakesAccessOrDataAwayIsGivenRunsAlone) {
  for (const ShootdownKind kind : kShootdownKinds) {
    const bool takes = gather_for(kind) == Gather::runs;
    for (const Gather gather : kGathers) {
      EXPECT_EQ(why_senseless(gather, kind).empty(), !takes || gather == Gather::runs)
          << name_of(gather) << " " << name_of(kind);
    }
  }
  EXPECT_EQ(why_senseless(Gather::hull, ShootdownKind::guard),
            "guard takes access away, and hull covers slots in use: it goes with runs alone");
  EXPECT_EQ(why_senseless(Gather::per_block, ShootdownKind::dontneed),
            "dontneed takes data away, and per_block covers slots in use: it goes with runs alone");
}

TEST(SplitsMappings, AreArraysOfRangesWithTheirOwnPermissionsOrHoles) {
  for (const ShootdownKind kind : kShootdownKinds) {
    const bool splits = kind == ShootdownKind::mprotect_range || kind == ShootdownKind::mprotect ||
                        kind == ShootdownKind::munmap;
    EXPECT_EQ(splits_mappings(Gather::runs, kind), splits) << name_of(kind);
    EXPECT_EQ(splits_mappings(Gather::per_block, kind), splits) << name_of(kind);
    EXPECT_FALSE(splits_mappings(Gather::hull, kind)) << name_of(kind);
    EXPECT_FALSE(splits_mappings(Gather::full, kind)) << name_of(kind);
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

// Known by comparing: what is flushed again as it was needs no look at the set.
TEST_F(ShootdownTest, TheSameRangesAgainAreTakenBackAndAnyOthersAreLookedAt) {
  const auto range = make_shootdown(ShootdownKind::mprotect_range, arena.get());
  const std::vector<Range> both = {pages(0, 4), pages(8, 12)};
  for (std::uint64_t round = 1; round <= 3; ++round) {
    EXPECT_EQ(flush(*range, both), 0);
    EXPECT_EQ(range->calls(), 2 * round);
    EXPECT_EQ(permissions(at(0)), round % 2 == 1 ? "rwxs" : "rw-s");
    EXPECT_EQ(permissions(at(11)), permissions(at(0)));
    EXPECT_EQ(permissions(at(4)), "rw-s");
  }
  EXPECT_EQ(flush(*range, {pages(8, 12)}), 0) << "one of them: it is executable";
  EXPECT_EQ(range->calls(), 7U);
  EXPECT_EQ(permissions(at(8)), "rw-s");
  EXPECT_EQ(permissions(at(0)), "rwxs");
  EXPECT_EQ(flush(*range, both), 0) << "one is, one is not";
  EXPECT_EQ(range->calls(), 9U);
  EXPECT_EQ(permissions(at(8)), "rwxs");
  EXPECT_EQ(permissions(at(0)), "rw-s");
  EXPECT_EQ(range->settle(), 0);
  EXPECT_EQ(flush(*range, {pages(8, 12), pages(0, 4)}), 0) << "in another order";
  EXPECT_EQ(flush(*range, both), 0);
  EXPECT_EQ(range->calls(), 13U);
  EXPECT_EQ(permissions(at(0)) + permissions(at(8)), "rw-srw-s");
}

TEST_F(ShootdownTest, RangesOfAFlushMayOverlap) {
  const auto range = make_shootdown(ShootdownKind::mprotect_range, arena.get());
  EXPECT_EQ(flush(*range, {pages(0, 4), pages(2, 6)}), 0);
  EXPECT_EQ(range->calls(), 3U) << "the second one finds part of it executable";
  EXPECT_EQ(permissions(at(0)), "rwxs");
  EXPECT_EQ(permissions(at(2)), "rw-s");
  EXPECT_EQ(range->settle(), 0);
  EXPECT_EQ(permissions(at(0)), "rw-s");
}

TEST_F(ShootdownTest, AfterAFailureARangeFlushKnowsWhatIsExecutable) {
  const auto range = make_shootdown(ShootdownKind::mprotect_range, arena.get());
  const std::vector<Range> both = {pages(0, 1), pages(2, 3)};
  EXPECT_EQ(flush(*range, {pages(0, 1), {kPageSize, 2 * kPageSize}}), ENOMEM);
  EXPECT_EQ(permissions(at(0)), "rwxs");
  EXPECT_EQ(flush(*range, {pages(0, 1)}), 0) << "it takes one call";
  EXPECT_EQ(range->calls(), 3U);
  EXPECT_EQ(permissions(at(0)), "rw-s");
  ASSERT_EQ(flush(*range, both), 0);
  ASSERT_EQ(munmap(reinterpret_cast<void*>(at(2)), kPageSize), 0);
  EXPECT_EQ(flush(*range, both), ENOMEM) << "on the way back";
  ASSERT_EQ(arena->map_again(pages(2, 3)), 0);
  EXPECT_EQ(permissions(at(0)), "rw-s");
  const std::uint64_t calls = range->calls();
  EXPECT_EQ(flush(*range, {pages(0, 1)}), 0);
  EXPECT_EQ(permissions(at(0)), "rwxs") << "a call that changes something";
  EXPECT_EQ(range->calls(), calls + 1);
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
  for (const ShootdownKind kind : revoking_kinds()) {
    const auto revoke = make_shootdown(kind, arena.get());
    EXPECT_EQ(flush(*revoke, {pages(20, 21)}), 0);
    EXPECT_EQ(revoke->settle(), 0);
    EXPECT_EQ(read_byte(at(20)), -EFAULT) << "what is revoked stays so";
    EXPECT_EQ(revoke->map(pages(20, 21)), 0);
  }
}

TEST_F(ShootdownTest, RevokingEndsAccessToExactlyTheRuns) {
  for (const ShootdownKind kind : revoking_kinds()) {
    SCOPED_TRACE(name_of(kind));
    const bool still_mapped = kind != ShootdownKind::munmap;
    const auto revoke = make_shootdown(kind, arena.get());
    EXPECT_EQ(flush(*revoke, {pages(2, 4), pages(10, 11)}), 0);
    const std::uint64_t calls = expected_calls(kind, 2);
    EXPECT_EQ(revoke->calls(), calls);
    expect_revoked({2, 3, 10}, still_mapped);
    EXPECT_EQ(write_byte(at(2), 1), -EFAULT);
    // The next owner's view is not concerned.
    EXPECT_EQ(read_byte(address_of(arena->next_owner(at(2)))), mark(2));
    EXPECT_EQ(revoke->map(arena->range()), 0);
    expect_revoked({}, true);
    EXPECT_EQ(revoke->calls(), calls) << "map() is no flush";
    EXPECT_EQ(write_byte(at(2), mark(2)), 0);
  }
}

TEST_F(ShootdownTest, MapRestoresExactlyItsRange) {
  for (const ShootdownKind kind : revoking_kinds()) {
    SCOPED_TRACE(name_of(kind));
    const bool still_mapped = kind != ShootdownKind::munmap;
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

// More ranges than one flush has, and never a map() between them.
TEST_F(ShootdownTest, WhatManyFlushesHaveRevokedComesBack) {
  for (const ShootdownKind kind : revoking_kinds()) {
    const auto revoke = make_shootdown(kind, arena.get());
    std::vector<std::uint64_t> revoked;
    for (std::uint64_t page = 0; page < 40; page += 4) {
      EXPECT_EQ(flush(*revoke, {pages(page, page + 1), pages(page + 2, page + 3)}), 0);
      revoked.insert(revoked.end(), {page, page + 2});
    }
    expect_revoked(revoked, kind != ShootdownKind::munmap);
    EXPECT_EQ(revoke->map(pages(0, 20)), 0);
    revoked.erase(revoked.begin(), revoked.begin() + 10);
    expect_revoked(revoked, kind != ShootdownKind::munmap);
    EXPECT_EQ(revoke->map(arena->range()), 0);
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
  static constexpr std::uint64_t kRanges = 20000;

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
  EXPECT_LE(maps().size(), before + 2 * kMostExecutableRanges + 2);
  EXPECT_EQ(shootdown->calls(), kRanges + 1) << "one clean-up";
  // What it believes to be executable is so: the second round changes each page it is given.
  const std::uint64_t calls = shootdown->calls();
  ASSERT_EQ(shootdown->flush(std::span(ranges).last(100)), 0);
  EXPECT_EQ(shootdown->calls(), calls + 100);
  EXPECT_EQ(permissions(ranges.back().start), "rw-s");
  EXPECT_EQ(permissions(ranges[kRanges - 101].start), "rwxs");
  EXPECT_EQ(permissions(ranges[0].start), "rw-s");
}

// As many as it keeps apart: a call each, again and again.
TEST_F(ManyRangesTest, ARangeFlushOfAsManyAsItKeepsApartIsACallEach) {
  const auto shootdown = make_shootdown(ShootdownKind::mprotect_range, arena.get());
  const auto some = std::span<const Range>(ranges).first(kMostExecutableRanges);
  for (std::uint64_t round = 1; round <= 3; ++round) {
    ASSERT_EQ(shootdown->flush(some), 0);
    EXPECT_EQ(shootdown->calls(), round * kMostExecutableRanges);
    EXPECT_EQ(permissions(some.back().start), round % 2 == 1 ? "rwxs" : "rw-s");
  }
}

TEST_F(ManyRangesTest, RevokingThemAndMappingThemAgain) {
  for (const ShootdownKind kind : revoking_kinds()) {
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
