// The oracle: it finds what is stale, tells the residual window apart, and reports nothing else,
// while threads allocate, free and flush. Bounded by operations; FLUSHWALK_ORACLE_SECONDS=60 makes
// the mixed load longer.
#include "allocator/oracle.h"

#include <gtest/gtest.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <utility>

#include "allocator/tests/sanitizers.h"
#include "allocator/watched_load.h"

namespace flushwalk {
namespace {

constexpr unsigned kBlockPages = 128;

// What ThreadSanitizer bears: the same page tables are asked, by the kernel.
ProbeResult ask_kernel(Address address, std::uint8_t* byte, bool writes) {
  iovec local{byte, 1};
  iovec remote{reinterpret_cast<void*>(address), 1};
  const ssize_t moved = writes ? process_vm_writev(getpid(), &local, 1, &remote, 1, 0)
                               : process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
  return {.faulted = moved != 1, .signal_code = 0, .value = *byte};
}
ProbeResult kernel_read(Address address) {
  std::uint8_t byte = 0;
  return ask_kernel(address, &byte, false);
}
ProbeResult kernel_write(Address address, std::uint8_t value) {
  return ask_kernel(address, &value, true);
}

StaleOracle::Options watch(std::uint64_t plant_every = 0) {
  StaleOracle::Options options;
  options.plant_every = plant_every;
  options.deferrals = true;
  if (kThreadSanitizer) {
    options.access = {kernel_read, kernel_write};
  }
  return options;
}

VmapAllocator::Options allocator_options(std::string_view revision,
                                         LastFree last_free = LastFree::lazy) {
  VmapAllocator::Options options;
  options.geometry = Geometry(options.geometry.base(), kBlockPages);
  options.space_blocks = 16;
  options.revision = find_revision(revision);
  options.last_free = last_free;
  return options;
}

// One thread, step by step.
class OracleSteps : public ::testing::Test {
 protected:
  void make(std::string_view revision, LastFree last_free = LastFree::lazy,
            std::uint64_t plant_every = 0, AllocatorObserver* also = nullptr) {
    StaleOracle::Options options = watch(plant_every);
    options.also = also;
    std::string error;
    watched = WatchedAllocator::create(allocator_options(revision, last_free), watching_backend(),
                                       options, &error);
    ASSERT_NE(watched, nullptr) << error;
  }
  StaleOracle::Lease map(std::uint64_t pages) { return watched->map(0, pages).value(); }
  OracleReport report() const { return watched->oracle().report(); }

