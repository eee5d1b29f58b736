#include "allocator/area_tree.h"

#include <algorithm>

namespace flushwalk {
namespace {

// splitmix64's finaliser: neighbouring page numbers get unrelated priorities.
std::uint64_t priority(const VmapArea* area) {
  std::uint64_t hash = area->start >> kPageShift;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9U;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebU;
  return hash ^ (hash >> 31);
}

std::uint64_t largest(const VmapArea* area) { return area == nullptr ? 0 : area->largest_below; }

void update(VmapArea* area) {
  area->largest_below = std::max({area->size(), largest(area->left), largest(area->right)});
}

// Splits a subtree in the areas that begin below `start` and the others.
void split(VmapArea* area, Address start, VmapArea** below, VmapArea** others) {
  if (area == nullptr) {
    *below = nullptr;
    *others = nullptr;
    return;
  }
  if (area->start < start) {
    split(area->right, start, &area->right, others);
    *below = area;
  } else {
    split(area->left, start, below, &area->left);
    *others = area;
  }
  update(area);
}

// Joins two subtrees; all of `low` lies below all of `high`.
VmapArea* join(VmapArea* low, VmapArea* high) {
  if (low == nullptr || high == nullptr) {
    return low == nullptr ? high : low;
  }
  if (priority(low) > priority(high)) {
    low->right = join(low->right, high);
    update(low);
    return low;
  }
  high->left = join(low, high->left);
  update(high);
  return high;
}

VmapArea* insert_below(VmapArea* root, VmapArea* area) {
  if (root == nullptr || priority(area) > priority(root)) {
    split(root, area->start, &area->left, &area->right);
    update(area);
    return area;
  }
  VmapArea*& side = area->start < root->start ? root->left : root->right;
  side = insert_below(side, area);
  update(root);
  return root;
}

VmapArea* remove_below(VmapArea* root, Address start, VmapArea** removed) {
  if (root == nullptr) {
    return nullptr;
  }
  if (root->start == start) {
    *removed = root;
    return join(root->left, root->right);
  }
  VmapArea*& side = start < root->start ? root->left : root->right;
  side = remove_below(side, start, removed);
  update(root);
  return root;
}

bool fits(const VmapArea* area, std::uint64_t size, std::uint64_t align) {
  const Address aligned = (area->start + align - 1) & ~(align - 1);
  return aligned >= area->start && aligned < area->end && area->end - aligned >= size;
}

VmapArea* lowest_fit_below(VmapArea* area, std::uint64_t size, std::uint64_t align) {
  if (largest(area) < size) {
    return nullptr;
  }
  if (VmapArea* const lower = lowest_fit_below(area->left, size, align); lower != nullptr) {
    return lower;
  }
  return fits(area, size, align) ? area : lowest_fit_below(area->right, size, align);
}

}  // namespace

void AreaTree::insert(VmapArea* area) {
  area->left = nullptr;
  area->right = nullptr;
  root_ = insert_below(root_, area);
}

VmapArea* AreaTree::remove(Address start) {
  VmapArea* removed = nullptr;
  root_ = remove_below(root_, start, &removed);
  return removed;
}

VmapArea* AreaTree::find(Address start) const {
  VmapArea* const area = at_or_below(start);
  return area != nullptr && area->start == start ? area : nullptr;
}

VmapArea* AreaTree::at_or_below(Address address) const {
  VmapArea* best = nullptr;
  for (VmapArea* area = root_; area != nullptr;) {
    if (area->start <= address) {
      best = area;
      area = area->right;
    } else {
      area = area->left;
    }
  }
  return best;
}

VmapArea* AreaTree::at_or_above(Address address) const {
  VmapArea* best = nullptr;
  for (VmapArea* area = root_; area != nullptr;) {
    if (area->start >= address) {
      best = area;
      area = area->left;
    } else {
      area = area->right;
    }
  }
  return best;
}

VmapArea* AreaTree::lowest_fit(std::uint64_t size, std::uint64_t align) const {
  return lowest_fit_below(root_, size, align);
}

}  // namespace flushwalk
