#include "allocator/xarray.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace flushwalk {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

using Model = std::map<std::uint64_t, void*>;
constexpr std::uint64_t kMax = XArray::kMaxIndex;
constexpr std::uint64_t kHigh = std::uint64_t{1} << 63;

class XArrayTest : public ::testing::Test {
 protected:
  XArrayTest() : entries_(4096) {}

  void* entry(std::size_t number) { return &entries_[number % entries_.size()]; }

  std::vector<std::pair<std::uint64_t, void*>> contents() const {
    std::vector<std::pair<std::uint64_t, void*>> all;
    array.for_each([&](std::uint64_t index, void* found) { all.emplace_back(index, found); });
    return all;
  }

  // How many nodes the kernel's xarray has for these indices.
  static std::size_t nodes_for(const Model& model) {
    if (model.empty() || model.rbegin()->first == 0) {
      return 0;
    }
    const unsigned bits = static_cast<unsigned>(std::bit_width(model.rbegin()->first));
    const unsigned height = (bits + XArray::kShift - 1) / XArray::kShift;
    std::size_t count = 1;  // the root
    for (unsigned level = 1; level < height; ++level) {
      std::set<std::uint64_t> distinct;
      for (const auto& [index, unused] : model) {
        distinct.insert(index >> (level * XArray::kShift));
      }
      count += distinct.size();
    }
    return count;
  }

  void expect_equals(const Model& model) {
    std::vector<std::pair<std::uint64_t, void*>> expected(model.begin(), model.end());
    ASSERT_EQ(contents(), expected);
    ASSERT_EQ(array.empty(), model.empty());
    retired.release();
    ASSERT_EQ(nodes.in_use(), nodes_for(model));
  }

  void expect_finds_as(const Model& model, std::uint64_t index) {
    const auto here = model.find(index);
    ASSERT_EQ(array.load(index), here == model.end() ? nullptr : here->second) << index;
    std::uint64_t at = index;
    const auto next = model.lower_bound(index);
    ASSERT_EQ(array.find(&at), next == model.end() ? nullptr : next->second) << index;
    ASSERT_EQ(at, next == model.end() ? index : next->first);
    at = index;
    const auto after = model.upper_bound(index);
    ASSERT_EQ(array.find_after(&at), after == model.end() ? nullptr : after->second) << index;
    ASSERT_EQ(at, after == model.end() ? index : after->first);
  }

  SlabPool nodes{XArray::kNodeBytes};
  rcu::RetireList retired;
  XArray array{nodes.of_queue(0), retired};

 private:
  std::vector<std::uint64_t> entries_;
};

TEST_F(XArrayTest, EmptyHasNothing) {
  EXPECT_TRUE(array.empty());
  EXPECT_THAT(contents(), IsEmpty());
  for (const std::uint64_t index : {std::uint64_t{0}, std::uint64_t{1}, kHigh, kMax}) {
    expect_finds_as({}, index);
    EXPECT_EQ(array.erase(index), nullptr);
  }
  EXPECT_EQ(nodes.in_use(), 0U);
}

TEST_F(XArrayTest, OneEntryAtIndexZeroNeedsNoNode) {
  EXPECT_EQ(array.insert(0, entry(0)), Error::none);
  EXPECT_EQ(nodes.in_use(), 0U);
  EXPECT_FALSE(array.empty());
  EXPECT_THAT(contents(), ElementsAre(Pair(0U, entry(0))));
  expect_finds_as({{0, entry(0)}}, 0);
  expect_finds_as({{0, entry(0)}}, 1);
  EXPECT_EQ(array.insert(0, entry(1)), Error::busy);
  EXPECT_EQ(array.erase(1), nullptr);
  EXPECT_EQ(array.erase(kMax), nullptr);
  EXPECT_EQ(array.erase(0), entry(0));
  EXPECT_EQ(array.erase(0), nullptr);
  EXPECT_TRUE(array.empty());
}

TEST_F(XArrayTest, ATakenIndexIsBusyAndKeepsItsEntry) {
  for (const std::uint64_t index : {std::uint64_t{0}, std::uint64_t{63}, std::uint64_t{4096}}) {
    ASSERT_EQ(array.insert(index, entry(1)), Error::none);
    EXPECT_EQ(array.insert(index, entry(2)), Error::busy);
    EXPECT_EQ(array.load(index), entry(1));
  }
  expect_equals({{0, entry(1)}, {63, entry(1)}, {4096, entry(1)}});
}

