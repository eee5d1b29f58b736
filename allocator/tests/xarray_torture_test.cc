// All walks of an xarray at once against writers that insert, erase and mark: entries that a reader
// gets live, what stays is visited, no mark is lost. FLUSHWALK_TORTURE_SECONDS=60 makes it longer.
// That the torture sees a bug is shown with two planted ones.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "allocator/call_scope.h"
#include "allocator/spin_lock.h"
#include "allocator/tests/sanitizers.h"
#include "allocator/xarray.h"

namespace flushwalk {
namespace {

constexpr std::uint64_t kAlive = 0x600d600d600d600d;
constexpr std::uint64_t kPoison = 0xdeaddeaddeaddead;
constexpr std::uint64_t kStable = 24;  // entries that stay: index 0 and one in each second leaf
constexpr std::uint64_t kStep = 128;
constexpr std::uint64_t kBorder = kStable * kStep;
constexpr int kOperations = kThreadSanitizer ? 3000 : 40000;

struct Entry {
  rcu::RetireNode node;  // first
  std::uint64_t index = 0;
  std::atomic<std::uint64_t> magic{kAlive};
  SpinLock lock;
  std::uint64_t dirty = 0;  // guarded by lock; the mark stands for dirty != 0
};

void poison_and_free(rcu::RetireNode* node, void* /*context*/) {
  auto* const entry = reinterpret_cast<Entry*>(node);
  entry->magic.store(kPoison, std::memory_order_relaxed);
  delete entry;
}

// How long the writers go on: a number of operations, or the seconds that were asked for.
class Budget {
 public:
  Budget() {
    if (const char* const seconds = std::getenv("FLUSHWALK_TORTURE_SECONDS"); seconds != nullptr) {
      end_ = std::chrono::steady_clock::now() + std::chrono::seconds(std::atoi(seconds));
      timed_ = true;
    }
  }
  bool spent(int operations) const {
    return timed_ ? operations % 1024 == 0 && std::chrono::steady_clock::now() > end_
                  : operations >= kOperations;
  }

 private:
  bool timed_ = false;
  std::chrono::steady_clock::time_point end_;
};

class XArrayTorture : public ::testing::Test {
 protected:
  static bool is_stable(std::uint64_t index) { return index % kStep == 0 && index < kBorder; }

  void insert(std::uint64_t index) {
    auto* const entry = new Entry;
    entry->index = index;
    if (array.insert(index, entry) != Error::none) {
      delete entry;
    }
  }
  void erase(std::uint64_t index) {
    if (auto* const entry = static_cast<Entry*>(array.erase(index)); entry != nullptr) {
      retired.add(&entry->node, poison_and_free, nullptr);
    }
  }

  // The flush: clear the mark, then look, as the rule in xarray.h says.
  void collect(std::uint64_t index, void* found) {
    auto* const entry = static_cast<Entry*>(found);
    array.clear_mark(index);
    const std::lock_guard guard(entry->lock);
    collected += entry->dirty;
    entry->dirty = 0;
  }

  template <class Walk>
  void expect_all_stable(Walk&& walk) {
    const CallScope scope;
    std::uint64_t stable = 0;
    std::uint64_t next = 0;
    walk([&](std::uint64_t index, void* found) {
      const auto* const entry = static_cast<const Entry*>(found);
      const bool good = entry->magic.load(std::memory_order_relaxed) == kAlive &&
                        entry->index == index && index >= next;
      wrong += good ? 0 : 1;
      next = index + 1;
      stable += is_stable(index) ? 1U : 0U;
    });
    missed += stable != kStable ? 1 : 0;
  }

  void read() {
    while (!stop) {
      expect_all_stable([&](auto visit) { array.for_each(visit); });
      expect_all_stable([&](auto visit) { array.for_each_cursor<EmptySlots::scan>(visit); });
      expect_all_stable([&](auto visit) { array.for_each_cursor<EmptySlots::skip>(visit); });
      ++rounds;
    }
  }
  // Only the entries that stay keep their marks during this one.
  void read_marked() {
    while (!stop) {
      expect_all_stable([&](auto visit) { array.for_each_marked(visit); });
      missed += array.marked() ? 0 : 1;
      ++rounds;
    }
  }
  void flush() {
    while (!stop) {
      const CallScope scope;
      array.for_each_marked([&](std::uint64_t index, void* found) { collect(index, found); });
      ++rounds;
    }
  }

  // Changes what is not stable. Each writer has its own share of the indices.
  void write(unsigned seed, bool dirties) {
    std::mt19937_64 random(seed);
    const Budget budget;
    for (int i = 1; !budget.spent(i); ++i) {
      const CallScope scope;
      std::uint64_t index = random() % kBorder;
      if (random() % 4 == 0) {
        index = std::uint64_t{1} << (13 + random() % 51);
      }
      if (is_stable(index)) {
        dirty_or_mark(index, dirties);
      } else if (random() % 3 == 0) {
        insert(index);
        array.set_mark(index);
      } else if (random() % 5 == 0) {
        array.clear_mark(index);
      } else {
        erase(index);
      }
      if (random() % 8 == 0) {
        dirty_or_mark(random() % kStable * kStep, dirties);
      }
      if (i % 512 == 0) {
        for (unsigned bit = 13; bit < 64; ++bit) {
          erase(std::uint64_t{1} << bit);
        }
      }
    }
  }
  void dirty_or_mark(std::uint64_t index, bool dirties) {
    if (dirties) {
      auto* const entry = static_cast<Entry*>(array.load(index));
      const std::lock_guard guard(entry->lock);
      ++entry->dirty;
      ++dirtied;
    }
    array.set_mark(index);
  }

