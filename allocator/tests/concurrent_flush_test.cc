// Calls that meet: each test brings about one interleaving by stopping in the middle of a flush, in
// the backend. Random ones are in allocator_stress_test.cc.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "allocator/tests/subject.h"

namespace flushwalk {
namespace {

// A thread of which one can wait that it sleeps: on a mutex, or in a grace period.
class Sleeper {
 public:
  void start(std::function<void()> work) {
    thread_ = std::thread([this, work = std::move(work)] {
      id_ = gettid();
      work();
      done_ = true;
    });
  }
  // Until it sleeps or has ended; ten seconds at most.
  void wait_until_asleep() const {
    for (int i = 0; i < 10000 && !done_ && !asleep(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  bool done() const { return done_; }
  void join() { thread_.join(); }

 private:
  bool asleep() const {
    if (id_ == 0) {
      return false;
    }
    std::ifstream in("/proc/self/task/" + std::to_string(id_) + "/stat");
    std::string id;
    std::string name;
    std::string state;
    in >> id >> name >> state;
    return state == "S";
  }

  std::thread thread_;
  std::atomic<pid_t> id_{0};
  std::atomic<bool> done_{false};
};

// Fills a block and frees all of it: a descriptor waits for a grace period, an area for a flush.
void doom_a_block(Subject& subject) {
  const std::uint64_t first = subject.alloc(64);
  const std::uint64_t second = subject.alloc(64);
  subject.free(first, 64);
  EXPECT_TRUE(subject.free(second, 64).block_freed);
}

// From patch 3 on a walk that did not wait would reset a range, and a third caller, who finds
// nothing, would return before the flush that covers it.
TEST(TwoFlushes, TheSecondWalksWhenTheFirstIsOver) {
  for (const std::string_view revision : {"p2", "p3", "p4", "p5", "p6", "v6.12"}) {
    SCOPED_TRACE(revision);
    Subject subject(revision);
    const std::uint64_t x = subject.alloc(64);
    const std::uint64_t y = subject.alloc(32);
    subject.alloc(32);
    subject.free(x, 64);
    SlotRange seen{0, 0};
    Sleeper second;
    subject.shootdown.on_flush = [&] {
      subject.free(y, 32);
      second.start([&] { EXPECT_EQ(subject.allocator.unmap_aliases().flushes, 1U); });
      second.wait_until_asleep();
      seen = subject.allocator.state().blocks.at(0).dirty_range;
    };
    std::thread first([&] { EXPECT_EQ(subject.allocator.unmap_aliases().flushes, 1U); });
    first.join();
    second.join();
    const bool resets = subject.allocator.revision().reset_collected_range;
    EXPECT_EQ(seen, (SlotRange{resets ? 64U : 0U, 96})) << "nobody has walked meanwhile";
    EXPECT_EQ(subject.ledger.stale_pages(), 0U);
  }
}

// A last free that has its block's lock, and a flush that comes to the block meanwhile.
class FlushMeetsLastFree : public AllocatorObserver {
 public:
  explicit FlushMeetsLastFree(VmapAllocator** allocator) : allocator_(allocator) {}

  void join() { flusher_.join(); }
  void block_doomed(Address /*block_start*/) override {
    flusher_ = std::thread([this] {
      (*allocator_)->unmap_aliases();
      flushed_ = true;
    });
    // It spins on the lock: nothing else tells that it is there.
    for (int i = 0; i < 20 && !flushed_; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    flushed_early_ = flushed_;
  }
  bool flushed_early() const { return flushed_early_; }

 private:
  VmapAllocator** allocator_;
  std::thread flusher_;
  std::atomic<bool> flushed_{false};
  bool flushed_early_ = false;
};

// With the window closed the lock is held until the area is on the lazy list, so the flush finds
// either the block's range or the area.
TEST(ClosedWindow, AFlushThatMeetsTheLastFreeWaitsAndMissesNothing) {
  for (const Walk walk : {Walk::xarray, Walk::cursor}) {
    VmapAllocator* allocator = nullptr;
    Ledger ledger;
    {
      FlushMeetsLastFree meets(&allocator);
      VmapAllocator::Options options;
      options.geometry = Geometry(kBase, kSlots);
      options.walk = walk;
      options.ledger = &ledger;
      options.observer = &meets;
      options.last_free = LastFree::closed_window;
      VmapAllocator closed(options);
      allocator = &closed;
      const Address x = closed.alloc(0, 64).address;
      const Address y = closed.alloc(0, 64).address;
      closed.free(y, 64);
      EXPECT_TRUE(closed.free(x, 64).block_freed);
      EXPECT_FALSE(meets.flushed_early());
      const rcu::Offline waiting;
      meets.join();
    }
    EXPECT_EQ(ledger.stale_pages(), 0U);
  }
}

// A walk that finds the block gone from its index finds its area on the lazy list: both change in
// one section of the list's lock.
TEST(ClosedWindow, TakingTheLazyListWaitsForWhatGoesWithTheArea) {
  AddressSpace space({kBase, kBase + 64 * kPageSize}, 1000);
  VmapArea* area = nullptr;
  ASSERT_EQ(space.alloc(kPageSize, kPageSize, &area), Error::none);
  space.unlink(area);
  std::atomic<bool> taken{false};
  std::vector<VmapArea*> found;
  std::thread taker;
  space.free_lazy(area, [&] {
    taker = std::thread([&] {
      space.take_lazy(&found);
      taken = true;
    });
    for (int i = 0; i < 20 && !taken; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_FALSE(taken);
  });
  taker.join();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0], area);
  space.release_flushed(found);
}

// A flush that passed while a block is doomed and not yet on the lazy list would miss its pages.
TEST(PurgeAndFlush, ExcludeEachOther) {
  Subject subject("v6.12");
  doom_a_block(subject);
  Sleeper purger;
  bool purged_during_the_flush = true;
  subject.shootdown.on_flush = [&] {
    purger.start([&] { subject.allocator.purge(0); });
    purger.wait_until_asleep();
    purged_during_the_flush = purger.done();
  };
  EXPECT_EQ(subject.unmap_aliases().flushes, 1U);
  purger.join();
  EXPECT_FALSE(purged_during_the_flush);
}

// Who waits for the purge mutex is no reader meanwhile: a grace period that begins then is not held
// up by the flush that follows.
TEST(TwoFlushes, TheOneThatWaitsHoldsUpNoGracePeriod) {
  Subject subject("v6.12");
  doom_a_block(subject);
  Sleeper second;
  Sleeper releaser;
  bool released_during_the_second = false;
  subject.shootdown.on_flush = [&] {
    doom_a_block(subject);
    subject.shootdown.on_flush = [&] {
      for (int i = 0; i < 10000 && !releaser.done(); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      released_during_the_second = releaser.done();
    };
    second.start([&] { EXPECT_EQ(subject.allocator.unmap_aliases().flushes, 1U); });
    second.wait_until_asleep();
    releaser.start([&] { subject.allocator.release_retired(); });
    releaser.wait_until_asleep();
  };
  std::thread first([&] { EXPECT_EQ(subject.allocator.unmap_aliases().flushes, 1U); });
  {
    const rcu::Offline waiting;
    first.join();
    second.join();
    releaser.join();
  }
  EXPECT_TRUE(released_during_the_second);
}

// All the calls, each by a thread that has never called before, are readers to RCU while they walk:
// a release in another thread waits for them.
TEST(GracePeriods, WaitForEveryCallThatFlushes) {
  struct Call {
    const char* name;
    std::function<void(VmapAllocator&)> call;
  };
  const Call calls[] = {
      {"unmap_aliases", [](VmapAllocator& allocator) { allocator.unmap_aliases(); }},
      {"drain", [](VmapAllocator& allocator) { allocator.drain(); }},
      {"reclaim", [](VmapAllocator& allocator) { allocator.reclaim(); }},
  };
  for (const Call& call : calls) {
    SCOPED_TRACE(call.name);
    Subject subject("v6.12");
    doom_a_block(subject);
    bool released_during_the_call = true;
    Sleeper releaser;
    subject.shootdown.on_flush = [&] {
      releaser.start([&] { subject.allocator.release_retired(); });
      releaser.wait_until_asleep();
      released_during_the_call = releaser.done();
    };
    std::thread caller([&] { call.call(subject.allocator); });
    {
      const rcu::Offline waiting;
      caller.join();
      releaser.join();
    }
    EXPECT_FALSE(released_during_the_call);
    EXPECT_EQ(subject.allocator.block_pool().in_use(), 0U);
  }
}

}  // namespace
}  // namespace flushwalk
