// Subject: what the tests of flushes and of concurrency share: an allocator with a ledger and a
// backend that notes what it is given.
#ifndef FLUSHWALK_ALLOCATOR_TESTS_SUBJECT_H_
#define FLUSHWALK_ALLOCATOR_TESTS_SUBJECT_H_

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "allocator/vmap_allocator.h"

namespace flushwalk {

inline constexpr unsigned kSlots = 128;
inline constexpr Address kBase = 0xffffc90000000000;

inline Range pages(std::uint64_t from, std::uint64_t to) {
  return {kBase + from * kPageSize, kBase + to * kPageSize};
}

// Notes what it is given; fails when told to.
class FakeShootdown : public Shootdown {
 public:
  int flush(std::span<const Range> ranges) override {
    ++calls_;
    if (const auto hook = std::exchange(on_flush, nullptr)) {
      hook();
    }
    flushed.insert(flushed.end(), ranges.begin(), ranges.end());
    return error;
  }
  int map(const Range& range) override {
    mapped.push_back(range);
    return map_error;
  }

  std::vector<Range> take_flushed() { return std::exchange(flushed, {}); }

  std::vector<Range> flushed;
  std::vector<Range> mapped;
  int error = 0;
  int map_error = 0;
  std::function<void()> on_flush;  // called by the next flush alone
};

// An allocator of one revision with one queue, a ledger and a fake backend.
class Subject {
 public:
  explicit Subject(std::string_view revision, unsigned cpus = 1, std::uint64_t space_blocks = 64)
      : allocator(options(revision, cpus, space_blocks)) {}
  ~Subject() { EXPECT_EQ(allocator.broken_invariant(), ""); }

  // Page numbers from the base.
  std::uint64_t alloc(unsigned count, unsigned queue = 0) {
    const AllocReport report = allocator.alloc(queue, count);
    EXPECT_EQ(report.error, Error::none);
    return (report.address - kBase) / kPageSize;
  }
  FreeReport free(std::uint64_t page, unsigned count) {
    const FreeReport report = allocator.free(kBase + page * kPageSize, count);
    EXPECT_EQ(report.error, Error::none);
    return report;
  }
  FlushReport unmap_aliases(const CallerRange& caller = {}) {
    detail = {};
    return allocator.unmap_aliases(plan, caller, &detail);
  }
  // The blocks' counters, ranges and lists.
  std::string picture() const {
    std::string text = fmt::format("lazy {}", allocator.lazy_pages());
    const AllocatorState state = allocator.state();
    for (const auto& block : state.blocks) {
      text +=
          fmt::format("; {}: free {} dirty {} [{},{}) {}", block.serial, block.free, block.dirty,
                      block.dirty_range.start, block.dirty_range.end, block.on_list);
    }
    return text;
  }

  Ledger ledger;
  FakeShootdown shootdown;
  FlushPlan plan{Gather::hull};
  FlushDetail detail;
  VmapAllocator allocator;

 private:
  VmapAllocator::Options options(std::string_view revision, unsigned cpus,
                                 std::uint64_t space_blocks) {
    VmapAllocator::Options all;
    all.geometry = Geometry(kBase, kSlots);
    all.space_blocks = space_blocks;
    all.cpus = PossibleCpus::first(cpus);
    all.revision = find_revision(revision);
    all.shootdown = &shootdown;
    all.ledger = &ledger;
    return all;
  }
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_TESTS_SUBJECT_H_
