// The backends that are no call a range, or no change of permissions: cold_range, guard, dontneed,
// membarrier, and the vectored advice that two of them share. And what is told of a backend that
// the kernel refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "allocator/tests/memory_probe.h"
#include "allocator/tests/sanitizers.h"
#include "allocator/vectored_advice.h"

namespace flushwalk {
namespace {

using ::testing::HasSubstr;

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

// --- what the kernel refuses

struct Refused {
  long call;
  std::uint32_t argument;  // its third one (membarrier: its first)
  bool any_argument;       // or whatever it is
  int error;
};

// In a forked child whose calls of that kind fail: what `work` says there. "no seccomp" where it
// cannot be had.
template <class Work>
std::string said_where_refused(const Refused& refused, Work&& work) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto errno_of = SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(refused.error);
    const std::uint32_t argument_at =
        offsetof(seccomp_data, args) + (refused.call == SYS_membarrier ? 0U : 16U);
    sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(refused.call), 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument_at),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refused.argument, 0,
                 static_cast<unsigned char>(refused.any_argument ? 0 : 1)),
        BPF_STMT(BPF_RET | BPF_K, errno_of),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{static_cast<unsigned short>(std::size(filter)), filter};
    std::string said = "no seccomp";
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0) {
      said = work();
    }
    const bool written = write(ends[1], said.data(), said.size()) >= 0;
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  std::string said(4096, '\0');
  said.resize(static_cast<std::size_t>(std::max<ssize_t>(read(ends[0], said.data(), 4096), 0)));
  close(ends[0]);
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
  return said;
}

class RefusedBackend : public ::testing::Test {
 protected:
  void SetUp() override {
    if (kThreadSanitizer || kAddressSanitizer) {
      GTEST_SKIP() << "the sanitizer needs the calls itself";
    }
  }
};

constexpr Refused any(long call, int error) { return {call, 0, true, error}; }

TEST_F(RefusedBackend, IsToldWithTheCallAndTheReason) {
  const struct {
    ShootdownKind kind;
    Refused refused;
    const char* reason;
  } cases[] = {
      {ShootdownKind::noop, any(SYS_mprotect, EPERM),
       "the kernel refuses mprotect: Operation not permitted"},
      {ShootdownKind::mprotect_range,
       {SYS_mprotect, PROT_READ | PROT_WRITE | PROT_EXEC, false, EACCES},
       "the kernel refuses mprotect(READ|WRITE|EXEC): Permission denied"},
      {ShootdownKind::cold_range,
       {SYS_madvise, kAdviceCold, false, EINVAL},
       "the kernel refuses madvise(COLD): Invalid argument"},
      {ShootdownKind::mprotect, any(SYS_mprotect, EPERM),
       "the kernel refuses mprotect(NONE): Operation not permitted"},
      {ShootdownKind::membarrier, any(SYS_membarrier, ENOSYS),
       "the kernel refuses membarrier(PRIVATE_EXPEDITED): Function not implemented"},
      {ShootdownKind::membarrier,
       {SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, false, EINVAL},
       "the kernel refuses membarrier(PRIVATE_EXPEDITED): Invalid argument"},
  };
  for (const auto& item : cases) {
    const std::string said =
        said_where_refused(item.refused, [&] { return why_unsupported(item.kind); });
    if (said == "no seccomp") {
      GTEST_SKIP() << said;
    }
    EXPECT_EQ(said, item.reason) << name_of(item.kind);
  }
  // What is refused to one backend is not held against another.
  EXPECT_EQ(said_where_refused({SYS_mprotect, PROT_READ | PROT_WRITE | PROT_EXEC, false, EACCES},
                               [] { return why_unsupported(ShootdownKind::mprotect) + "."; }),
            ".");
}

// A container's filter may know madvise and not process_madvise: then it is a call a range.
TEST_F(RefusedBackend, WithoutAVectoredCallEachRangeIsOne) {
  const auto three_ranges = [](ShootdownKind kind) {
    std::string error;
    const auto arena = Arena::create(8 * kPageSize, kPageSize, &error, memory_for(kind));
    *Arena::at(arena->base() + 4 * kPageSize) = 1;
    std::vector<Range> ranges;
    for (const std::uint64_t page : {0U, 2U, 4U}) {
      const Address start = arena->base() + page * kPageSize;
      ranges.push_back({start, start + kPageSize});
    }
    const auto shootdown = make_shootdown(kind, arena.get());
    const int failed = shootdown->flush(ranges);
    const bool done = kind == ShootdownKind::dontneed ? *Arena::at(ranges[2].start) == 0
                                                      : read_byte(ranges[2].start) == -EFAULT;
    return std::to_string(failed) + ", " + std::to_string(shootdown->calls()) + " calls" +
           (done ? ", done" : "");
  };
  for (const ShootdownKind kind : {ShootdownKind::guard, ShootdownKind::dontneed}) {
    if (!why_unsupported(kind).empty()) {
      continue;
    }
    const std::string said =
        said_where_refused(any(SYS_process_madvise, EPERM), [&] { return three_ranges(kind); });
    if (said == "no seccomp") {
      GTEST_SKIP() << said;
    }
    EXPECT_EQ(said, "0, 3 calls, done") << name_of(kind);
  }
}

}  // namespace
}  // namespace flushwalk