TEST_F(XArrayTest, NullAndMisalignedEntriesAreInvalid) {
  auto* const bytes = static_cast<std::byte*>(entry(0));
  EXPECT_EQ(array.insert(5, nullptr), Error::invalid);
  EXPECT_EQ(array.insert(5, bytes + 1), Error::invalid);
  EXPECT_EQ(array.insert(5, bytes + 2), Error::invalid);
  EXPECT_EQ(array.insert(5, bytes + 3), Error::invalid);
  EXPECT_EQ(array.insert(0, bytes + 1), Error::invalid);
  EXPECT_TRUE(array.empty());
  EXPECT_EQ(array.insert(5, bytes + 8), Error::none);
}

// Every pair of indices at which a level begins or ends, in both orders.
TEST_F(XArrayTest, PairsOfAdversarialIndices) {
  const std::vector<std::uint64_t> indices = {
      0,         1,     62,         63,        64,        65,       127,
      128,       4032,  4095,       4096,      4097,      262143,   262144,
      kHigh - 1, kHigh, kHigh + 64, kMax - 64, kMax - 63, kMax - 1, kMax};
  for (const std::uint64_t first : indices) {
    for (const std::uint64_t second : indices) {
      if (first == second) {
        continue;
      }
      Model model{{first, entry(1)}, {second, entry(2)}};
      ASSERT_EQ(array.insert(first, entry(1)), Error::none);
      ASSERT_EQ(array.insert(second, entry(2)), Error::none);
      ASSERT_NO_FATAL_FAILURE(expect_equals(model)) << first << ' ' << second;
      for (const std::uint64_t index : indices) {
        ASSERT_NO_FATAL_FAILURE(expect_finds_as(model, index)) << first << ' ' << second;
      }
      ASSERT_EQ(array.erase(first), entry(1));
      model.erase(first);
      ASSERT_NO_FATAL_FAILURE(expect_equals(model)) << first << ' ' << second;
      ASSERT_NO_FATAL_FAILURE(expect_finds_as(model, second));
      ASSERT_EQ(array.erase(second), entry(2));
      ASSERT_TRUE(array.empty());
    }
  }
  retired.release();
  EXPECT_EQ(nodes.in_use(), 0U);
}

TEST_F(XArrayTest, DenseFilledAndEmptied) {
  Model model;
  for (std::uint64_t index = 0; index < 4200; ++index) {
    ASSERT_EQ(array.insert(index, entry(index)), Error::none);
    model[index] = entry(index);
  }
  expect_equals(model);
  EXPECT_EQ(nodes.in_use(), 1U + 2U + 66U);
  for (std::uint64_t index = 4200; index-- > 0;) {
    ASSERT_EQ(array.erase(index), entry(index));
    ASSERT_EQ(array.load(index), nullptr);
    model.erase(index);
    if (index % 64 < 2) {
      ASSERT_NO_FATAL_FAILURE(expect_equals(model));
    }
  }
  EXPECT_EQ(nodes.in_use(), 0U);
}

// Erasing in the middle leaves the height; erasing the highest lowers it at once.
TEST_F(XArrayTest, ShrinksAsFarAsTheLeftmostPathAlone) {
  for (const std::uint64_t index :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{4095}, std::uint64_t{4096}, kMax}) {
    ASSERT_EQ(array.insert(index, entry(3)), Error::none);
  }
  ASSERT_EQ(array.erase(kMax), entry(3));
  retired.release();
  EXPECT_EQ(nodes.in_use(), 1U + 2U + 3U);
  ASSERT_EQ(array.erase(4096), entry(3));
  retired.release();
  EXPECT_EQ(nodes.in_use(), 1U + 2U);
  ASSERT_EQ(array.erase(4095), entry(3));
  retired.release();
  EXPECT_EQ(nodes.in_use(), 1U);
  ASSERT_EQ(array.erase(1), entry(3));
  retired.release();
  EXPECT_EQ(nodes.in_use(), 0U) << "one entry at index 0 stands in the head";
  EXPECT_EQ(array.load(0), entry(3));
  // It grows again from there, and what is found climbs through the new parents.
  ASSERT_EQ(array.insert(kHigh, entry(4)), Error::none);
  EXPECT_THAT(contents(), ElementsAre(Pair(0U, entry(3)), Pair(kHigh, entry(4))));
}

TEST_F(XArrayTest, RandomOperationsEqualAMap) {
  std::mt19937_64 random(7);
  Model model;
  const auto random_index = [&]() -> std::uint64_t {
    switch (random() % 4) {
      case 0:
        return random() % 100;
      case 1:
        return random() % 5000;
      case 2:
        return random() >> (random() % 64);
      default:
        return kMax - random() % 200;
    }
  };
  for (int step = 0; step < 20000; ++step) {
    // Fills for a while, then empties for a while.
    const bool filling = step / 700 % 2 == 0;
    std::uint64_t index = random_index();
    if (random() % 10 < (filling ? 7U : 2U)) {
      void* const added = entry(random());
      ASSERT_EQ(array.insert(index, added), model.contains(index) ? Error::busy : Error::none);
      model.try_emplace(index, added);
    } else {
      if (!model.empty() && random() % 8 != 0) {
        const auto there = model.lower_bound(index);
        index = there == model.end() ? model.begin()->first : there->first;
      }
      const auto there = model.find(index);
      ASSERT_EQ(array.erase(index), there == model.end() ? nullptr : there->second);
      model.erase(index);
    }
    ASSERT_NO_FATAL_FAILURE(expect_finds_as(model, random_index()));
    if (step % 50 == 0) {
      ASSERT_NO_FATAL_FAILURE(expect_equals(model));
    }
  }
  while (!model.empty()) {
    ASSERT_EQ(array.erase(model.begin()->first), model.begin()->second);
    model.erase(model.begin());
  }
  expect_equals({});
  EXPECT_EQ(nodes.in_use(), 0U);
}

