// XArray: pointers by index, as the kernel's xarray keeps them: the index of a queue's blocks.
//
// A radix tree of 64-slot nodes of 576 bytes, whose height is the least that holds the highest
// index; one entry at index 0 stands in the head without a node. Every 64-bit index works. Entries
// are pointers aligned to 4 bytes or more. Each entry has one mark; in each node a bit per slot
// says whether something marked is below it. Readers need only RCU, writers take the array's lock.
//
// What a reader may see
//
// - The head and each slot hold null, an entry or a node (bit 0 set). What is inserted is complete
//   before the release store that publishes it, new nodes and all; readers follow pointers by
//   acquire loads, which pair with it. On x86 both are plain moves.
// - `shift` and `offset` of a node never change once it is published. `present` and `marks` are
//   written under the lock, and read relaxed where only coherence is asked for.
// - Growing puts new roots above the old one, whose slot 0 it becomes. A reader below the old root
//   climbs by `parent` into the new ones and not by the head: `parent` is stored by release, which
//   pairs with the acquire load of who climbs.
// - Erasing clears the slot, then unlinks the nodes that became empty from the leaf up, then lowers
//   the head while the root has slot 0 alone. Unlinked nodes keep what they pointed to, parents
//   too, and are retired: who stands in one goes on from there. Writers never touch them again.
//
// Why a walk misses nothing that is there from its beginning to its end (X below)
//
// - It stands in a node that was unlinked empty: X was not below it. It climbs to the parent of
//   that time, which still leads on or was unlinked for one of these two reasons.
// - It stands in a root that was taken off, or below one: then only slot 0 held anything. X is
//   below slot 0, whose subtree is as reachable as before, or it was passed. What is missed where
//   the climb now ends was inserted after that, hence after the walk began.
// - A walk by bits (xarray_descent.h) goes down only, from the head of its beginning, and reads
//   each node's bits once. A node above X is unlinked for the second reason alone, and keeps its
//   slot 0 and the bits of that slot.
// - X's bit in `present` is set before the slot's release store and cleared after the slot is, so
//   who has seen X in its slot, by whatever way, sees the bit.
// - X marked all the time: a bit above X is cleared only when the word below is 0, under the lock,
//   which X's own bit prevents. Marks are set from the root down and the leaf's last, by release:
//   who acquires the leaf's bit has the whole path, the array's own flag before all. New roots have
//   their bits before publication, roots that are taken off keep them, and a head without a node
//   carries its mark in its own bit 1, so that entry and mark are one atomic word.
// - The only bit of a node's marks is X's, and the walk takes `marked_word` for its slot's word. It
//   was stored, by release, before the marks of which X's bit became one: null if they were not
//   empty, and so it stays until they are. Who has acquired marks with X's bit finds null or X's
//   way. (Where X's mark is cleared meanwhile it may be another's: of a node that says itself where
//   it lies; of entries, which do not, it is read with the lock alone.)
//
// The rule for a mark that stands for a state of the entry ("this block is dirty"). The fast path
// of set_mark() has no fence: it returns when it finds the mark set, and somebody may be about to
// clear it. With the entry's own lock nothing is lost, if
//     setting:  lock; change the state; unlock;  set_mark() inside or afterwards (inside, where it
//               is set only when the state was not there before)
//     clearing: clear_mark() before or inside;   lock; look at the state; unlock
// Either the setter's section comes first, and the clearer sees the new state; or the clearer's
// does, then clear_mark() happens before set_mark() begins, whose descent from the head sees it. A
// descent can meet an unlinked leaf with an old mark, but only if the unlinking, hence the clear
// that followed it, did not happen before it began: then the mark counts as set before the clear.
// Without such a lock both sides need a seq_cst fence between their two steps.
#ifndef FLUSHWALK_ALLOCATOR_XARRAY_H_
#define FLUSHWALK_ALLOCATOR_XARRAY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "allocator/error.h"
#include "allocator/rcu.h"
#include "allocator/slab_pool.h"
#include "allocator/spin_lock.h"
#include "allocator/xarray_descent.h"
#include "allocator/xarray_node.h"

namespace flushwalk {

// How a cursor passes empty slots.
enum class EmptySlots {
  scan,  // looks at each, as the kernel does
  skip,  // not at all: the node's presence word has a bit for each slot that is taken
};

class XArray {
 public:
  static constexpr unsigned kShift = XArrayNode::kShift;
  static constexpr unsigned kSlots = XArrayNode::kSlots;
  static constexpr std::size_t kNodeBytes = sizeof(XArrayNode);
  static constexpr std::uint64_t kMaxIndex = ~std::uint64_t{0};

