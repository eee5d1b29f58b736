// Marks, store and the cursor walks of an xarray, with its invariants after each operation; and
// walks in whose middle the tree changes under the cursor.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <thread>
#include <type_traits>
#include <vector>

#include "allocator/call_scope.h"
#include "allocator/tests/sanitizers.h"
#include "allocator/xarray.h"

namespace flushwalk {
namespace {

using ::testing::IsSupersetOf;

constexpr std::uint64_t kMaxKey = XArray::kMaxIndex;
constexpr std::uint64_t kHighKey = std::uint64_t{1} << 63;

enum class Way { for_each, scan, skip, marked };
constexpr Way kAllWays[] = {Way::for_each, Way::scan, Way::skip, Way::marked};

template <class Visit>
void walk(const XArray& array, Way way, Visit&& visit) {
  switch (way) {
    case Way::for_each:
      return array.for_each(visit);
    case Way::scan:
      return array.for_each_cursor<EmptySlots::scan>(visit);
    case Way::skip:
      return array.for_each_cursor<EmptySlots::skip>(visit);
    case Way::marked:
      return array.for_each_marked(visit);
  }
}

class XArrayWalkTest : public ::testing::Test {
 protected:
  XArrayWalkTest() : entries_(4096) {}

  void* entry(std::size_t number) { return &entries_[number % entries_.size()]; }

  void insert(std::uint64_t index) {
    ASSERT_EQ(array.insert(index, entry(index)), Error::none);
    model[index] = entry(index);
  }
  void insert_marked(std::uint64_t index) {
    insert(index);
    ASSERT_TRUE(array.set_mark(index));
    marks.insert(index);
  }

  std::map<std::uint64_t, void*> found_by(Way way) const {
    std::map<std::uint64_t, void*> found;
    std::uint64_t before = 0;
    walk(array, way, [&](std::uint64_t index, void* there) {
      EXPECT_TRUE(found.empty() || index > before) << "ascending";
      before = index;
      found[index] = there;
    });
    return found;
  }

  void expect_equals_model() {
    ASSERT_STREQ(array.broken_invariant(), nullptr);
    for (const Way way : {Way::for_each, Way::scan, Way::skip}) {
      ASSERT_EQ(found_by(way), model) << static_cast<int>(way);
    }
    std::set<std::uint64_t> found;
    for (const auto& [index, there] : found_by(Way::marked)) {
      ASSERT_EQ(there, model.at(index));
      found.insert(index);
    }
    ASSERT_EQ(found, marks);
    ASSERT_EQ(array.marked(), !marks.empty());
  }

  // One random operation, on the array and on the model.
  void step(std::mt19937_64& random, std::uint64_t index) {
    const bool there = model.contains(index);
    void* const added = entry(random());
    switch (random() % 6) {
      case 0:
        ASSERT_EQ(array.insert(index, added), there ? Error::busy : Error::none);
        model.try_emplace(index, added);
        break;
      case 1: {
        const XArray::Stored stored = array.store(index, added);
        ASSERT_EQ(stored.error, Error::none);
        ASSERT_EQ(stored.replaced, there ? model[index] : nullptr);
        model[index] = added;
        break;
      }
      case 2:
        ASSERT_EQ(array.erase(index), there ? model[index] : nullptr);
        model.erase(index);
        marks.erase(index);
        break;
      case 3:
      case 4:
        ASSERT_EQ(array.set_mark(index), there);
        if (there) {
          marks.insert(index);
        }
        break;
      default:
        ASSERT_EQ(array.clear_mark(index), marks.erase(index) != 0);
        break;
    }
    ASSERT_EQ(array.get_mark(index), marks.contains(index));
    ASSERT_EQ(array.load(index), model.contains(index) ? model[index] : nullptr);
  }

  SlabPool nodes{XArray::kNodeBytes};
  rcu::RetireList retired;
  XArray array{nodes.of_queue(0), retired};
  std::map<std::uint64_t, void*> model;
  std::set<std::uint64_t> marks;

