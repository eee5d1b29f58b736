// AreaTree: address ranges in order of address, with the lowest one that can hold a request found
// in logarithmic time: what the kernel's augmented red-black trees of vmap areas do. It serves the
// free ranges, the areas in use and the lazy list.
//
// A treap: a search tree by start, a heap by a hash of the start, so its shape depends on what is
// in it and not on the order of insertion. Intrusive: it allocates nothing and owns nothing. Not
// locked.
#ifndef FLUSHWALK_ALLOCATOR_AREA_TREE_H_
#define FLUSHWALK_ALLOCATOR_AREA_TREE_H_

#include <cstddef>
#include <cstdint>

#include "allocator/geometry.h"

namespace flushwalk {

// One area (the kernel's struct vmap_area): in at most one tree at a time.
struct VmapArea {
  Address start = 0;
  Address end = 0;

  std::uint64_t size() const { return end - start; }

  // Of the tree that has it.
  VmapArea* left = nullptr;
  VmapArea* right = nullptr;
  std::uint64_t largest_below = 0;  // size of the largest area in this subtree, bytes
};

class AreaTree {
 public:
  bool empty() const { return root_ == nullptr; }

  // area overlaps none in the tree.
  void insert(VmapArea* area);
  // Removes and returns the area that begins at start; nullptr if there is none.
  VmapArea* remove(Address start);
  VmapArea* find(Address start) const;

  // The area with the highest start not above `address`, the one with the lowest start not below,
  // or nullptr.
  VmapArea* at_or_below(Address address) const;
  VmapArea* at_or_above(Address address) const;

  // The lowest area that holds `size` bytes at a multiple of `align` (a power of two); nullptr if
  // none does.
  VmapArea* lowest_fit(std::uint64_t size, std::uint64_t align) const;

  // Empties the tree. Calls visit(area) in ascending order; visit may reuse the area at once.
  template <class Visit>
  void drain(Visit&& visit) {
    VmapArea* const root = root_;
    root_ = nullptr;
    drain_below(root, visit);
  }

  template <class Visit>
  void for_each(Visit&& visit) const {
    for_each_below(root_, visit);
  }

 private:
  template <class Visit>
  static void drain_below(VmapArea* area, Visit&& visit) {
    if (area == nullptr) {
      return;
    }
    VmapArea* const right = area->right;
    drain_below(area->left, visit);
    visit(area);
    drain_below(right, visit);
  }

  template <class Visit>
  static void for_each_below(const VmapArea* area, Visit&& visit) {
    if (area == nullptr) {
      return;
    }
    for_each_below(area->left, visit);
    visit(*area);
    for_each_below(area->right, visit);
  }

  VmapArea* root_ = nullptr;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_AREA_TREE_H_