// Fails an insert at each node that it needs, and wants the tree as it was.
TEST_F(XArrayTest, NoMemoryAtAnyPointLeavesTheTreeAsItWas) {
  const std::vector<Model> trees = {
      {},
      {{0, entry(1)}},
      {{1, entry(1)}},
      {{63, entry(1)}},
      {{0, entry(1)}, {64, entry(2)}},
      {{5, entry(1)}, {4096, entry(2)}},
      {{100, entry(1)}, {kHigh, entry(2)}},
      {{kMax, entry(1)}},
  };
  for (const Model& tree : trees) {
    for (const auto& [index, there] : tree) {
      ASSERT_EQ(array.insert(index, there), Error::none);
    }
    for (const std::uint64_t index : {std::uint64_t{2}, std::uint64_t{65}, std::uint64_t{4160},
                                      std::uint64_t{300000}, kHigh + 70, kMax - 65}) {
      std::size_t failures = 0;
      for (std::size_t spare = 0;; ++spare) {
        retired.release();
        nodes.set_limit(nodes.in_use() + spare);
        const Error error = array.insert(index, entry(9));
        nodes.set_limit(~std::size_t{0});
        if (error == Error::none) {
          break;
        }
        ++failures;
        ASSERT_EQ(error, Error::no_memory);
        ASSERT_NO_FATAL_FAILURE(expect_equals(tree)) << index << " with " << spare;
        ASSERT_NO_FATAL_FAILURE(expect_finds_as(tree, index));
        ASSERT_NO_FATAL_FAILURE(expect_finds_as(tree, 0));
      }
      Model grown = tree;
      grown[index] = entry(9);
      ASSERT_NO_FATAL_FAILURE(expect_equals(grown));
      ASSERT_EQ(failures, nodes_for(grown) - nodes_for(tree)) << "one for each node it needs";
      ASSERT_EQ(array.erase(index), entry(9));
      ASSERT_NO_FATAL_FAILURE(expect_equals(tree));
    }
    for (const auto& [index, there] : tree) {
      ASSERT_EQ(array.erase(index), there);
    }
  }
  retired.release();
  EXPECT_EQ(nodes.in_use(), 0U);
}

TEST_F(XArrayTest, UnlinkedNodesWaitForTheGracePeriod) {
  ASSERT_EQ(array.insert(5000, entry(0)), Error::none);
  const std::size_t before = nodes.in_use();
  EXPECT_EQ(before, 3U);
  ASSERT_EQ(array.erase(5000), entry(0));
  EXPECT_TRUE(array.empty());
  EXPECT_EQ(nodes.in_use(), before) << "a reader may still be inside";
  EXPECT_EQ(retired.size(), before);
  EXPECT_EQ(retired.release(), before);
  EXPECT_EQ(nodes.in_use(), 0U);
}

TEST_F(XArrayTest, ForEachMayEraseWhatItVisits) {
  for (std::uint64_t index = 0; index < 300; ++index) {
    ASSERT_EQ(array.insert(index * 37, entry(index)), Error::none);
  }
  std::uint64_t visited = 0;
  array.for_each([&](std::uint64_t index, void* found) {
    EXPECT_EQ(index, visited * 37);
    EXPECT_EQ(array.erase(index), found);
    ++visited;
  });
  EXPECT_EQ(visited, 300U);
  EXPECT_TRUE(array.empty());
}

TEST(XArrayLife, TheDestructorGivesBackEveryNode) {
  SlabPool nodes(XArray::kNodeBytes);
  rcu::RetireList retired;
  alignas(8) int entry = 0;
  {
    XArray array(nodes.of_queue(0), retired);
    for (const std::uint64_t index : {std::uint64_t{0}, std::uint64_t{4095}, kHigh, kMax}) {
      ASSERT_EQ(array.insert(index, &entry), Error::none);
    }
    EXPECT_GT(nodes.in_use(), 20U);
  }
  EXPECT_EQ(nodes.in_use(), 0U);
}

}  // namespace
}  // namespace flushwalk