 private:
  std::vector<std::uint64_t> entries_;
};

TEST_F(XArrayWalkTest, AnEmptyArrayHasNoMarks) {
  for (const std::uint64_t index : {std::uint64_t{0}, std::uint64_t{1}, kHighKey, kMaxKey}) {
    EXPECT_FALSE(array.set_mark(index));
    EXPECT_FALSE(array.get_mark(index));
    EXPECT_FALSE(array.clear_mark(index));
  }
  expect_equals_model();
}

TEST_F(XArrayWalkTest, TheEntryInTheHeadHasItsMark) {
  insert_marked(0);
  expect_equals_model();
  EXPECT_EQ(nodes.in_use(), 0U);
  EXPECT_EQ(array.load(0), entry(0)) << "without the tag";
  std::uint64_t at = 0;
  EXPECT_EQ(array.find(&at), entry(0));
  EXPECT_EQ(array.store(0, entry(7)).replaced, entry(0));
  EXPECT_TRUE(array.get_mark(0)) << "a mark stays when the entry is replaced";
  EXPECT_TRUE(array.clear_mark(0));
  EXPECT_FALSE(array.clear_mark(0));
  EXPECT_TRUE(array.set_mark(0));
  EXPECT_EQ(array.erase(0), entry(7));
  EXPECT_EQ(array.insert(0, entry(1)), Error::none);
  EXPECT_FALSE(array.get_mark(0)) << "a mark goes with its entry";
}

// From the head into a leaf, under one root after the other, and back.
TEST_F(XArrayWalkTest, MarksSurviveGrowthAndShrinking) {
  insert_marked(0);
  const std::vector<std::uint64_t> grown = {1, 64, 4096, std::uint64_t{1} << 30, kMaxKey};
  for (const std::uint64_t index : grown) {
    insert(index);
    ASSERT_NO_FATAL_FAILURE(expect_equals_model()) << index;
  }
  for (auto index = grown.rbegin(); index != grown.rend(); ++index) {
    ASSERT_EQ(array.erase(*index), entry(*index));
    model.erase(*index);
    ASSERT_NO_FATAL_FAILURE(expect_equals_model()) << *index;
  }
}

// Random trees, the marks of the whole taken at once; what is marked from inside of the walk,
// before or behind the place where it stands, is marked afterwards.
TEST_F(XArrayWalkTest, TakingTheMarksVisitsEachOnceAndLeavesNone) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    const std::uint64_t spread = std::uint64_t{1} << (random() % 40);
    for (int i = 0; i < 40; ++i) {
      const std::uint64_t index = random() % 64 * spread;
      if (!model.contains(index)) {
        insert(index);
      }
      if (random() % 2 == 0) {
        array.set_mark(index);
        marks.insert(index);
      }
    }
    const std::uint64_t again = marks.empty() ? 0 : *marks.begin();
    std::set<std::uint64_t> taken;
    array.for_each_marked_and_clear([&](std::uint64_t index, void* there) {
      EXPECT_EQ(there, model.at(index));
      EXPECT_TRUE(taken.insert(index).second);
      EXPECT_FALSE(array.get_mark(index)) << "cleared before it is visited";
      if (taken.size() == marks.size()) {
        array.set_mark(again);
      }
    });
    EXPECT_EQ(taken, marks);
    EXPECT_EQ(array.broken_invariant(), nullptr);
    EXPECT_EQ(array.marked(), !marks.empty());
    EXPECT_TRUE(marks.empty() || array.clear_mark(again));
    EXPECT_FALSE(array.marked());
    for (const auto& [index, there] : model) {
      array.erase(index);
    }
    model.clear();
    marks.clear();
  }
}

