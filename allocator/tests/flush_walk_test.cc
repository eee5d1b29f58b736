// The complete walks beside the kernel's: what each visits and locks, and that what got dirty is
// found once and only once. Their answers to the recorded traces are a test of their own, and so is
// what they do while others free (allocator_stress_test.cc).
#include "allocator/flush_walk.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "allocator/tests/subject.h"

namespace flushwalk {
namespace {

using ::testing::ElementsAre;

struct Variant {
  Walk walk;
  Check check;
  IndexLayout layout;
};

std::vector<Variant> complete_variants() {
  std::vector<Variant> all;
  for (const Walk walk : kWalks) {
    for (const Check check : kChecks) {
      for (const IndexLayout layout : kIndexLayouts) {
        if (walk != Walk::free_list) {
          all.push_back({walk, check, layout});
        }
      }
    }
  }
  return all;
}

std::string name(const Variant& variant) {
  return fmt::format("{} {} {}", name_of(variant.walk), name_of(variant.check),
                     name_of(variant.layout));
}

// Four queues, each with blocks which are full and clean, full and dirty, listed and dirty, and
// listed and clean.
struct Populated {
  explicit Populated(const Variant& variant) {
    VmapAllocator::Options options;
    options.geometry = Geometry(kBase, kSlots);
    options.space_blocks = 64;
    options.cpus = PossibleCpus::first(4);
    options.walk = variant.walk;
    options.check = variant.check;
    options.layout = variant.layout;
    options.ledger = &ledger;
    allocator = std::make_unique<VmapAllocator>(options);
    for (unsigned i = 0; i < kBlocks; ++i) {
      const Address first = allocator->alloc_new_block(i % 4, 64).address;
      const bool full = i % 4 < 2;
      if (full) {
        allocator->alloc_in_block(first, 64);
      }
      if (i % 4 == 1 || i % 4 == 2) {
        to_free.push_back(first);
      } else {
        clean.push_back(first);
      }
    }
  }
  void free_all() {
    for (const Address address : to_free) {
      allocator->free(address, 64);
    }
  }
  FlushReport flush() {
    FlushPlan plan(Gather::hull);
    return allocator->unmap_aliases(plan);
  }

