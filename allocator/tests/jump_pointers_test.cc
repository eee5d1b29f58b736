// Where a walk of free lists leaves its jump pointers: only they tell it what to send for, and
// nothing that it finds depends on them.
#include "allocator/jump_pointers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <vector>

#include "allocator/flush_walk.h"

namespace flushwalk {
namespace {

constexpr unsigned kSlots = 128;
constexpr std::size_t kSteps = JumpPointers::kSteps;
constexpr std::size_t kBlocks = 2 * kSteps + 10;
constexpr unsigned kPossible[] = {0, 1, 2};

// Three queues' free lists, the middle one empty, in the order of `blocks`.
class JumpPointersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (std::size_t i = 0; i < std::size(kPossible); ++i) {
      queues.push_back(std::make_unique<VmapBlockQueue>(nodes.of_queue(0), retired));
    }
    for (std::size_t i = 0; i < kBlocks; ++i) {
      const unsigned queue = i < kSteps / 2 ? 0 : 2;
      blocks.push_back(Block::create(memory.take(), kSlots, kBase + i * kSlots * kPageSize, queue));
      queues[queue]->free.push_back(blocks.back());
    }
  }
  void TearDown() override {
    for (Block* const block : blocks) {
      memory.give_back(block);
    }
  }

  template <Check kCheck>
  void walk() {
    const auto look = [](Block&, unsigned) {};
    walk_queues<kCheck>(
        Walk::free_list, {queues, kPossible, others, full}, look, look, [](Block&) {},
        [](unsigned, std::uint64_t) {});
  }

  static Block* jump_of(const Block* block) { return block->jump.load(); }

  // Each but the last kSteps leads to the one that is kSteps further on.
  void expect_led(const std::vector<Block*>& order) {
    for (std::size_t i = 0; i + kSteps < order.size(); ++i) {
      EXPECT_EQ(jump_of(order[i]), order[i + kSteps]) << i;
    }
  }

  std::vector<std::unique_ptr<VmapBlockQueue>> queues;
  std::vector<Block*> blocks;

 private:
  static constexpr Address kBase = Address{1} << 40;

  SlabPool nodes{XArray::kNodeBytes};
  SlabPool memory{Block::bytes_for(kSlots)};
  rcu::RetireList retired;
  QueueSet others{1, kPossible};
  QueueSet full{1, kPossible};
};

TEST_F(JumpPointersTest, LeadAheadFromQueueToQueue) {
  walk<Check::lockless>();
  expect_led(blocks);
  for (std::size_t i = kBlocks - kSteps; i < kBlocks; ++i) {
    EXPECT_EQ(jump_of(blocks[i]), blocks[i]) << "nothing was " << kSteps << " further on";
  }
}

TEST_F(JumpPointersTest, AreCorrectedByTheNextWalk) {
  walk<Check::lockless>();
  std::vector<Block*> order;
  for (std::size_t i = 0; i < kBlocks; ++i) {
    if (i % 3 == 0) {
      RcuList::erase(blocks[i]);
    } else {
      order.push_back(blocks[i]);
    }
  }
  walk<Check::lockless>();
  expect_led(order);
}

TEST_F(JumpPointersTest, AreLeftAloneByTheKernelsWalk) {
  walk<Check::locked>();
  EXPECT_TRUE(std::all_of(blocks.begin(), blocks.end(),
                          [](const Block* block) { return jump_of(block) == block; }));
}

}  // namespace
}  // namespace flushwalk