// A walk by bits goes over so many leaves at a time: whole groups, and what is left of the last.
TEST_F(XArrayWalkTest, AnyNumberOfLeavesIsWalked) {
  for (std::uint64_t leaf = 0; leaf < 200; ++leaf) {
    insert_marked(leaf * 64 + leaf % 64);
    if (leaf % 3 == 0) {
      insert_marked(leaf * 64 + 63 - leaf % 64);
    }
    ASSERT_NO_FATAL_FAILURE(expect_equals_model()) << leaf + 1 << " leaves";
  }
  std::set<std::uint64_t> taken;
  array.for_each_marked_and_clear([&](std::uint64_t index, void* there) {
    EXPECT_EQ(there, model.at(index));
    EXPECT_TRUE(taken.insert(index).second);
  });
  EXPECT_EQ(taken, marks);
  marks.clear();
  expect_equals_model();
}

// The word of a node's only mark is not taken for the same word in another slot.
TEST_F(XArrayWalkTest, AnEntryMayStandInSeveralSlots) {
  ASSERT_EQ(array.insert(3, entry(0)), Error::none);
  ASSERT_EQ(array.insert(9, entry(0)), Error::none);
  ASSERT_TRUE(array.set_mark(3));
  ASSERT_EQ(array.store(9, entry(1)).replaced, entry(0));
  EXPECT_STREQ(array.broken_invariant(), nullptr);
  ASSERT_EQ(array.store(3, entry(2)).replaced, entry(0));
  EXPECT_STREQ(array.broken_invariant(), nullptr);
  array.for_each_marked_and_clear([&](std::uint64_t index, void* there) {
    EXPECT_EQ(index, 3U);
    EXPECT_EQ(there, entry(2));
  });
}

TEST_F(XArrayWalkTest, StoreRefusesWhatInsertRefuses) {
  EXPECT_EQ(array.store(5, nullptr).error, Error::invalid);
  for (const int off : {1, 2, 3}) {
    EXPECT_EQ(array.store(5, static_cast<std::byte*>(entry(0)) + off).error, Error::invalid);
  }
  nodes.set_limit(0);
  EXPECT_EQ(array.store(5, entry(0)).error, Error::no_memory);
  EXPECT_TRUE(array.empty());
}

TEST_F(XArrayWalkTest, RandomOperationsEqualTheModel) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 6000; ++i) {
    std::uint64_t index = 0;
    switch (random() % 5) {
      case 0:
        index = random() % 3;
        break;
      case 1:
        index = random() % 130;
        break;
      case 2:
        index = random() % 20 * 64;
        break;
      case 3:
        index = random() >> (random() % 64);
        break;
      default:
        index = kMaxKey - random() % 70;
        break;
    }
    if (!model.empty() && random() % 3 == 0) {
      const auto there = model.lower_bound(index);
      index = there == model.end() ? model.rbegin()->first : there->first;
    }
    ASSERT_NO_FATAL_FAILURE(step(random, index)) << i;
    ASSERT_STREQ(array.broken_invariant(), nullptr) << i;
    if (i % 16 == 0) {
      ASSERT_NO_FATAL_FAILURE(expect_equals_model()) << i;
    }
    if (i % 500 == 499) {  // to the bottom now and then
      while (!model.empty()) {
        const std::uint64_t last = model.rbegin()->first;
        ASSERT_EQ(array.erase(last), model[last]);
        ASSERT_STREQ(array.broken_invariant(), nullptr);
        model.erase(last);
        marks.erase(last);
      }
      retired.release();
      ASSERT_EQ(nodes.in_use(), 0U);
    }
  }
}

TEST_F(XArrayWalkTest, NoMemoryKeepsMarksAndInvariants) {
  insert_marked(0);
  for (const std::uint64_t index : {std::uint64_t{5}, std::uint64_t{100}, kHighKey}) {
    for (std::size_t spare = 0;; ++spare) {
      nodes.set_limit(nodes.in_use() + spare);
      const std::size_t before = nodes.in_use();
      const Error error = array.store(index, entry(index)).error;
      if (error == Error::none) {
        break;
      }
      ASSERT_EQ(error, Error::no_memory);
      ASSERT_EQ(nodes.in_use(), before);
      ASSERT_EQ(retired.size(), 0U) << "nothing was ever linked";
      ASSERT_NO_FATAL_FAILURE(expect_equals_model());
    }
    model[index] = entry(index);
    ASSERT_NO_FATAL_FAILURE(expect_equals_model());
  }
  nodes.set_limit(~std::size_t{0});
}