  // nodes: gives objects of kNodeBytes. retired: takes unlinked nodes. Both outlive the array.
  XArray(SlabPool::Slabs& nodes, rcu::RetireList& retired) : nodes_(nodes), retired_(retired) {}
  XArray(const XArray&) = delete;
  XArray& operator=(const XArray&) = delete;
  // Gives all nodes back; no reader may be left.
  ~XArray();

  // Writers. They take the lock and may be called by anyone, from inside a walk too.

  // xa_insert: an entry without mark. busy: the index is taken. no_memory: nothing has changed, all
  // nodes are taken from the pool before the first is linked. invalid: null, or an entry whose low
  // two bits are not zero.
  Error insert(std::uint64_t index, void* entry);

  // xa_store: as insert(), but an entry that is there is replaced; the mark stays.
  struct Stored {
    Error error;
    void* replaced;  // nullptr: there was none
  };
  Stored store(std::uint64_t index, void* entry);

  // xa_erase. The entry that was there, or nullptr. Its mark goes with it.
  void* erase(std::uint64_t index);

  // xa_set_mark, xa_clear_mark: false if there is no entry to mark, no mark to clear. They take the
  // lock only when there is something to change: see the rule above. In a read-side critical
  // section.
  bool set_mark(std::uint64_t index) { return get_mark(index) || set_mark_locked(index); }
  bool clear_mark(std::uint64_t index) { return get_mark(index) && clear_mark_locked(index); }

  // Readers, in a read-side critical section: what they return lives until its end at least.

  // xa_load.
  void* load(std::uint64_t index) const;

  // xa_get_mark: the descent of load(), then the leaf's mark word in place of the slot.
  bool get_mark(std::uint64_t index) const;

  // xa_marked: is anything marked? Looks at no node.
  bool marked() const { return marked_.load(std::memory_order_acquire); }

  bool empty() const { return head_.load(std::memory_order_acquire) == nullptr; }

  // xa_find: the first entry at or after *index, whose index it stores there; nullptr if there is
  // none.
  void* find(std::uint64_t* index) const;
  // xa_find_after: the first entry after *index.
  void* find_after(std::uint64_t* index) const;

  // Walks: visit(index, entry) in ascending order. Each visits what is there during the whole walk,
  // and of the rest what it happens to meet.

  // xa_for_each: from the head again for each entry.
  template <class Visit>
  void for_each(Visit&& visit) const {
    std::uint64_t index = 0;
    for (void* entry = find(&index); entry != nullptr; entry = find_after(&index)) {
      visit(index, entry);
    }
  }

  // xas_for_each: keeps its node from entry to entry.
  template <EmptySlots kEmptySlots, class Visit>
  void for_each_cursor(Visit&& visit) const {
    if constexpr (kEmptySlots == EmptySlots::scan) {
      walk<NodeBits::present>(visit, [&](const Node* root) { walk_slots(*root, visit); });
    } else {
      walk_bits<NodeBits::present>(visit, take_nothing);
    }
  }

  // xas_for_each_marked: those that are marked during the whole walk, and no others but those that
  // are marked at some moment of it.
  template <class Visit>
  void for_each_marked(Visit&& visit) const {
    if (marked()) {
      walk_bits<NodeBits::marks>(visit, take_nothing);
    }
  }

  // The same, and clears the mark of each before it is visited: one turn of the lock for a group of
  // leaves, which are visited afterwards. Of a leaf that has left the tree meanwhile marks may stay
  // and be met again.
  template <class Visit>
  void for_each_marked_and_clear(Visit&& visit) {
    if (!marked()) {
      return;
    }
    if (void* const head = head_.load(std::memory_order_acquire); !Node::is_node(head)) {
      // Loaded after the mark is cleared: by then another entry may stand there than in `head`.
      if (clear_mark(0)) {
        if (void* const entry = load(0); entry != nullptr) {
          visit(std::uint64_t{0}, entry);
        }
      }
      return;
    }
    walk_bits<NodeBits::marks>(visit,
                               [this](std::span<XArraySubtree> leaves) { take_marks(leaves); });
  }

  // nullptr, or the first of the tree's invariants that does not hold. Takes the lock; for tests.
  const char* broken_invariant() const;

 private:
  using Node = XArrayNode;

  const Node* leaf_of(const void* head, std::uint64_t index) const;
  static const Node* child_from(const Node& node, unsigned* offset);
  template <class Visit>
  static void walk_slots(const Node& root, Visit& visit);
  // Without the lock a leaf's only marked word may be another's than its only mark.
  static void take_nothing(std::span<XArraySubtree> leaves) {
    for (XArraySubtree& leaf : leaves) {
      leaf.word = nullptr;
    }
  }
  template <NodeBits kBits, class Visit, class Below>
  void walk(Visit& visit, Below&& below) const;
  template <NodeBits kBits, class Visit, class Take>
  void walk_bits(Visit& visit, Take&& take) const;

