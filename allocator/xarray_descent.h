// XArrayDescent: a walk of an xarray by bits, from the top down, in ascending order.
//
// It takes up to kGroup nodes of a level at once, and sends for what each leads to before it looks
// at the first of those. What the leaves of a group lead to is visited while the next group is
// looked at. So where each block has a leaf of its own (1,024 queues, kernel keys, a million
// blocks) lines are on their way all the time, and the walk does not wait three or four times a
// block. xarray.h says why it misses nothing.
#ifndef FLUSHWALK_ALLOCATOR_XARRAY_DESCENT_H_
#define FLUSHWALK_ALLOCATOR_XARRAY_DESCENT_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "allocator/xarray_node.h"

namespace flushwalk {

// A node on a walk's way, and what the walk has found in it. (Without initialisers: a group of them
// would be cleared for each queue of a single block.)
struct XArraySubtree {
  XArrayNode* node;
  std::uint64_t base;  // the first index below it; before it is looked at, below its parent
  std::uint64_t bits;  // the slots to look into
  void* word;          // what the only one of them holds, where that is known without a look

  template <NodeBits kBits>
  void look_at();
};

// Relaxed for presence, where only coherence is asked for. The marks by acquire, for marked_word is
// read after them (xarray_node.h).
template <NodeBits kBits>
void XArraySubtree::look_at() {
  if (kBits == NodeBits::present) {
    bits = node->present.load(std::memory_order_relaxed);
    return;
  }
  bits = node->marks.load(std::memory_order_acquire);
  const bool single = bits != 0 && (bits & (bits - 1)) == 0;
  word = single ? node->marked_word.load(std::memory_order_acquire) : nullptr;
}

// visit(index, entry). take(leaves): settles what of a group of leaves, which have been looked at,
// is to be visited.
template <NodeBits kBits, class Visit, class Take>
class XArrayDescent {
 public:
  XArrayDescent(Visit& visit, Take& take) : visit_(visit), take_(take) {}

  // All below root; once.
  void walk(XArrayNode* root) {
    XArraySubtree whole{root, 0, 0, nullptr};
    if (root->shift == 0) {  // of 1,024 queues with four blocks each, 2 ns a block less
      whole.template look_at<kBits>();
      take_(std::span(&whole, 1));
      visit_leaf(whole);
      return;
    }
    go_down(std::span(&whole, 1));
    for (std::size_t i = 0; i < taken_; ++i) {
      visit_leaf(leaves_[i]);
    }
  }

 private:
  // With the queues above, a tenth of them dirty, marked walks took 53, 50 and 49 ns a block with
  // groups of 24, 32 and 64.
  static constexpr std::size_t kGroup = 64;
  // A walk of marks clears them, and locks what they lead to.
  static constexpr bool kToWrite = kBits == NodeBits::marks;

  // The first slot of a word of bits; any slot where there is none.
  static unsigned first_of(std::uint64_t bits) {
    return static_cast<unsigned>(std::countr_zero(bits)) % XArrayNode::kSlots;
  }

  void go_down(std::span<XArraySubtree> group) {
    const unsigned shift = group.front().node->shift;
    if (shift == 0) {
      go_through(group);
      return;
    }
    for (XArraySubtree& subtree : group) {
      look_at(&subtree, shift);
    }
    std::array<XArraySubtree, kGroup> below;
    std::size_t count = 0;
    for (const XArraySubtree& subtree : group) {
      for (std::uint64_t bits = subtree.bits; bits != 0; bits &= bits - 1) {
        const void* const child = child_of(subtree, first_of(bits));
        if (child == nullptr) {
          continue;
        }
        below[count] = {XArrayNode::of(child), subtree.base, 0, nullptr};
        if (++count == kGroup) {
          go_down(below);
          count = 0;
        }
      }
    }
    if (count != 0) {
      go_down(std::span(below).first(count));
    }
  }

  // A child that has not been sent for already is sent for.
  static const void* child_of(const XArraySubtree& subtree, unsigned slot) {
    if (subtree.word != nullptr) {
      return subtree.word;
    }
    const void* const child = subtree.node->slots[slot].load(std::memory_order_acquire);
    __builtin_prefetch(child, kToWrite);
    return child;
  }

  // A child's place is what it says itself: the bit that led to it may be another's by now.
  static void look_at(XArraySubtree* subtree, unsigned shift) {
    const XArrayNode& node = *subtree->node;
    subtree->base |= XArrayNode::first_index(node.offset, shift + XArrayNode::kShift);
    subtree->look_at<kBits>();
    const void* const next = subtree->word;
    __builtin_prefetch(next != nullptr ? next : &node.slots[first_of(subtree->bits)]);
  }

  // A group of leaves: those of the last group are visited.
  void go_through(std::span<XArraySubtree> group) {
    for (std::size_t i = 0; i < group.size(); ++i) {
      look_at(&group[i], 0);
      if (i < taken_) {
        visit_leaf(leaves_[i]);
      }
    }
    for (std::size_t i = group.size(); i < taken_; ++i) {
      visit_leaf(leaves_[i]);
    }
    for (const XArraySubtree& leaf : group) {
      if (leaf.word == nullptr) {
        send_for(*leaf.node, leaf.bits);
      }
    }
    take_(group);
    std::copy(group.begin(), group.end(), leaves_.begin());
    taken_ = group.size();
  }

  static void send_for(const XArrayNode& leaf, std::uint64_t bits) {
    __builtin_prefetch(leaf.slots[first_of(bits)].load(std::memory_order_relaxed), kToWrite);
  }

  // Marked entries are fetched ahead: a walk that finds them wants to lock them, and they may lie
  // anywhere (65,536 shuffled blocks: 17 ns a block instead of 28). Present ones are not: four or
  // eight ahead gained nothing with entries side by side, and cost 5 ns an entry where visit does
  // not look at it.
  static constexpr unsigned kAhead = kToWrite ? 4 : 0;

  // The bits were read once: what is there (or marked) during the whole walk is among them.
  void visit_leaf(const XArraySubtree& leaf) {
    if (leaf.word != nullptr) {
      visit_(leaf.base | first_of(leaf.bits), leaf.word);
      return;
    }
    std::uint64_t ahead = leaf.bits;
    for (unsigned i = 0; i < kAhead && ahead != 0; ++i, ahead &= ahead - 1) {
      send_for(*leaf.node, ahead);
    }
    for (std::uint64_t bits = leaf.bits; bits != 0; bits &= bits - 1) {
      if (kAhead != 0 && ahead != 0) {
        send_for(*leaf.node, ahead);
        ahead &= ahead - 1;
      }
      const unsigned slot = first_of(bits);
      void* const entry = leaf.node->slots[slot].load(std::memory_order_acquire);
      if (entry != nullptr) {
        visit_(leaf.base | slot, entry);
      }
    }
  }

  Visit& visit_;
  Take& take_;
  std::array<XArraySubtree, kGroup> leaves_;  // on their way to the cache, to be visited
  std::size_t taken_ = 0;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_XARRAY_DESCENT_H_