// What happens while the walk stands at an entry. What was there before and stays must be visited.
struct Change {
  const char* name;
  std::vector<std::uint64_t> before;
  std::uint64_t at;
  std::vector<std::uint64_t> erased;
  std::vector<std::uint64_t> inserted;
};

class ChangedWalkTest : public XArrayWalkTest {
 protected:
  void expect_nothing_missed(const Change& change, Way way) {
    for (const std::uint64_t index : change.before) {
      insert_marked(index);
    }
    std::set<std::uint64_t> stays(change.before.begin(), change.before.end());
    std::set<std::uint64_t> visited;
    walk(array, way, [&](std::uint64_t index, void*) {
      ASSERT_TRUE(visited.insert(index).second) << "twice";
      if (index != change.at) {
        return;
      }
      for (const std::uint64_t gone : change.erased) {
        ASSERT_NE(array.erase(gone), nullptr);
        stays.erase(gone);
      }
      for (const std::uint64_t added : change.inserted) {
        ASSERT_EQ(array.insert(added, entry(added)), Error::none);
        ASSERT_TRUE(array.set_mark(added));
      }
    });
    EXPECT_THAT(visited, IsSupersetOf(stays)) << change.name << ' ' << static_cast<int>(way);
    ASSERT_STREQ(array.broken_invariant(), nullptr);
    std::uint64_t index = 0;
    while (array.find(&index) != nullptr) {
      array.erase(index);
    }
    retired.release();
    model.clear();
    marks.clear();
  }
};

TEST_F(ChangedWalkTest, WhatStaysIsVisited) {
  const std::vector<Change> changes = {
      {"its leaf goes and comes again", {1, 70, 71, 200}, 70, {70, 71}, {70, 71, 72}},
      {"its branch goes and comes again", {1, 5000, 9000}, 5000, {5000}, {5000, 5001}},
      {"the root goes", {1, 2, 5000}, 1, {5000}, {}},
      {"the root goes, another comes", {1, 2, 63, 5000}, 1, {5000}, {kHighKey, 9000}},
      {"the tree grows above", {0, 1, 50}, 0, {}, {64, 4096, kMaxKey}},
      {"the head gets a node", {0}, 0, {}, {1, 100}},
      {"the leaf becomes the head", {0, 5}, 0, {5}, {}},
      {"the leaf becomes the head and grows", {0, 5}, 0, {5}, {5, 70}},
      {"all goes", {0, 5, 100, 5000}, 5, {0, 5, 100, 5000}, {5, 6}},
      {"a leaf before it goes", {0, 64, 128, 192}, 64, {0}, {1}},
  };
  for (const Change& change : changes) {
    for (const Way way : kAllWays) {
      ASSERT_NO_FATAL_FAILURE(expect_nothing_missed(change, way));
    }
  }
}

TEST_F(ChangedWalkTest, AnyChangeInTheMiddle) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 1500; ++round) {
    std::set<std::uint64_t> before;
    const std::uint64_t range = std::uint64_t{2} << (random() % 20);
    for (std::uint64_t i = 0; i < 1 + random() % 12; ++i) {
      before.insert(random() % range);
    }
    Change change{"random", {before.begin(), before.end()}, 0, {}, {}};
    change.at = change.before[random() % change.before.size()];
    for (const std::uint64_t index : change.before) {
      if (random() % 2 == 0) {
        change.erased.push_back(index);
      }
    }
    std::set<std::uint64_t> added;
    for (std::uint64_t i = 0; i < random() % 6; ++i) {
      const std::uint64_t index = random() >> (random() % 64);
      if (!before.contains(index)) {
        added.insert(index);
      }
    }
    change.inserted.assign(added.begin(), added.end());
    for (const Way way : kAllWays) {
      ASSERT_NO_FATAL_FAILURE(expect_nothing_missed(change, way)) << round;
    }
  }
}