  std::unique_ptr<WatchedAllocator> watched;
};

// The case of patch 1.
TEST_F(OracleSteps, TheFreeListWalkMissesAFullBlockUntilItIsAllFree) {
  make("v6.4");
  const auto x = map(64);
  const auto y = map(64);
  watched->unmap(y);
  watched->unmap_aliases();
  EXPECT_EQ(report().missed, 64U);
  ASSERT_FALSE(report().first.empty());
  const StaleAlias first = report().first.front();
  EXPECT_EQ(first.kind, AliasKind::missed);
  EXPECT_EQ(first.address, y.pages.start);
  EXPECT_EQ(first.block, 0U);
  EXPECT_EQ(first.slot, 64U);
  EXPECT_EQ(first.never_used_then, 0U);
  EXPECT_EQ(first.block_now, "full");
  EXPECT_EQ(first.flushes, 1U);
  EXPECT_EQ(first.read, 0xa5);
  watched->unmap_aliases();
  EXPECT_EQ(report().missed, 64U) << "counted once";
  watched->unmap(x);
  watched->unmap_aliases();
  ASSERT_EQ(report().deferrals.size(), 1U);
  EXPECT_EQ(report().deferrals[0].flushes, 3U);
  EXPECT_EQ(report().deferrals[0].pages, 64U);
  EXPECT_TRUE(report().deferrals[0].ended);
  EXPECT_FALSE(report().deferrals[0].window) << "the walk has missed it";
}

TEST_F(OracleSteps, ACompleteWalkMissesNothing) {
  make("p1");
  const auto x = map(64);
  const auto y = map(64);
  watched->unmap(y);
  watched->unmap_aliases();
  watched->unmap(x);
  watched->unmap_aliases();
  EXPECT_EQ(report().missed + report().window, 0U);
  EXPECT_EQ(report().freed_pages, 128U);
  EXPECT_EQ(report().probes, 128U);
}

// An address whose alias was never seen by a flush is looked at when it is handed out again.
TEST_F(OracleSteps, ADrainMakesAddressesAnewAndTheyReadRightly) {
  make("v6.12");
  const auto x = map(64);
  const auto y = map(64);
  watched->unmap(x);
  watched->unmap(y);
  watched->drain();
  EXPECT_EQ(map(64).pages, x.pages);
  watched->unmap_aliases();
  EXPECT_EQ(report().probed_at_reuse, 64U);
  EXPECT_EQ(report().probes, 128U);
  EXPECT_EQ(report().missed + report().reused_unflushed, 0U);
}

TEST_F(OracleSteps, AnAliasThatAFlushLeavesIsFoundAfterItAndAtTheNextHandOut) {
  make("v6.12", LastFree::lazy, 1);
  const auto x = map(64);
  map(64);
  watched->unmap(x);
  watched->unmap_aliases();
  EXPECT_EQ(report().planted, 64U);
  EXPECT_EQ(report().planted_found, 64U);
  EXPECT_EQ(report().missed, 0U) << "it was the oracle's own";
  const auto large = map(65);
  watched->unmap(large);
  watched->drain();
  EXPECT_EQ(map(65).pages, large.pages);
  EXPECT_EQ(report().planted, 129U);
  EXPECT_EQ(report().planted_found, 129U);
}

// SPEC section 9: the block's last free is in its window while a flush runs.
class FlushInTheWindow : public AllocatorObserver {
 public:
  void block_unlocked() override {
    if (flush) {
      std::exchange(flush, nullptr)();
    }
  }
  std::function<void()> flush;
};

TEST_F(OracleSteps, TheResidualWindowIsToldApart) {
  for (const LastFree last_free : {LastFree::lazy, LastFree::closed_window}) {
    SCOPED_TRACE(name_of(last_free));
    for (const Behaviors& revision : revisions()) {
      SCOPED_TRACE(revision.name);
      FlushInTheWindow there;
      make(revision.name, last_free, 0, &there);
      const auto x = map(64);
      const auto y = map(64);
      watched->unmap(y);
      there.flush = [&] { watched->unmap_aliases(); };
      watched->unmap(x);
      const bool open = last_free == LastFree::lazy;
      EXPECT_EQ(report().window, open ? 64U : 0U);
      EXPECT_EQ(report().windows, open ? 1U : 0U);
      EXPECT_EQ(report().missed, 0U);
      watched->unmap_aliases();
      EXPECT_EQ(report().missed, 0U) << "the next flush finds the area";
      const auto deferrals = report().deferrals;
      ASSERT_FALSE(deferrals.empty());
      EXPECT_EQ(deferrals[0].flushes, open ? 2U : 1U);
      EXPECT_EQ(deferrals[0].window, open);
      const auto again = map(64);
      EXPECT_EQ(again.pages, x.pages);
      watched->unmap(again);
      watched->unmap_aliases();
      EXPECT_EQ(report().missed, 0U);
      EXPECT_EQ(report().window, open ? 64U : 0U);
    }
  }
}

// A block that was doomed long ago excuses nothing.
TEST_F(OracleSteps, AMissedPageIsNoWindowBecauseAnEarlierBlockWasThere) {
  make("v6.4");
  const auto x = map(64);
  const auto y = map(64);
  watched->unmap(x);
  watched->unmap(y);
  watched->unmap_aliases();
  map(64);
  const auto z = map(64);
  EXPECT_EQ(z.pages, y.pages);
  watched->unmap(z);
  watched->unmap_aliases();
  EXPECT_EQ(report().missed, 64U);
  EXPECT_EQ(report().window, 0U);
}

// The proposal: Y was flushed, so the block counts as fully flushed when X, its last, is freed.
// Nothing has ever flushed X.
TEST_F(OracleSteps, ADirectReturnLeavesTheLastFreedPagesStale) {
  make("v6.12", LastFree::direct_return);
  const auto x = map(64);
  const auto y = map(64);
  watched->unmap(y);
  watched->unmap_aliases();
  EXPECT_EQ(report().missed, 0U);
  EXPECT_TRUE(watched->unmap(x).block_freed);
  EXPECT_EQ(watched->allocator().lazy_pages(), 0U);
  EXPECT_EQ(watched->unmap_aliases().flushes, 0U) << "no list has the area";
  EXPECT_EQ(report().missed, 64U);
  EXPECT_EQ(report().window, 0U);
  EXPECT_EQ(map(64).pages, x.pages) << "and the address is in use again";
}

TEST_F(OracleSteps, ADirectReturnHandsAddressesOutUnflushed) {
  make("v6.12", LastFree::direct_return);
  const auto x = map(64);
  const auto y = map(64);
  watched->unmap(y);
  watched->unmap_aliases();
  watched->unmap(x);
  EXPECT_EQ(map(64).pages, x.pages);
  EXPECT_EQ(report().reused_unflushed, 64U);
}

// What is not flushed yet takes the kernel's way; and before p3 nothing ever counts as flushed.
TEST_F(OracleSteps, ADirectReturnNeedsABlockThatWasFlushed) {
  make("v6.12", LastFree::direct_return);
  const auto x = map(64);
  const auto y = map(64);
  watched->unmap(y);
  watched->unmap(x);
  EXPECT_EQ(watched->allocator().lazy_pages(), kBlockPages);
  make("p2", LastFree::direct_return);
  const auto early_x = map(64);
  const auto early_y = map(64);
  watched->unmap(early_y);
  watched->unmap_aliases();
  watched->unmap(early_x);
  EXPECT_EQ(watched->allocator().lazy_pages(), kBlockPages);
}

TEST(WatchingBackends, AreThoseThatRevoke) {
  for (const ShootdownKind kind : kShootdownKinds) {
    EXPECT_EQ(why_blind(kind).empty(), revokes(kind)) << name_of(kind);
  }
  EXPECT_NE(why_blind(ShootdownKind::mprotect_range).find("guard, mprotect or munmap"),
            std::string::npos);
}

// --- threads

struct Case {
  std::string_view revision;
  Walk walk;
  LastFree last_free = LastFree::lazy;
  std::uint64_t plant_every = 0;
  ShootdownKind backend = ShootdownKind::guard;