  bool top_is_marked() const;
  void look_whether_marked();
  bool set_mark_locked(std::uint64_t index);
  bool clear_mark_locked(std::uint64_t index);
  void take_marks(std::span<XArraySubtree> leaves);
  Stored put(std::uint64_t index, void* entry, bool replace);
  Error put_below(Node* node, std::uint64_t index, void* entry);
  Error grow(void* head, std::uint64_t index, void* entry);
  Node* new_node(unsigned shift);
  void* new_branch(unsigned end_shift, std::uint64_t index, void* entry);
  Node* new_spine(unsigned top_shift, unsigned bottom_shift, Node** bottom);
  Node* writers_leaf_of(void* head, std::uint64_t index);
  void remove_empty_nodes(Node* node);
  void shrink();
  void retire(Node* node);
  void give_back_all(void* entry);
  static const char* broken_invariant_below(const Node& node);

  std::atomic<void*> head_{nullptr};
  // Whether anything is marked, as in the kernel's xa_flags: set before the root's mark, cleared
  // after it.
  std::atomic<bool> marked_{false};
  mutable SpinLockOf<LockKind::xarray> lock_;
  SlabPool::Slabs& nodes_;
  rcu::RetireList& retired_;
};

// The leaf in whose range index is, below a head that is a node; or nullptr. Reads the root's shift
// only: each level below has 6 less, so inner nodes cost the slot's cache line and not their
// header's.
inline const XArrayNode* XArray::leaf_of(const void* head, std::uint64_t index) const {
  const Node* node = Node::of(head);
  unsigned shift = node->shift;
  if ((index >> shift) >= kSlots) {
    return nullptr;
  }
  for (; shift != 0; shift -= kShift) {
    const void* const below =
        node->slots[Node::slot_of(index, shift)].load(std::memory_order_acquire);
    if (below == nullptr) {
      return nullptr;
    }
    node = Node::of(below);
  }
  return node;
}

inline void* XArray::load(std::uint64_t index) const {
  void* const head = head_.load(std::memory_order_acquire);
  if (!Node::is_node(head)) {
    return index == 0 ? Node::without_mark(head) : nullptr;
  }
  const Node* const leaf = leaf_of(head, index);
  return leaf == nullptr ? nullptr
                         : leaf->slots[Node::slot_of(index, 0)].load(std::memory_order_acquire);
}

inline bool XArray::get_mark(std::uint64_t index) const {
  const void* const head = head_.load(std::memory_order_acquire);
  if (!Node::is_node(head)) {
    return index == 0 && Node::has_mark(head);
  }
  const Node* const leaf = leaf_of(head, index);
  return leaf != nullptr &&
         (leaf->marks.load(std::memory_order_acquire) & Node::bit(Node::slot_of(index, 0))) != 0;
}

// The first node below `node` from slot *offset on, whose slot it stores there; or nullptr.
inline const XArrayNode* XArray::child_from(const Node& node, unsigned* offset) {
  for (unsigned slot = *offset; slot < kSlots; ++slot) {
    const void* const child = node.slots[slot].load(std::memory_order_acquire);
    if (child != nullptr) {
      *offset = slot;
      return Node::of(child);
    }
  }
  return nullptr;
}

// Each slot of each node, and up again by the parents.
template <class Visit>
void XArray::walk_slots(const Node& root, Visit& visit) {
  const Node* node = &root;
  std::uint64_t base = 0;  // the first index below node
  unsigned offset = 0;     // where the search in node begins
  for (;;) {
    if (node->shift == 0) {
      for (unsigned slot = 0; slot < kSlots; ++slot) {
        void* const entry = node->slots[slot].load(std::memory_order_acquire);
        if (entry != nullptr) {
          visit(base | slot, entry);
        }
      }
    } else if (const Node* const child = child_from(*node, &offset); child != nullptr) {
      base = (base & ~Node::span_mask(node->shift)) | (std::uint64_t{offset} << node->shift);
      node = child;
      offset = 0;
      continue;
    }
    do {
      offset = node->offset + 1U;
      node = node->parent.load(std::memory_order_acquire);
      if (node == nullptr) {
        return;
      }
    } while (offset == kSlots);
  }
}

// below(root): for what lies below a head that is a node.
template <NodeBits kBits, class Visit, class Below>
void XArray::walk(Visit& visit, Below&& below) const {
  void* const head = head_.load(std::memory_order_acquire);
  if (Node::is_node(head)) {
    below(Node::of(head));
  } else if (head != nullptr && (kBits == NodeBits::present || Node::has_mark(head))) {
    visit(std::uint64_t{0}, Node::without_mark(head));
  }
}

template <NodeBits kBits, class Visit, class Take>
void XArray::walk_bits(Visit& visit, Take&& take) const {
  walk<kBits>(visit,
              [&](Node* root) { XArrayDescent<kBits, Visit, Take>(visit, take).walk(root); });
}

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_XARRAY_H_
