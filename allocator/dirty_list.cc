#include "allocator/dirty_list.h"

#include <new>
#include <utility>

namespace flushwalk {
namespace {

constexpr std::uint32_t kLeastCapacity = 16;

}  // namespace

void DirtyLists::Ring::append(DirtyListNode* node) {
  if (size() == capacity) {
    close_gaps();
  }
  const std::uint32_t number = tail;
  node->place = number;
  at(number) = node;
  tail = number + 1;
}

void DirtyLists::Ring::close_gaps() {
  const std::uint32_t end = tail;
  std::uint32_t kept = head;
  for (std::uint32_t number = kept; number != end; ++number) {
    DirtyListNode* const node = at(number);
    if (node != nullptr) {
      node->place = kept;
      at(kept++) = node;
    }
  }
  tail = kept;
}

// Afterwards *larger has what there was before.
void DirtyLists::Ring::grow(std::unique_ptr<DirtyListNode*[]>* larger,
                            std::uint32_t larger_capacity) {
  const std::uint32_t end = tail;
  for (std::uint32_t number = head; number != end; ++number) {
    (*larger)[number & (larger_capacity - 1)] = at(number);
  }
  entries.swap(*larger);
  capacity = larger_capacity;
}

// Memory is asked for without the lock: a free may be waiting for it.
bool DirtyLists::make_room() {
  std::array<std::unique_ptr<DirtyListNode*[]>, std::size(kDirtyParts)> larger;
  std::uint32_t larger_capacity = 0;
  for (;;) {
    std::uint32_t wanted = 0;
    {
      const std::lock_guard guard(lock_);
      wanted = rings_[0].capacity;
      if (2 * (blocks_ + 1) > wanted) {
        wanted = wanted == 0 ? kLeastCapacity : 2 * wanted;
      }
      if (wanted == rings_[0].capacity || wanted == larger_capacity) {
        for (std::size_t i = 0; wanted == larger_capacity && i < rings_.size(); ++i) {
          rings_[i].grow(&larger[i], larger_capacity);
        }
        ++blocks_;
        return true;
      }
    }
    for (auto& entries : larger) {
      entries.reset(new (std::nothrow) DirtyListNode* [wanted] {});
      if (entries == nullptr) {
        return false;
      }
    }
    larger_capacity = wanted;
  }
}

void DirtyLists::forget(const DirtyListNode* node) {
  const std::lock_guard guard(lock_);
  for (Ring& ring : rings_) {
    ring.remove(node);
  }
  --blocks_;
}

void DirtyLists::add(DirtyPart which, DirtyListNode* node) {
  const std::lock_guard guard(lock_);
  if (ring_of(DirtyPart::full).has(node)) {
    return;
  }
  Ring& others = ring_of(DirtyPart::others);
  if (others.has(node)) {
    if (which == DirtyPart::others) {
      return;
    }
    others.remove(node);
  }
  ring_of(which).append(node);
}

}  // namespace flushwalk
