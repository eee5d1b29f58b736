// Readers of an xarray against a writer: every entry that they get lives, every entry that is
// there all the time is found.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

#include "allocator/call_scope.h"
#include "allocator/tests/sanitizers.h"
#include "allocator/xarray.h"

namespace flushwalk {
namespace {

constexpr int kTurnsFactor = kThreadSanitizer ? 1 : 4;

constexpr std::uint64_t kAlive = 0x600d600d600d600d;
constexpr std::uint64_t kPoison = 0xdeaddeaddeaddead;
constexpr std::uint64_t kStableStep = 100;  // indices 0, 100, 200, ... stay
constexpr std::uint64_t kStable = 40;
constexpr std::uint64_t kBorder = 5000;  // up to here the writer fills and clears whole leaves
constexpr int kReaders = 2;

struct Entry {
  rcu::RetireNode node;  // first
  std::uint64_t index = 0;
  std::uint64_t magic = kAlive;
};

void poison_and_free(rcu::RetireNode* node, void* /*context*/) {
  auto* const entry = reinterpret_cast<Entry*>(node);
  entry->magic = kPoison;
  delete entry;
}

class XArrayStress : public ::testing::Test {
 protected:
  static bool is_stable(std::uint64_t index) {
    return index % kStableStep == 0 && index < kStable * kStableStep;
  }

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

  void check(const void* found, std::uint64_t index) {
    const auto* const entry = static_cast<const Entry*>(found);
    if (entry->magic != kAlive || entry->index != index) {
      ++wrong;
    }
  }

  void read(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    while (!stop) {
      {
        const CallScope scope;
        std::uint64_t stable = 0;
        std::uint64_t before = 0;
        bool first = true;
        array.for_each([&](std::uint64_t index, void* found) {
          check(found, index);
          wrong += !first && index <= before ? 1 : 0;
          first = false;
          before = index;
          stable += is_stable(index) ? 1U : 0U;
        });
        missed += stable != kStable ? 1 : 0;
      }
      for (int i = 0; i < 20; ++i) {
        const CallScope scope;
        std::uint64_t index = random() % kBorder;
        if (const void* const found = array.load(index); found != nullptr) {
          check(found, index);
        } else {
          missed += is_stable(index) ? 1 : 0;
        }
        const std::uint64_t from = index;
        if (const void* const found = array.find(&index); found != nullptr) {
          check(found, index);
          wrong += index < from ? 1 : 0;
          // Nothing stable lies between.
          const std::uint64_t next = (from + kStableStep - 1) / kStableStep * kStableStep;
          missed += is_stable(next) && index > next ? 1 : 0;
        }
      }
      ++rounds;
    }
  }

  // Grows and shrinks the tree by far indices, fills and clears leaves around the stable entries.
  void write(int operations) {
    std::mt19937_64 random(99);
    for (int i = 0; i < operations; ++i) {
      std::uint64_t index = random() % kBorder;
      switch (random() % 4) {
        case 0:
          index = std::uint64_t{1} << (13 + random() % 51);
          break;
        case 1:
          index = random() % 70;
          break;
        default:
          break;
      }
      if (!is_stable(index)) {
        if (random() % 2 == 0) {
          insert(index);
        } else {
          erase(index);
        }
      }
      if (i % 1000 == 999) {
        // To the bottom, so that the head shrinks and grows again.
        for (unsigned bit = 13; bit < 64; ++bit) {
          erase(std::uint64_t{1} << bit);
        }
      }
      if (i % 256 == 0) {
        retired.release();
      }
    }
  }

  SlabPool nodes{XArray::kNodeBytes};
  rcu::RetireList retired;
  XArray array{nodes.of_queue(0), retired};
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::atomic<int> missed{0};
  std::atomic<int> rounds{0};
};

TEST_F(XArrayStress, ReadersSeeLiveEntriesAndMissNone) {
  for (std::uint64_t i = 0; i < kStable; ++i) {
    insert(i * kStableStep);
  }
  std::vector<std::thread> readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.emplace_back([this, i] { read(static_cast<std::uint64_t>(i)); });
  }
  {
    const rcu::Offline waiting;
    while (rounds < kReaders) {
      std::this_thread::yield();
    }
  }
  write(5000 * kTurnsFactor);
  stop = true;
  {
    const rcu::Offline waiting;
    for (std::thread& reader : readers) {
      reader.join();
    }
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(missed, 0);
  for (std::uint64_t index = 0; array.find(&index) != nullptr;) {
    erase(index);
  }
  retired.release();
  EXPECT_EQ(nodes.in_use(), 0U);
}

// The only marked entry goes, and another one comes into the head, between a walk's looks there:
// what is visited is the entry whose mark was cleared, and never nothing.
TEST_F(XArrayStress, AWalkThatClearsVisitsWhatItHasCleared) {
  constexpr int kTurns = 100'000 * kTurnsFactor;
  std::array<Entry, 2> entries;  // below a node, and in the head
  entries[0].index = 5;
  std::thread walker([&] {
    while (!stop) {
      const CallScope scope;
      array.for_each_marked_and_clear([&](std::uint64_t index, void* found) {
        const bool one_of_them = found == &entries[0] || found == &entries[1];
        wrong += one_of_them && static_cast<Entry*>(found)->index == index ? 0 : 1;
      });
    }
  });
  for (int i = 0; i < kTurns; ++i) {
    const CallScope scope;
    for (Entry& entry : entries) {
      array.insert(entry.index, &entry);
      array.set_mark(entry.index);
      array.erase(entry.index);
    }
    if (i % 256 == 0) {
      retired.release();
    }
  }
  stop = true;
  {
    const rcu::Offline waiting;
    walker.join();
  }
  EXPECT_EQ(wrong, 0);
  retired.release();
}

}  // namespace
}  // namespace flushwalk