  static constexpr unsigned kBlocks = 32;
  static constexpr unsigned kDirty = 16;
  Ledger ledger;
  std::unique_ptr<VmapAllocator> allocator;
  std::vector<Address> to_free;
  std::vector<Address> clean;
};

bool visits_dirty_blocks_only(Walk walk) {
  return walk == Walk::marked || walk == Walk::dirty_list;
}

// Of so many blocks, half of which are full and half of which are dirty.
unsigned expected_visits(Walk walk, unsigned blocks, unsigned dirty) {
  if (walk == Walk::list_and_full) {
    return blocks / 2 + dirty / 2;
  }
  return visits_dirty_blocks_only(walk) ? dirty : blocks;
}

TEST(CompleteWalks, FindEveryDirtyBlockOnce) {
  for (const Variant& variant : complete_variants()) {
    SCOPED_TRACE(name(variant));
    Populated subject(variant);
    EXPECT_EQ(subject.flush().dirty_blocks, 0U) << "nothing was freed";
    subject.free_all();
    EXPECT_EQ(subject.allocator->broken_invariant(), "");
    const FlushReport report = subject.flush();
    // Half of them are full, the others have nothing in use: too few slots to be kept.
    EXPECT_EQ(report.dirty_blocks + report.purged, Populated::kDirty);
    EXPECT_EQ(report.visited, expected_visits(variant.walk, Populated::kBlocks, Populated::kDirty));
    EXPECT_EQ(report.block_locks,
              variant.check == Check::lockless ? Populated::kDirty : report.visited);
    EXPECT_EQ(subject.ledger.stale_pages(), 0U);
    const FlushReport again = subject.flush();
    EXPECT_EQ(again.dirty_blocks, 0U);
    EXPECT_EQ(again.flushes, 0U);
    // What was purged was on the list.
    EXPECT_EQ(again.visited, visits_dirty_blocks_only(variant.walk)
                                 ? 0U
                                 : expected_visits(variant.walk, Populated::kBlocks, 0) -
                                       static_cast<unsigned>(report.purged));
    EXPECT_EQ(subject.allocator->broken_invariant(), "");
  }
}

// Dirty first and full afterwards: by the alloc that hands out its last slot.
TEST(CompleteWalks, ADirtyBlockThatGetsFullIsFound) {
  for (const Variant& variant : complete_variants()) {
    SCOPED_TRACE(name(variant));
    Populated subject(variant);
    const Address first = subject.allocator->alloc_new_block(0, 32).address;
    const Address second = subject.allocator->alloc_in_block(first, 32).address;
    ASSERT_EQ(subject.allocator->free(first, 32).error, Error::none);
    ASSERT_TRUE(subject.allocator->alloc_in_block(first, 64).left_list);
    EXPECT_EQ(subject.allocator->broken_invariant(), "");
    EXPECT_EQ(subject.flush().dirty_blocks, 1U);
    EXPECT_EQ(subject.ledger.stale_pages(), 0U);
    // Found once, and again when it got dirty anew.
    EXPECT_EQ(subject.flush().dirty_blocks, 0U);
    ASSERT_EQ(subject.allocator->free(second, 32).error, Error::none);
    EXPECT_EQ(subject.flush().dirty_blocks, 1U);
    EXPECT_EQ(subject.ledger.stale_pages(), 0U);
  }
}

TEST(CompleteWalks, ABlockThatGetsDirtyAgainIsFoundAgain) {
  for (const Variant& variant : complete_variants()) {
    SCOPED_TRACE(name(variant));
    Populated subject(variant);
    subject.free_all();
    subject.flush();
    // A full block, clean until now: half of it, then the other half, which dooms it.
    ASSERT_EQ(subject.allocator->free(subject.clean.front(), 64).error, Error::none);
    EXPECT_EQ(subject.flush().dirty_blocks, 1U);
    EXPECT_TRUE(subject.allocator->free(subject.clean.front() + 64 * kPageSize, 64).block_freed);
    EXPECT_EQ(subject.allocator->broken_invariant(), "");
    const FlushReport report = subject.flush();
    EXPECT_EQ(report.dirty_blocks, 0U) << "its area is on the lazy list";
    EXPECT_EQ(report.lazy_areas, 1U);
    EXPECT_EQ(subject.ledger.stale_pages(), 0U);
  }
}

// A doomed block leaves marks and lists behind at once: nobody may meet its memory later.
TEST(CompleteWalks, NothingOfADoomedBlockIsLeft) {
  for (const Variant& variant : complete_variants()) {
    SCOPED_TRACE(name(variant));
    Populated subject(variant);
    subject.free_all();
    const Address full = subject.to_free.front();
    EXPECT_TRUE(subject.allocator->free(full + 64 * kPageSize, 64).block_freed);
    for (unsigned queue = 0; queue < 4; ++queue) {
      subject.allocator->purge(queue);
    }
    subject.allocator->release_retired();
    EXPECT_EQ(subject.allocator->broken_invariant(), "");
    const FlushReport report = subject.flush();
    EXPECT_EQ(report.dirty_blocks, Populated::kDirty / 2 - 1) << "the full ones";
    EXPECT_EQ(subject.ledger.stale_pages(), 0U);
  }
}

// A dirty block goes from the list to the full ones, of an earlier queue even, while the walk
// stands before it. A walk that looked at the full ones first, or queue by queue, would meet it in
// neither place.
TEST(CompleteWalks, ABlockThatGetsFullDuringTheWalkIsMet) {
  for (const Walk walk : {Walk::dirty_list, Walk::list_and_full}) {
    SCOPED_TRACE(name_of(walk));
    SlabPool nodes(XArray::kNodeBytes);
    SlabPool memory(Block::bytes_for(kSlots));
    rcu::RetireList retired;
    const unsigned possible[] = {0, 1};
    std::vector<std::unique_ptr<VmapBlockQueue>> queues;
    QueueSet others(2, possible);
    QueueSet full(2, possible);
    std::vector<Block*> blocks;
    for (unsigned i = 0; i < 2; ++i) {
      blocks.push_back(Block::create(memory.take(), kSlots, kBase + i * kSlots * kPageSize, i));
      queues.push_back(std::make_unique<VmapBlockQueue>(nodes.of_queue(0), retired));
      ASSERT_TRUE(queues[i]->dirty.make_room());
      queues[i]->free.push_back(blocks[i]);
      queues[i]->dirty.add(DirtyPart::others, &blocks[i]->dirty_node);
      others.add(i);
    }
    ASSERT_TRUE(queues[0]->dirty.make_room());
    std::vector<Block*> met;
    const auto visit = [&](Block& block, unsigned) {
      if (met.empty()) {
        queues[1]->dirty.forget(&blocks[1]->dirty_node);
        queues[0]->dirty.add(DirtyPart::full, &blocks[1]->dirty_node);
        full.add(0);
        RcuList::erase(blocks[1]);
      }
      met.push_back(&block);
    };
    std::uint64_t visited = 0;
    walk_queues<Check::locked>(
        walk, {queues, possible, others, full}, visit, visit,
        [&](Block& block) { visit(block, 0); },
        [&](unsigned, std::uint64_t count) { visited += count; });
    // A walk that had it in its hands by then meets it twice, the second time clean.
    EXPECT_EQ(met.front(), blocks[0]);
    EXPECT_EQ(met.back(), blocks[1]);
    EXPECT_EQ(met.size(), walk == Walk::dirty_list ? 3U : 2U);
    EXPECT_EQ(visited, met.size());
    for (Block* const block : blocks) {
      memory.give_back(block);
    }
  }
}

// Before v6.12 the xarray that has a block may be one of a CPU that is not possible, whose queue no
// walk looks at. So full ones are listed by the queue whose free list they leave.
TEST(CompleteWalks, AFullBlockIsFoundWhereItsXarrayIsNotWalked) {
  Ledger ledger;
  VmapAllocator::Options options;
  options.geometry = Geometry(kBase, kSlots);
  options.space_blocks = 64;
  options.cpus = PossibleCpus({0, 3, 6});
  options.revision = find_revision("p6");
  options.walk = Walk::list_and_full;
  options.ledger = &ledger;
  VmapAllocator allocator(options);
  Address made = allocator.alloc_new_block(3, 64).address;
  while (options.cpus.contains(allocator.bucket(made))) {
    made = allocator.alloc_new_block(3, 64).address;
  }
  ASSERT_TRUE(allocator.alloc_in_block(made, 64).left_list);
  ASSERT_EQ(allocator.free(made, 64).error, Error::none);
  EXPECT_EQ(allocator.broken_invariant(), "");
  EXPECT_EQ(allocator.unmap_aliases().dirty_blocks, 1U);
  EXPECT_EQ(ledger.stale_pages(), 0U);
}

// A sparse mask: several remainders of the hash fall on one queue, and dense keys must differ.
TEST(DenseLayout, BlocksOfOneQueueHaveKeysOfTheirOwn) {
  for (const std::string_view revision : {"p6", "v6.12"}) {
    VmapAllocator::Options options;
    // No multiple of the number of queues in blocks.
    options.geometry = Geometry(kBase + 5 * kSlots * kPageSize, kSlots);
    options.space_blocks = 200;
    options.cpus = PossibleCpus({0, 3, 6});
    options.revision = find_revision(revision);
    options.layout = IndexLayout::dense;
    VmapAllocator allocator(options);
    std::vector<Address> made;
    for (unsigned i = 0; i < 200; ++i) {
      const AllocReport report = allocator.alloc_new_block(3 * (i % 3), 1);
      ASSERT_EQ(report.error, Error::none) << i;
      made.push_back(report.address);
    }
    EXPECT_EQ(allocator.broken_invariant(), "");
    for (const Address address : made) {
      EXPECT_EQ(allocator.free(address, 1).error, Error::none);
    }
  }
}

// One leaf for 64 blocks of a queue, whatever the number of queues; the kernel's keys need more.
TEST(DenseLayout, FillsItsLeaves) {
  for (const IndexLayout layout : kIndexLayouts) {
    VmapAllocator::Options options;
    options.geometry = Geometry(kBase, kSlots);
    options.space_blocks = 64 * 64;
    options.cpus = PossibleCpus::first(64);
    options.layout = layout;
    VmapAllocator allocator(options);
    for (unsigned i = 0; i < 64 * 64; ++i) {
      ASSERT_EQ(allocator.alloc_new_block(i % 64, 1).error, Error::none);
    }
    const std::size_t nodes = allocator.node_pool().in_use();
    if (layout == IndexLayout::dense) {
      EXPECT_EQ(nodes, 64U);
    } else {
      EXPECT_EQ(nodes, 64U * 65) << "a leaf for each block, and a root";
    }
  }
}

TEST(CanWalk, WhatForgetsNeedsAFlushThatResets) {
  for (const Behaviors& revision : revisions()) {
    for (const Walk walk : kWalks) {
      const bool forgets = visits_dirty_blocks_only(walk) || walk == Walk::list_and_full;
      EXPECT_EQ(
          can_walk(revision, walk),
          !forgets || (revision.name != "v6.4" && revision.name != "p1" && revision.name != "p2"));
    }
  }
}

}  // namespace
}  // namespace flushwalk