  // Runs the readers while two writers work and this thread frees what they retire.
  template <class... Read>
  void run(bool dirties, Read... read) {
    for (std::uint64_t i = 0; i < kStable; ++i) {
      insert(i * kStep);
      array.set_mark(i * kStep);
    }
    std::vector<std::thread> readers;
    (readers.emplace_back(read), ...);
    {
      const rcu::Offline waiting;
      while (rounds == 0) {
        std::this_thread::yield();
      }
    }
    std::atomic<int> writing{2};
    std::vector<std::thread> writers;
    for (unsigned seed = 1; seed <= 2; ++seed) {
      writers.emplace_back([&, seed] {
        write(seed, dirties);
        --writing;
      });
    }
    while (writing != 0) {
      retired.release();
      std::this_thread::yield();
    }
    stop = true;
    const rcu::Offline waiting;
    for (std::thread& thread : writers) {
      thread.join();
    }
    for (std::thread& thread : readers) {
      thread.join();
    }
  }

  void expect_sound() {
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(missed, 0);
    EXPECT_STREQ(array.broken_invariant(), nullptr);
    for (std::uint64_t index = 0; array.find(&index) != nullptr;) {
      erase(index);
    }
    EXPECT_FALSE(array.marked());
    retired.release();
    EXPECT_EQ(nodes.in_use(), 0U);
  }

  SlabPool nodes{XArray::kNodeBytes};
  rcu::RetireList retired;
  XArray array{nodes.of_queue(0), retired};
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::atomic<int> missed{0};
  std::atomic<int> rounds{0};
  std::atomic<std::uint64_t> dirtied{0};
  std::atomic<std::uint64_t> collected{0};
};

TEST_F(XArrayTorture, EveryWalkVisitsWhatStays) {
  run(
      false, [this] { read(); }, [this] { read_marked(); });
  expect_sound();
}

TEST_F(XArrayTorture, NoMarkIsLost) {
  run(
      true, [this] { flush(); }, [this] { read(); });
  {
    const CallScope scope;
    array.for_each_marked([&](std::uint64_t index, void* found) { collect(index, found); });
  }
  EXPECT_GT(dirtied, 0U);
  EXPECT_EQ(collected, dirtied) << "an entry is dirty and has no mark";
  expect_sound();
}

// The torture itself is put to the test: with a bug in it, a reader must meet an entry that would
// have been freed.
enum class Bug { none, freed_at_once, no_read_section };

class PlantedBug : public XArrayTorture, public ::testing::WithParamInterface<Bug> {
 protected:
  static constexpr std::uint64_t kIndices = 256;

  // Where an entry would be freed it is poisoned and kept, so that its reader goes on.
  static void poison(rcu::RetireNode* node, void* /*context*/) {
    reinterpret_cast<Entry*>(node)->magic.store(kPoison, std::memory_order_relaxed);
  }
  void erase_and_retire(std::uint64_t index) {
    auto* const entry = static_cast<Entry*>(array.erase(index));
    kept.emplace_back(entry);
    if (GetParam() == Bug::freed_at_once) {
      poison(&entry->node, nullptr);
    } else {
      retired.add(&entry->node, poison, nullptr);
    }
  }

  void look_at_all() {
    array.for_each_cursor<EmptySlots::skip>([this](std::uint64_t, void* found) {
      std::this_thread::yield();
      const auto* const entry = static_cast<const Entry*>(found);
      wrong += entry->magic.load(std::memory_order_relaxed) == kAlive ? 0 : 1;
    });
    ++rounds;
  }
  void read_until_stopped() {
    while (!stop) {
      if (GetParam() == Bug::no_read_section) {
        const rcu::Offline outside;
        look_at_all();
      } else {
        const CallScope scope;
        look_at_all();
      }
    }
  }

  std::vector<std::unique_ptr<Entry>> kept;
};

TEST_P(PlantedBug, IsSeenByAReader) {
  constexpr int kSoundRounds = 20;
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  // One entry in each leaf stays, so that no node is retired: only entries are.
  for (std::uint64_t index = 0; index < kIndices; ++index) {
    insert(index);
  }
  std::thread reader([this] { read_until_stopped(); });
  std::mt19937_64 random(5);
  const auto done = [&] {
    return GetParam() == Bug::none ? rounds >= kSoundRounds
                                   : wrong != 0 || std::chrono::steady_clock::now() > give_up;
  };
  while (!done()) {
    const std::uint64_t index = random() % kIndices;
    if (index % XArray::kSlots != 0) {
      erase_and_retire(index);
      insert(index);
    }
    retired.release();
    std::this_thread::yield();
  }
  stop = true;
  {
    const rcu::Offline waiting;
    reader.join();
  }
  EXPECT_EQ(wrong != 0, GetParam() != Bug::none);
  for (std::uint64_t index = 0; array.find(&index) != nullptr;) {
    erase_and_retire(index);
  }
  retired.release();
}

INSTANTIATE_TEST_SUITE_P(All, PlantedBug,
                         ::testing::Values(Bug::none, Bug::freed_at_once, Bug::no_read_section),
                         [](const auto& bug) {
                           return std::string(bug.param == Bug::none ? "none"
                                              : bug.param == Bug::freed_at_once
                                                  ? "freed_at_once"
                                                  : "no_read_section");
                         });

}  // namespace
}  // namespace flushwalk
