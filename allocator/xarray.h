// XArray: pointers by index, as the kernel's xarray keeps them: the index of a queue's blocks.
//
// A radix tree of 64-slot nodes of 576 bytes, whose height is the least that holds the highest
// index; one entry at index 0 stands in the head without a node. Entries are pointers aligned to 4
// bytes or more. Loads and finds need only RCU; insert and erase take the array's own lock.
//
// What a reader may see
// - head_ and every slot hold null, an entry, or a node (tagged by bit 0). A node is filled before
// the release
//   store that publishes it; readers follow pointers by acquire loads, which pair with it. x86:
//   plain moves.
// - Growing puts a new root above the old one, whose slot 0 is the old root: a reader in the old
// root sees all that
//   was there when it began. The old root's parent is set before the new head is published.
// - Erasing clears the slot (release), then unlinks nodes that became empty from the leaf up, then
// lowers the
//   head while the root has slot 0 alone. An unlinked node keeps what it pointed to and is retired:
//   a reader inside goes on in a tree as it was at some moment of its search. `parent` is cleared
//   in a new root before it is the head; a reader that climbs out there ends its search: what it
//   misses was inserted after it began.
// - An entry which is present during a whole for_each() is visited. Each step searches from the
// head again, and
//   each single search sees every entry that was there from its start to its end.
// Writers alone touch count; shift and offset never change after publication. `parent` is published
// too: a reader below the old root climbs by it into the new one, so growing stores it by a release
// store, which pairs with the acquire load in find().
#ifndef FLUSHWALK_ALLOCATOR_XARRAY_H_
#define FLUSHWALK_ALLOCATOR_XARRAY_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "allocator/error.h"
#include "allocator/rcu.h"
#include "allocator/slab_pool.h"
#include "allocator/spin_lock.h"

namespace flushwalk {

class XArray {
 public:
  static constexpr unsigned kShift = 6;
  static constexpr unsigned kSlots = 1U << kShift;
  static constexpr std::size_t kNodeBytes = 576;
  static constexpr std::uint64_t kMaxIndex = ~std::uint64_t{0};

  // nodes: gives objects of kNodeBytes. retired: takes unlinked nodes. Both outlive the array.
  XArray(SlabPool& nodes, rcu::RetireList& retired) : nodes_(nodes), retired_(retired) {}
  XArray(const XArray&) = delete;
  XArray& operator=(const XArray&) = delete;
  // Gives all nodes back; no reader may be left.
  ~XArray();

  // xa_insert. busy: the index is taken. no_memory: the tree holds what it held before. invalid:
  // null, or an entry whose low two bits are not zero.
  Error insert(std::uint64_t index, void* entry);

  // xa_erase. The entry that was there, or nullptr.
  void* erase(std::uint64_t index);

  // xa_load. In a read-side critical section: the entry lives until its end at least.
  void* load(std::uint64_t index) const;

  // xa_find: the first entry at or after *index, whose index it stores there; nullptr if there is
  // none.
  void* find(std::uint64_t* index) const;
  // xa_find_after: the first entry after *index.
  void* find_after(std::uint64_t* index) const;

  // xa_for_each: visit(index, entry) in ascending order, from the head again for each entry. The
  // caller is in a read-side critical section if it goes on using the entries.
  template <class Visit>
  void for_each(Visit&& visit) const {
    std::uint64_t index = 0;
    for (void* entry = find(&index); entry != nullptr; entry = find_after(&index)) {
      visit(index, entry);
    }
  }

  bool empty() const { return head_.load(std::memory_order_acquire) == nullptr; }

 private:
  struct Node {
    std::uint8_t shift;   // of the index: this node's slot is (index >> shift) % 64
    std::uint8_t offset;  // this node's slot in its parent
    std::uint8_t count;   // slots that are not null
    std::atomic<Node*> parent;
    rcu::RetireNode retire_node;
    std::array<std::byte, 24>
        unused;  // where the kernel has its marks: a node has the kernel's size
    std::array<std::atomic<void*>, kSlots> slots;
  };
  static_assert(sizeof(Node) == kNodeBytes);

  static bool is_node(const void* entry) {
    return (reinterpret_cast<std::uintptr_t>(entry) & 1U) != 0;
  }
  static Node* to_node(void* entry) {
    return reinterpret_cast<Node*>(reinterpret_cast<std::uintptr_t>(entry) & ~std::uintptr_t{1});
  }
  static void* to_entry(Node* node) {
    return reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(node) | 1U);
  }
  static unsigned slot_of(std::uint64_t index, unsigned shift) {
    return static_cast<unsigned>(index >> shift) % kSlots;
  }
  // The highest index below a node of that shift.
  static std::uint64_t span_mask(unsigned shift) {
    return shift + kShift >= 64 ? kMaxIndex : (std::uint64_t{1} << (shift + kShift)) - 1;
  }

  Node* new_node(unsigned shift, Node* parent, unsigned offset);
  Error grow_to(std::uint64_t index);
  Error insert_below(Node* node, std::uint64_t index, void* entry);
  void remove_empty_nodes(Node* node);
  void shrink();
  void retire(Node* node);
  void give_back_all(void* entry);

  std::atomic<void*> head_{nullptr};
  SpinLock lock_;
  SlabPool& nodes_;
  rcu::RetireList& retired_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_XARRAY_H_