// A walk stands in a leaf, and all the leaf's entries are erased. A freed node is filled with a
// pattern: with a grace period the walk never sees it, without one it does.
class UnlinkedNodeTest : public XArrayWalkTest {
 protected:
  static constexpr std::uint64_t kPattern = 0xdeadbeefdeadbee0;

  ~UnlinkedNodeTest() override {
    for (void* node : poisoned_) {
      nodes.give_back(node);
    }
  }

  // Frees what is retired, as a list would that knows no grace period, and overwrites it: slots
  // with the pattern, headers with zero, which ends the walk.
  void free_at_once() {
    const std::size_t freed = retired.release();
    for (std::size_t i = 0; i < freed; ++i) {
      auto* const node = static_cast<std::byte*>(nodes.take());
      std::memset(node, 0, XArray::kNodeBytes);
      for (std::size_t at = 64; at < XArray::kNodeBytes; at += sizeof(kPattern)) {
        std::memcpy(node + at, &kPattern, sizeof(kPattern));
      }
      poisoned_.push_back(node);
    }
  }

  int poison_seen(Way way, const std::function<void()>& after_unlinking) {
    for (std::uint64_t index = 0; index < 8; ++index) {
      insert_marked(index);
    }
    int seen = 0;
    walk(array, way, [&](std::uint64_t, void* found) {
      if (reinterpret_cast<std::uintptr_t>(found) == kPattern) {
        ++seen;
      } else if (!array.empty()) {
        for (std::uint64_t index = 0; index < 8; ++index) {
          EXPECT_NE(array.erase(index), nullptr);
        }
        after_unlinking();
      }
    });
    return seen;
  }

 private:
  std::vector<void*> poisoned_;  // stay taken until the walk has ended
};

TEST_F(UnlinkedNodeTest, AReaderStandingInItSeesItsLastState) {
  for (const Way way : kAllWays) {
    EXPECT_EQ(poison_seen(way, [] {}), 0);
    free_at_once();
  }
}

TEST_F(UnlinkedNodeTest, FreedAtOnceItIsSeenPoisoned) {
  for (const Way way : {Way::scan, Way::skip, Way::marked}) {
    EXPECT_GT(poison_seen(way, [this] { free_at_once(); }), 0) << static_cast<int>(way);
  }
}

// The same with a reader in a thread of its own, which stands in the leaf while this one unlinks
// it.
class ReaderThreadTest : public UnlinkedNodeTest {
 protected:
  template <class Section>
  int poison_seen_in() {
    for (std::uint64_t index = 0; index < 8; ++index) {
      insert_marked(index);
    }
    std::atomic<bool> stands{false};
    std::atomic<bool> go_on{false};
    int seen = 0;
    std::thread reader([&] {
      const Section section;
      array.for_each_cursor<EmptySlots::scan>([&](std::uint64_t, void* found) {
        seen += reinterpret_cast<std::uintptr_t>(found) == kPattern ? 1 : 0;
        stands = true;
        while (!go_on) {
          std::this_thread::yield();
        }
      });
    });
    while (!stands) {
      std::this_thread::yield();
    }
    for (std::uint64_t index = 0; index < 8; ++index) {
      EXPECT_NE(array.erase(index), nullptr);
    }
    std::thread freer([&] {
      free_at_once();
      go_on = true;
    });
    if (std::is_same_v<Section, CallScope>) {
      go_on = true;  // the freer waits for the reader
    }
    const rcu::Offline waiting;
    freer.join();
    reader.join();
    return seen;
  }
};

TEST_F(ReaderThreadTest, AReadSideSectionKeepsTheNode) {
  EXPECT_EQ(poison_seen_in<CallScope>(), 0);
}

TEST_F(ReaderThreadTest, WithoutASectionItIsSeenPoisoned) {
  if (kThreadSanitizer) {
    GTEST_SKIP() << "reports the race itself";
  }
  EXPECT_GT(poison_seen_in<rcu::Offline>(), 0);
}

}  // namespace
}  // namespace flushwalk
