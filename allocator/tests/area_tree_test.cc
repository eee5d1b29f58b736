#include "allocator/area_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <vector>

namespace flushwalk {
namespace {

using AreaModel = std::map<Address, std::unique_ptr<VmapArea>>;

std::vector<const VmapArea*> in_order(const AreaTree& tree) {
  std::vector<const VmapArea*> areas;
  tree.for_each([&](const VmapArea& area) { areas.push_back(&area); });
  return areas;
}

VmapArea* brute_force_fit(const AreaModel& model, std::uint64_t size, std::uint64_t align) {
  for (const auto& [start, area] : model) {
    const Address aligned = (start + align - 1) / align * align;
    if (aligned + size <= area->end) {
      return area.get();
    }
  }
  return nullptr;
}

void expect_equal(const AreaTree& tree, const AreaModel& model) {
  ASSERT_EQ(tree.empty(), model.empty());
  const std::vector<const VmapArea*> areas = in_order(tree);
  ASSERT_EQ(areas.size(), model.size());
  std::size_t i = 0;
  for (const auto& [start, area] : model) {
    ASSERT_EQ(areas[i++], area.get());
    std::uint64_t largest = area->size();
    for (const VmapArea* const below : {area->left, area->right}) {
      largest = std::max(largest, below == nullptr ? 0 : below->largest_below);
    }
    ASSERT_EQ(area->largest_below, largest) << "searches would look where nothing fits";
  }
}

void expect_same_answers(const AreaTree& tree, const AreaModel& model, std::mt19937& random) {
  const Address at = random() % 1100 * kPageSize;
  const auto after = model.upper_bound(at);
  ASSERT_EQ(tree.at_or_below(at),
            after == model.begin() ? nullptr : std::prev(after)->second.get());
  const auto from = model.lower_bound(at);
  ASSERT_EQ(tree.at_or_above(at), from == model.end() ? nullptr : from->second.get());
  const auto exact = model.find(at);
  ASSERT_EQ(tree.find(at), exact == model.end() ? nullptr : exact->second.get());
  const std::uint64_t align = kPageSize << random() % 7;
  for (const std::uint64_t pages : {1U, 2U, 3U, 8U, 17U, 64U}) {
    ASSERT_EQ(tree.lowest_fit(pages * kPageSize, align),
              brute_force_fit(model, pages * kPageSize, align))
        << pages << " pages at " << align;
  }
}

TEST(AreaTree, EmptyAnswersNothing) {
  AreaTree tree;
  EXPECT_TRUE(tree.empty());
  EXPECT_EQ(tree.find(0), nullptr);
  EXPECT_EQ(tree.remove(0), nullptr);
  EXPECT_EQ(tree.at_or_below(~Address{0}), nullptr);
  EXPECT_EQ(tree.at_or_above(0), nullptr);
  EXPECT_EQ(tree.lowest_fit(1, 1), nullptr);
}

// Disjoint areas of random sizes come and go; every answer is that of a walk over all of them.
TEST(AreaTree, RandomOperationsEqualBruteForce) {
  std::mt19937 random(3);
  for (int round = 0; round < 5; ++round) {
    AreaTree tree;
    AreaModel model;
    for (int step = 0; step < 1500; ++step) {
      const Address start = random() % 1024 * kPageSize;
      const Address end = start + (1 + random() % 20) * kPageSize;
      const auto next = model.lower_bound(start);
      const bool overlaps = (next != model.end() && next->first < end) ||
                            (next != model.begin() && std::prev(next)->second->end > start);
      if (!overlaps && random() % 3 != 0) {
        auto area = std::make_unique<VmapArea>();
        area->start = start;
        area->end = end;
        tree.insert(area.get());
        model.emplace(start, std::move(area));
      } else {
        const auto there = model.find(start);
        ASSERT_EQ(tree.remove(start), there == model.end() ? nullptr : there->second.get());
        model.erase(start);
      }
      ASSERT_NO_FATAL_FAILURE(expect_same_answers(tree, model, random));
      if (step % 20 == 0) {
        ASSERT_NO_FATAL_FAILURE(expect_equal(tree, model));
      }
    }
  }
}

TEST(AreaTree, TheLowestFitRespectsAlignmentAndExactSizes) {
  AreaTree tree;
  VmapArea small{.start = 1 * kPageSize, .end = 4 * kPageSize};
  VmapArea large{.start = 9 * kPageSize, .end = 16 * kPageSize};
  tree.insert(&large);
  tree.insert(&small);
  EXPECT_EQ(tree.lowest_fit(3 * kPageSize, kPageSize), &small);
  EXPECT_EQ(tree.lowest_fit(2 * kPageSize, 2 * kPageSize), &small);
  EXPECT_EQ(tree.lowest_fit(3 * kPageSize, 2 * kPageSize), &large);
  EXPECT_EQ(tree.lowest_fit(4 * kPageSize, 4 * kPageSize), &large);
  EXPECT_EQ(tree.lowest_fit(7 * kPageSize, kPageSize), &large);
  EXPECT_EQ(tree.lowest_fit(7 * kPageSize, 2 * kPageSize), nullptr);
  EXPECT_EQ(tree.lowest_fit(8 * kPageSize, kPageSize), nullptr);
}

TEST(AreaTree, AlignmentNearTheHighestAddressDoesNotWrap) {
  AreaTree tree;
  VmapArea top{.start = ~Address{0} - 3 * kPageSize + 1, .end = ~Address{0} - kPageSize + 1};
  tree.insert(&top);
  EXPECT_EQ(tree.lowest_fit(kPageSize, Address{1} << 30), nullptr);
  EXPECT_EQ(tree.lowest_fit(2 * kPageSize, kPageSize), &top);
}

// The visitor may hand each area on at once: to another tree, for instance.
TEST(AreaTree, DrainEmptiesInOrderAndLetsGoOfEachArea) {
  std::mt19937 random(5);
  std::vector<VmapArea> areas(500);
  AreaTree from;
  for (std::size_t i : [&] {
         std::vector<std::size_t> order(areas.size());
         for (std::size_t k = 0; k < order.size(); ++k) {
           order[k] = k;
         }
         std::shuffle(order.begin(), order.end(), random);
         return order;
       }()) {
    areas[i].start = i * 2 * kPageSize;
    areas[i].end = areas[i].start + kPageSize;
    from.insert(&areas[i]);
  }
  AreaTree to;
  std::size_t expected = 0;
  from.drain([&](VmapArea* area) {
    EXPECT_EQ(area, &areas[expected++]);
    to.insert(area);
  });
  EXPECT_EQ(expected, areas.size());
  EXPECT_TRUE(from.empty());
  EXPECT_EQ(in_order(to).size(), areas.size());
}

}  // namespace
}  // namespace flushwalk
