// The facade on real memory, with a backend that revokes: what is freed faults after a flush, and
// what is in use never does.
#include <gtest/gtest.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "allocator/arena.h"
#include "allocator/fault_probe.h"
#include "allocator/tests/sanitizers.h"
#include "allocator/vmap_allocator.h"

namespace flushwalk {
namespace {

constexpr unsigned kBlockPages = 128;

class OnRealMemory : public ::testing::TestWithParam<ShootdownKind> {
 protected:
  void SetUp() override {
    if (const std::string reason = why_unsupported(GetParam()); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
    std::string error;
    arena = Arena::create(16 * kBlockPages * kPageSize, kBlockPages * kPageSize, &error);
    ASSERT_NE(arena, nullptr) << error;
    shootdown = make_shootdown(GetParam(), arena.get());
    VmapAllocator::Options options;
    options.geometry = Geometry(arena->base(), kBlockPages);
    options.space_blocks = 16;
    options.shootdown = shootdown.get();
    options.revision = find_revision("v6.12");
    allocator = std::make_unique<VmapAllocator>(options);
  }
  Address map(std::uint64_t count) {
    const AllocReport report = allocator->map_ram(0, count);
    EXPECT_EQ(report.error, Error::none);
    for (std::uint64_t page = 0; page < count; ++page) {
      EXPECT_TRUE(readable(report.address + page * kPageSize)) << page;
    }
    return report.address;
  }
  void unmap(Address address, std::uint64_t count) {
    EXPECT_EQ(allocator->unmap_ram(address, count).error, Error::none);
  }
  void flush() {
    FlushPlan plan(gather_for(GetParam()));
    EXPECT_EQ(allocator->unmap_aliases(plan).error, Error::none);
  }
  static bool readable(Address address) {
    std::uint8_t byte = 0;
    iovec local{&byte, 1};
    iovec remote{reinterpret_cast<void*>(address), 1};
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1;
  }

  std::unique_ptr<Arena> arena;
  std::unique_ptr<Shootdown> shootdown;
  std::unique_ptr<VmapAllocator> allocator;
};

INSTANTIATE_TEST_SUITE_P(Revoking, OnRealMemory,
                         ::testing::Values(ShootdownKind::mprotect, ShootdownKind::munmap,
                                           ShootdownKind::guard),
                         [](const auto& instance) { return std::string(name_of(instance.param)); });

TEST_P(OnRealMemory, AFlushEndsTheAliasesAndSparesWhatIsInUse) {
  const Address x = map(64);
  const Address y = map(64);
  unmap(y, 64);
  EXPECT_TRUE(readable(y)) << "a stale alias until the flush";
  flush();
  EXPECT_FALSE(readable(y));
  EXPECT_FALSE(readable(y + 63 * kPageSize));
  EXPECT_TRUE(readable(x));
  EXPECT_TRUE(readable(x + 63 * kPageSize));
  unmap(x, 64);
  flush();
  EXPECT_FALSE(readable(x));
  EXPECT_EQ(map(64), x) << "mapped again where it was revoked";
  EXPECT_FALSE(readable(y));
}

// The same by a load and a store of the program itself.
TEST_P(OnRealMemory, AnAliasReadsAndOverwritesTheNextOwnersDataUntilItFaults) {
  if (kThreadSanitizer) {
    GTEST_SKIP() << "ThreadSanitizer does not survive a siglongjmp out of SIGSEGV";
  }
  map(64);
  const Address y = map(64);
  EXPECT_FALSE(probe_write(y, 'y').faulted);
  unmap(y, 64);
  *arena->next_owner(y) = 'n';
  EXPECT_EQ(probe_read(y).value, 'n');
  EXPECT_FALSE(probe_write(y, '!').faulted);
  EXPECT_EQ(*arena->next_owner(y), '!');
  flush();
  *arena->next_owner(y) = 'n';
  const bool revoked = GetParam() == ShootdownKind::mprotect;
  for (const ProbeResult& result : {probe_read(y), probe_write(y, '!')}) {
    EXPECT_TRUE(result.faulted);
    EXPECT_EQ(fault_name(result.signal_code), revoked ? "SEGV_ACCERR" : "SEGV_MAPERR");
  }
  EXPECT_EQ(*arena->next_owner(y), 'n');
}

TEST_P(OnRealMemory, SeveralThreadsProbeAtOnce) {
  if (kThreadSanitizer) {
    GTEST_SKIP() << "ThreadSanitizer does not survive a siglongjmp out of SIGSEGV";
  }
  const Address kept = map(64);
  const Address freed = map(64);
  unmap(freed, 64);
  flush();
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (unsigned page = 0; page < 64; ++page) {
        wrong += probe_read(freed + page * kPageSize).faulted ? 0 : 1;
        wrong += probe_read(kept + page * kPageSize).faulted ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(wrong, 0);
}

// The lazy list's hull covers slots in use; nobody may revoke those.
TEST_P(OnRealMemory, DrainAndReclaimSpareWhatIsInUse) {
  const auto drain = [&] { return allocator->drain(); };
  const auto reclaim = [&] { return allocator->reclaim(); };
  for (const std::function<FlushReport()>& call :
       {std::function<FlushReport()>(drain), std::function<FlushReport()>(reclaim)}) {
    const Address below = map(65);
    const Address between = map(65);
    const Address above = map(65);
    unmap(below, 65);
    unmap(above, 65);
    const FlushReport report = call();
    EXPECT_EQ(report.error, Error::none);
    EXPECT_EQ(report.lazy_areas, 2U);
    EXPECT_FALSE(readable(below));
    EXPECT_FALSE(readable(above));
    EXPECT_TRUE(readable(between)) << "it is in use";
    unmap(between, 65);
    call();
  }
}

TEST_P(OnRealMemory, AReclaimForSpaceSparesWhatIsInUse) {
  std::vector<Address> all;
  for (int i = 0; i < 16; ++i) {
    all.push_back(map(kBlockPages));
  }
  unmap(all[2], kBlockPages);
  unmap(all[9], kBlockPages);
  EXPECT_EQ(map(kBlockPages), all[2]) << "there was no other space";
  for (const std::size_t i : {3U, 5U, 8U}) {
    EXPECT_TRUE(readable(all[i])) << i;
  }
}

}  // namespace
}  // namespace flushwalk
