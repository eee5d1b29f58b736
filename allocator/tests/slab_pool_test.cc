#include "allocator/slab_pool.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <set>
#include <vector>

#include "allocator/address_space.h"

// Linked with --wrap=aligned_alloc: the pools run out of memory when a test says so.
namespace {
bool out_of_memory = false;
}  // namespace

extern "C" {
void* __real_aligned_alloc(std::size_t alignment, std::size_t bytes);
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t bytes);
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t bytes) {
  return out_of_memory ? nullptr : __real_aligned_alloc(alignment, bytes);
}
}

namespace flushwalk {
namespace {

struct OutOfMemory {
  OutOfMemory() { out_of_memory = true; }
  ~OutOfMemory() { out_of_memory = false; }
};

TEST(SlabPool, ObjectsAreWholeAlignedCacheLinesSideBySide) {
  for (const std::size_t bytes :
       {std::size_t{1}, std::size_t{40}, std::size_t{64}, std::size_t{144}, std::size_t{576}}) {
    SlabPool pool(bytes);
    EXPECT_EQ(pool.object_bytes(), (bytes + 63) / 64 * 64);
    auto* const first = static_cast<std::byte*>(pool.take());
    auto* const second = static_cast<std::byte*>(pool.take());
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % 64, 0U);
    EXPECT_EQ(second, first + pool.object_bytes());
    std::memset(first, 0xff, pool.object_bytes());
    std::memset(second, 0xff, pool.object_bytes());
  }
}

TEST(SlabPool, GivesNoObjectTwiceAcrossSlabs) {
  SlabPool pool(576);
  constexpr std::size_t kCount = 5000;  // two chunks of 2 MiB
  std::set<void*> objects;
  for (std::size_t i = 0; i < kCount; ++i) {
    void* const object = pool.take();
    ASSERT_NE(object, nullptr);
    std::memset(object, 0xa5, pool.object_bytes());
    objects.insert(object);
  }
  EXPECT_EQ(objects.size(), kCount);
  EXPECT_EQ(pool.in_use(), kCount);
  std::uintptr_t before = 0;
  for (void* const object : objects) {
    const auto address = reinterpret_cast<std::uintptr_t>(object);
    EXPECT_GE(address - before, pool.object_bytes()) << "two objects overlap";
    before = address;
  }
}

TEST(SlabPool, ReusesWhatWasGivenBack) {
  SlabPool pool(64);
  void* const first = pool.take();
  void* const second = pool.take();
  pool.give_back(first);
  pool.give_back(second);
  EXPECT_EQ(pool.in_use(), 0U);
  EXPECT_EQ(pool.take(), second);
  EXPECT_EQ(pool.take(), first);
  EXPECT_EQ(pool.in_use(), 2U);
}

TEST(SlabPool, TheLimitIsOfObjectsInUse) {
  SlabPool pool(64);
  pool.set_limit(2);
  void* const first = pool.take();
  EXPECT_NE(pool.take(), nullptr);
  EXPECT_EQ(pool.take(), nullptr);
  EXPECT_EQ(pool.in_use(), 2U);
  pool.give_back(first);
  EXPECT_EQ(pool.take(), first);
  pool.set_limit(0);
  EXPECT_EQ(pool.take(), nullptr);
  pool.set_limit(3);
  EXPECT_NE(pool.take(), nullptr);
}

// Whatever the others take in between.
TEST(SlabPool, WhatAQueueTakesLiesSideBySide) {
  constexpr unsigned kQueues = 3;
  SlabPool pool(256, kQueues);
  std::byte* last[kQueues] = {};
  for (int i = 0; i < 100; ++i) {
    for (unsigned queue = 0; queue < kQueues; ++queue) {
      auto* const object = static_cast<std::byte*>(pool.of_queue(queue).take());
      if (i != 0) {
        EXPECT_EQ(object, last[queue] + 256);
      }
      last[queue] = object;
    }
  }
  EXPECT_EQ(pool.in_use(), 300U);
  pool.of_queue(1).give_back(last[1]);
  EXPECT_NE(pool.of_queue(2).take(), last[1]) << "it is queue 1's to hand out again";
  EXPECT_EQ(pool.of_queue(1).take(), last[1]);
}

TEST(SlabPool, TheLimitIsOfEachQueue) {
  SlabPool pool(64, 2);
  pool.set_limit(1);
  EXPECT_NE(pool.of_queue(0).take(), nullptr);
  EXPECT_EQ(pool.of_queue(0).take(), nullptr);
  EXPECT_NE(pool.of_queue(1).take(), nullptr);
}

TEST(SlabPool, SaysWhenThereIsNoMemory) {
  SlabPool pool(64);
  const OutOfMemory none;
  EXPECT_EQ(pool.take(), nullptr);
  EXPECT_EQ(pool.in_use(), 0U);
}

TEST(AddressSpaceMemory, NoDescriptorChangesNothing) {
  constexpr std::uint64_t kPages = std::uint64_t{1} << 20;
  AddressSpace space({0, kPages * kPageSize}, 1000);
  std::vector<VmapArea*> areas;
  Error error = Error::none;
  {
    const OutOfMemory none;
    while (error == Error::none && areas.size() < kPages) {
      VmapArea* area = nullptr;
      error = space.alloc(kPageSize, kPageSize, &area);
      if (error == Error::none) {
        areas.push_back(area);
      }
    }
  }
  ASSERT_EQ(error, Error::no_memory);
  EXPECT_EQ(space.used_bytes(), areas.size() * kPageSize);
  EXPECT_EQ(space.free_bytes() + space.used_bytes(), kPages * kPageSize);
  // A descriptor less in use, and one alloc fits again: the failed ones kept none.
  space.release_unused(areas.back());
  VmapArea* area = nullptr;
  const OutOfMemory none;
  ASSERT_EQ(space.alloc(kPageSize, kPageSize, &area), Error::none);
  EXPECT_EQ(area->start, (areas.size() - 1) * kPageSize);
}

TEST(AddressSpaceMemory, NoDescriptorAtAllIsBadAlloc) {
  const OutOfMemory none;
  EXPECT_THROW(AddressSpace({0, kPageSize}, 0), std::bad_alloc);
}

}  // namespace
}  // namespace flushwalk
