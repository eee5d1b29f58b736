// The lists of dirty blocks by themselves: their order, their room, and a walk while they change.
#include "allocator/dirty_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <iterator>
#include <map>
#include <random>
#include <vector>

#include "allocator/taken_blocks.h"

namespace flushwalk {
namespace {

using ::testing::ElementsAre;

std::vector<const DirtyListNode*> taken_from(DirtyLists* lists, DirtyPart part) {
  std::vector<const DirtyListNode*> taken;
  TakenBlocks blocks([&](DirtyListNode& node) { taken.push_back(&node); });
  const std::uint64_t count = blocks.take_all(*lists, part);
  blocks.visit_rest();
  EXPECT_EQ(count, taken.size());
  return taken;
}

void make_room(DirtyLists* lists, std::size_t blocks) {
  for (std::size_t i = 0; i < blocks; ++i) {
    ASSERT_TRUE(lists->make_room());
  }
}

TEST(DirtyLists, GiveTheOldestFirstAndEachOnce) {
  DirtyLists lists;
  DirtyListNode nodes[3];
  make_room(&lists, 3);
  for (DirtyListNode& node : nodes) {
    EXPECT_FALSE(lists.has(DirtyPart::others, &node));
    lists.add(DirtyPart::others, &node);
    lists.add(DirtyPart::others, &node);
    EXPECT_TRUE(lists.has(DirtyPart::others, &node));
  }
  lists.forget(&nodes[1]);
  EXPECT_FALSE(lists.has(DirtyPart::others, &nodes[1]));
  EXPECT_THAT(taken_from(&lists, DirtyPart::others), ElementsAre(&nodes[0], &nodes[2]));
  EXPECT_THAT(taken_from(&lists, DirtyPart::others), ElementsAre());
}

TEST(DirtyLists, ABlockThatHasBecomeFullGoesOver) {
  DirtyLists lists;
  DirtyListNode nodes[3];
  make_room(&lists, 3);
  for (DirtyListNode& node : nodes) {
    lists.add(DirtyPart::others, &node);
  }
  lists.add(DirtyPart::full, &nodes[1]);
  EXPECT_TRUE(lists.has(DirtyPart::full, &nodes[1]));
  lists.add(DirtyPart::others, &nodes[1]);
  EXPECT_FALSE(lists.has(DirtyPart::others, &nodes[1])) << "and never back";
  EXPECT_THAT(taken_from(&lists, DirtyPart::others), ElementsAre(&nodes[0], &nodes[2]));
  EXPECT_THAT(taken_from(&lists, DirtyPart::full), ElementsAre(&nodes[1]));
}

// More than a handful, with everything that may happen to its blocks meanwhile.
TEST(DirtyLists, AWalkTakesAllThatWasThereAtItsBeginning) {
  constexpr std::size_t kBlocks = 100;
  DirtyLists lists;
  std::vector<DirtyListNode> nodes(kBlocks);
  DirtyListNode late;
  make_room(&lists, kBlocks + 1);
  for (DirtyListNode& node : nodes) {
    lists.add(DirtyPart::others, &node);
  }
  std::map<const DirtyListNode*, int> visits;
  TakenBlocks blocks([&](DirtyListNode& node) {
    ++visits[&node];
    if (&node == &nodes[1]) {
      lists.add(DirtyPart::others, &nodes[0]);  // dirty again
      lists.add(DirtyPart::others, &late);      // dirty for the first time
      lists.forget(&nodes[2]);                  // doomed, and in the walk's hands
      lists.forget(&nodes[70]);                 // doomed, and on the list yet
      lists.add(DirtyPart::full, &nodes[71]);   // full, likewise
    }
  });
  blocks.take_all(lists, DirtyPart::others);
  blocks.visit_rest();
  for (std::size_t i = 0; i < kBlocks; ++i) {
    EXPECT_EQ(visits[&nodes[i]], i == 70 || i == 71 ? 0 : 1) << i;
  }
  EXPECT_THAT(taken_from(&lists, DirtyPart::others), ElementsAre(&nodes[0], &late));
  EXPECT_THAT(taken_from(&lists, DirtyPart::full), ElementsAre(&nodes[71]));
}

// A handful may end within a queue's blocks, and begin with those of others.
TEST(DirtyLists, AreTakenFromManyQueuesInTurn) {
  constexpr std::size_t kOf[] = {1, 3, 70, 0, 2, 32, 1};
  std::deque<DirtyLists> queues(std::size(kOf));
  std::deque<DirtyListNode> nodes;
  std::vector<const DirtyListNode*> expected;
  for (std::size_t queue = 0; queue < queues.size(); ++queue) {
    make_room(&queues[queue], kOf[queue]);
    for (std::size_t i = 0; i < kOf[queue]; ++i) {
      queues[queue].add(DirtyPart::full, &nodes.emplace_back());
      expected.push_back(&nodes.back());
    }
  }
  std::vector<const DirtyListNode*> visited;
  TakenBlocks blocks([&](DirtyListNode& node) { visited.push_back(&node); });
  for (std::size_t queue = 0; queue < queues.size(); ++queue) {
    EXPECT_EQ(blocks.take_all(queues[queue], DirtyPart::full), kOf[queue]);
  }
  blocks.visit_rest();
  EXPECT_EQ(visited, expected);
}

// Blocks come, get dirty and go, thousands of times between two walks: a ring closes its gaps,
// grows with the blocks, and keeps its order across both.
TEST(DirtyLists, EqualAModelOverManyRounds) {
  std::mt19937 random(1);
  DirtyLists lists;
  std::deque<DirtyListNode> nodes;
  std::vector<DirtyListNode*> unlisted;
  std::vector<const DirtyListNode*> expected;
  for (int step = 0; step < 20'000; ++step) {
    const unsigned choice = random() % 100;
    if (choice < 40 && unlisted.size() + expected.size() < 80) {
      ASSERT_TRUE(lists.make_room());
      unlisted.push_back(&nodes.emplace_back());
    } else if (choice < 70 && !unlisted.empty()) {
      lists.add(DirtyPart::full, unlisted.back());
      expected.push_back(unlisted.back());
      unlisted.pop_back();
    } else if (choice < 99 && !expected.empty()) {
      const auto gone = expected.begin() + static_cast<std::ptrdiff_t>(random() % expected.size());
      lists.forget(*gone);
      expected.erase(gone);
    } else if (choice == 99 && random() % 20 == 0) {
      ASSERT_EQ(taken_from(&lists, DirtyPart::full), expected) << step;
      for (const DirtyListNode* node : expected) {
        lists.forget(node);
      }
      expected.clear();
    }
  }
  EXPECT_EQ(taken_from(&lists, DirtyPart::full), expected);
}

}  // namespace
}  // namespace flushwalk
