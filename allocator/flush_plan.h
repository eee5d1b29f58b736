// Flush plan: the gather, second stage of walk -> gather -> shootdown: how the dirty ranges that a
// walk found become the ranges of a flush.
//
// hull: one range from the lowest to the highest dirty address, the kernel's. It covers slots in
// use too. runs: exactly the freed slots: handed out, not in the used map, inside the dirty range.
// What a backend that
//   revokes access may be given.
#ifndef FLUSHWALK_ALLOCATOR_FLUSH_PLAN_H_
#define FLUSHWALK_ALLOCATOR_FLUSH_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "allocator/block.h"
#include "allocator/geometry.h"

namespace flushwalk {

enum class Gather { hull, runs };

std::string_view name_of(Gather gather);

class FlushPlan {
 public:
  // Room for `expected_ranges` is made at once: adding no more of them allocates nothing.
  explicit FlushPlan(Gather gather, std::size_t expected_ranges = 0) : gather_(gather) {
    ranges_.reserve(expected_ranges);
  }

  Gather gather() const { return gather_; }

  void clear() {
    hull_ = Range{};
    dirty_blocks_ = 0;
    ranges_.clear();
  }

  // The block's dirty range. The caller holds the block's lock; the range is not empty.
  void add_dirty(const Block& block) {
    ++dirty_blocks_;
    hull_.merge(block.addresses_of(block.state.dirty_range()));
    if (gather_ == Gather::runs) {
      block.state.for_each_dirty_run(
          [&](SlotRange run) { ranges_.push_back(block.addresses_of(run)); });
    }
  }

  // A range from elsewhere: a lazily freed area, or the caller's own.
  void add(const Range& range) {
    hull_.merge(range);
    if (gather_ == Gather::runs && !range.empty()) {
      ranges_.push_back(range);
    }
  }

  std::uint64_t dirty_blocks() const { return dirty_blocks_; }
  // From the lowest to the highest address, whatever the gather; empty() when nothing was added.
  const Range& hull() const { return hull_; }
  // What the shootdown is given. Valid until the plan changes.
  std::span<const Range> ranges() const {
    if (gather_ == Gather::runs) {
      return ranges_;
    }
    return hull_.empty() ? std::span<const Range>() : std::span<const Range>(&hull_, 1);
  }

 private:
  Gather gather_;
  Range hull_;
  std::uint64_t dirty_blocks_ = 0;
  std::vector<Range> ranges_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_FLUSH_PLAN_H_