  std::string name() const {
    std::string text(revision);
    text += "_" + std::string(name_of(walk)) + "_" + std::string(name_of(last_free)) + "_" +
            std::string(name_of(backend)) + (plant_every == 0 ? "" : "_planted");
    std::erase(text, '.');
    return text;
  }
  friend std::ostream& operator<<(std::ostream& out, const Case& one) { return out << one.name(); }
};

class OracleLoad : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (const std::string reason = why_unsupported(GetParam().backend); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
    load.allocator = allocator_options(GetParam().revision, GetParam().last_free);
    load.allocator.walk = GetParam().walk;
    load.backend = GetParam().backend;
    load.watch = watch(GetParam().plant_every);
    load.threads = 3;
    load.operations = kThreadSanitizer || kAddressSanitizer ? 200 : 350;
    if (const char* const seconds = std::getenv("FLUSHWALK_ORACLE_SECONDS"); seconds != nullptr) {
      load.operations = 0;
      load.seconds = std::atof(seconds);
    }
  }
  WatchedLoad load;
};

// What is known to be broken breaks sooner or later: other seeds are tried until it does.
TEST_P(OracleLoad, SeesWhatTheWalkPromises) {
  const bool direct = GetParam().last_free == LastFree::direct_return;
  const bool breaks = GetParam().walk == Walk::free_list || direct;
  std::string error;
  std::optional<WatchedOutcome> outcome;
  do {
    outcome = run_mixed_load(load, nullptr, &error);
    ASSERT_TRUE(outcome) << error;
  } while (breaks && outcome->oracle.missed + outcome->oracle.reused_unflushed == 0 &&
           ++load.seed <= 10);
  const OracleReport& seen = outcome->oracle;
  EXPECT_GT(outcome->last_frees, 0U);
  EXPECT_GT(seen.probed_at_reuse, 0U) << "no address came back: the load is too tame";
  EXPECT_EQ(seen.planted_found, seen.planted);
  // What a direct return hands out anew may be in a range that a flush has collected before.
  EXPECT_TRUE(direct || outcome->lost_live_pages == 0) << outcome->lost_live_pages;
  EXPECT_EQ(outcome->system_errno, 0);
  if (GetParam().plant_every != 0) {
    EXPECT_GT(seen.planted, 0U);
  }
  if (!breaks) {
    EXPECT_EQ(seen.missed, 0U);
    EXPECT_EQ(seen.reused_unflushed, 0U);
    EXPECT_TRUE(is_complete(*outcome, GetParam().last_free));
  } else {
    EXPECT_GT(seen.missed + seen.reused_unflushed, 0U);
    EXPECT_FALSE(is_complete(*outcome, GetParam().last_free));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, OracleLoad,
    ::testing::Values(
        Case{"v6.4", Walk::free_list}, Case{"p1", Walk::xarray},
        Case{"p2", Walk::xarray, LastFree::lazy, 4}, Case{"v6.12", Walk::xarray},
        Case{"v6.12", Walk::xarray, LastFree::closed_window, 0, ShootdownKind::mprotect},
        Case{"v6.12", Walk::marked, LastFree::closed_window, 5, ShootdownKind::munmap},
        Case{"p6", Walk::dirty_list, LastFree::closed_window},
        Case{"v6.12", Walk::list_and_full, LastFree::closed_window},
        Case{"v6.12", Walk::cursor, LastFree::direct_return}),
    [](const auto& instance) { return instance.param.name(); });

// The window closed, every walk provoked: nothing is left. That an open one is hit is left to the
// tool: a quiet machine hits it at one last free in ten, a busy one may not in a short test.
TEST(OracleWindow, IsNeverHitWhereItIsClosed) {
  for (const Walk walk : {Walk::xarray, Walk::dirty_list}) {
    WatchedLoad load;
    load.allocator = allocator_options("v6.12", LastFree::closed_window);
    load.allocator.walk = walk;
    load.backend = watching_backend();
    load.watch = watch();
    load.operations = kThreadSanitizer ? 64 * 30 : 64 * 60;
    std::string error;
    const auto outcome = provoke_window(load, nullptr, &error);
    ASSERT_TRUE(outcome) << error;
    EXPECT_GT(outcome->last_frees, 10U);
    EXPECT_EQ(outcome->oracle.window, 0U);
    EXPECT_TRUE(is_complete(*outcome, LastFree::closed_window));
  }
}

}  // namespace
}  // namespace flushwalk
