// Flush plan: the gather, second stage of walk -> gather -> shootdown: how the dirty ranges that a
// walk found become the ranges of a flush.
//
// hull: one range from the lowest to the highest dirty address, the kernel's. It covers slots in
//   use too.
// per_block: each block's dirty range, an array of them. It covers slots in use between freed ones.
// runs: exactly the freed slots: handed out, not in the used map, inside the dirty range. What a
//   backend that takes something away may be given.
// full: everything, as soon as there is anything to flush.
//
// A lazily freed area and a caller's own range are ranges of their own in per_block and runs. No
// two ranges are merged: the backends' calls are per range.
#ifndef FLUSHWALK_ALLOCATOR_FLUSH_PLAN_H_
#define FLUSHWALK_ALLOCATOR_FLUSH_PLAN_H_

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "allocator/block.h"
#include "allocator/geometry.h"

namespace flushwalk {

enum class Gather { hull, per_block, runs, full };

inline constexpr Gather kGathers[] = {Gather::hull, Gather::per_block, Gather::runs, Gather::full};

std::string_view name_of(Gather gather);

// True for per_block and runs, whose ranges are as many as the walk finds.
constexpr bool is_array(Gather gather) {
  return gather == Gather::per_block || gather == Gather::runs;
}

class FlushPlan {
 public:
  // Room for `expected_ranges` is made at once: adding no more of them allocates nothing.
  // everything: what `full` flushes, not empty there; the other gathers do not look at it.
  explicit FlushPlan(Gather gather, std::size_t expected_ranges = 0, const Range& everything = {})
      : gather_(gather), everything_(everything) {
    assert(gather != Gather::full || !everything.empty());
    if (is_array(gather)) {
      ranges_.reserve(expected_ranges);
    }
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
    const Range dirty = block.addresses_of(block.state.dirty_range());
    hull_.merge(dirty);
    if (gather_ == Gather::runs) {
      block.state.for_each_dirty_run(
          [&](SlotRange run) { ranges_.push_back(block.addresses_of(run)); });
    } else if (gather_ == Gather::per_block) {
      ranges_.push_back(dirty);
    }
  }

  // A range from elsewhere: a lazily freed area, or the caller's own.
  void add(const Range& range) {
    hull_.merge(range);
    if (is_array(gather_) && !range.empty()) {
      ranges_.push_back(range);
    }
  }

  std::uint64_t dirty_blocks() const { return dirty_blocks_; }
  // From the lowest to the highest address, whatever the gather; empty() when nothing was added.
  const Range& hull() const { return hull_; }
  // What the shootdown is given: no range is empty. Valid until the plan changes.
  std::span<const Range> ranges() const {
    if (is_array(gather_)) {
      return ranges_;
    }
    if (hull_.empty()) {
      return {};
    }
    return {gather_ == Gather::full ? &everything_ : &hull_, 1};
  }

 private:
  Gather gather_;
  Range everything_;
  Range hull_;
  std::uint64_t dirty_blocks_ = 0;
  std::vector<Range> ranges_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_FLUSH_PLAN_H_
