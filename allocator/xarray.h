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
// - A walk by bits goes down only, from the head of its beginning, and reads each node's bits once.
//   A node above X is unlinked for the second reason alone, and keeps its slot 0 and the bits of
//   that slot.
// - X's bit in `present` is set before the slot's release store and cleared after the slot is, so
//   who has seen X in its slot, by whatever way, sees the bit.
// - X marked all the time: a bit above X is cleared only when the word below is 0, under the lock,
//   which X's own bit prevents. Marks are set from the root down and the leaf's last, by release:
//   who acquires the leaf's bit has the whole path, the array's own flag before all. New roots have
//   their bits before publication, roots that are taken off keep them, and a head without a node
//   carries its mark in its own bit 1, so that entry and mark are one atomic word.
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

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "allocator/error.h"
#include "allocator/rcu.h"
#include "allocator/slab_pool.h"
#include "allocator/spin_lock.h"
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
    constexpr Steps kSteps = kEmptySlots == EmptySlots::scan ? Steps::slots : Steps::present;
    walk<kSteps>(visit, look_at_bits<kSteps>);
  }

  // xas_for_each_marked: those that are marked during the whole walk, and no others but those that
  // are marked at some moment of it.
  template <class Visit>
  void for_each_marked(Visit&& visit) const {
    if (marked()) {
      walk<Steps::marks>(visit, look_at_bits<Steps::marks>);
    }
  }

  // The same, and clears the mark of each before it is visited: one turn of the lock for a leaf. Of
  // a leaf that has left the tree meanwhile, marks may stay and be met again.
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
    walk<Steps::marks>(
        visit, [this](const Node& leaf, std::uint64_t base) { return take_marks(leaf, base); });
  }

  // nullptr, or the first of the tree's invariants that does not hold. Takes the lock; for tests.
  const char* broken_invariant() const;

 private:
  using Node = XArrayNode;
  // Which slots a walk looks into.
  enum class Steps { slots, present, marks };

  const Node* leaf_of(const void* head, std::uint64_t index) const;
  template <Steps kSteps>
  static std::uint64_t bits_of(const Node& node);
  template <Steps kSteps>
  static std::uint64_t look_at_bits(const Node& leaf, std::uint64_t /*base*/) {
    return bits_of<kSteps>(leaf);
  }
  // The first slot of a word of bits; any slot where there is none.
  static unsigned first_of(std::uint64_t bits) {
    return static_cast<unsigned>(std::countr_zero(bits)) % kSlots;
  }
  static const Node* child_from(const Node& node, unsigned* offset);
  template <Steps kSteps, class Visit>
  static void visit_leaf(const Node& leaf, std::uint64_t base, std::uint64_t bits, Visit& visit);
  template <class Visit>
  static void walk_slots(const Node& root, Visit& visit);
  // A node, and the first index below it.
  struct Subtree {
    const Node* node;
    std::uint64_t base;
  };
  static constexpr std::size_t kGroup = 32;
  template <Steps kSteps, class Visit, class LeafBits>
  void walk_group(std::span<const Subtree> group, Visit& visit, LeafBits& leaf_bits) const;
  template <Steps kSteps, class Visit, class LeafBits>
  void walk(Visit& visit, LeafBits&& leaf_bits) const;

  bool top_is_marked() const;
  void look_whether_marked();
  bool set_mark_locked(std::uint64_t index);
  bool clear_mark_locked(std::uint64_t index);
  std::uint64_t take_marks(const Node& leaf, std::uint64_t base);
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

template <XArray::Steps kSteps>
std::uint64_t XArray::bits_of(const Node& node) {
  return (kSteps == Steps::marks ? node.marks : node.present).load(std::memory_order_relaxed);
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

// The slots of a leaf whose bits are set, one after the other, with the entries some slots ahead on
// their way to the cache, for writing.
class XArrayLookahead {
 public:
  XArrayLookahead(const XArrayNode& leaf, std::uint64_t bits) : leaf_(leaf), ahead_(bits) {
    for (unsigned i = 0; i < kAhead; ++i) {
      fetch_next();
    }
  }
  void fetch_next() {
    if (ahead_ != 0) {
      const auto slot = static_cast<unsigned>(std::countr_zero(ahead_));
      __builtin_prefetch(leaf_.slots[slot].load(std::memory_order_relaxed), 1);
      ahead_ &= ahead_ - 1;
    }
  }

 private:
  static constexpr unsigned kAhead = 4;

  const XArrayNode& leaf_;
  std::uint64_t ahead_;
};

// The bits are read once: what is there (or marked) during the whole walk is among them. Marked
// entries are fetched ahead: a walk that finds them wants to lock them, and they may lie anywhere
// (65,536 shuffled blocks: 17 ns a block instead of 28). Present ones are not: four or eight ahead
// gained nothing with entries side by side, and cost 5 ns an entry where visit does not look at it.
template <XArray::Steps kSteps, class Visit>
void XArray::visit_leaf(const Node& leaf, std::uint64_t base, std::uint64_t bits, Visit& visit) {
  const auto visit_slot = [&](unsigned slot) {
    void* const entry = leaf.slots[slot].load(std::memory_order_acquire);
    if (entry != nullptr) {
      visit(base | slot, entry);
    }
  };
  if (kSteps == Steps::present || std::has_single_bit(bits)) {
    for (; bits != 0; bits &= bits - 1) {
      visit_slot(static_cast<unsigned>(std::countr_zero(bits)));
    }
  } else {
    XArrayLookahead lookahead(leaf, bits);
    for (; bits != 0; bits &= bits - 1) {
      lookahead.fetch_next();
      visit_slot(static_cast<unsigned>(std::countr_zero(bits)));
    }
  }
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

// By bits, from the top down: up to kGroup nodes of a level at once, in ascending order. Each line
// that is needed of them (header, slot, entry) is on its way to the cache for all before it is read
// of the first: where each block has a leaf of its own (1,024 queues, kernel keys, a million
// blocks) a walk waits for memory once a group and not four times a block. A walk of marks fetches
// for writing: it clears them, and locks what they lead to.
template <XArray::Steps kSteps, class Visit, class LeafBits>
void XArray::walk_group(std::span<const Subtree> group, Visit& visit, LeafBits& leaf_bits) const {
  const unsigned shift = group.front().node->shift;
  std::array<std::uint64_t, kGroup> bits;
  for (std::size_t i = 0; i < group.size(); ++i) {
    bits[i] = bits_of<kSteps>(*group[i].node);
    __builtin_prefetch(&group[i].node->slots[first_of(bits[i])]);
  }
  if (shift == 0) {
    for (std::size_t i = 0; i < group.size(); ++i) {
      __builtin_prefetch(group[i].node->slots[first_of(bits[i])].load(std::memory_order_relaxed),
                         kSteps == Steps::marks);
    }
    for (const Subtree& leaf : group) {
      visit_leaf<kSteps>(*leaf.node, leaf.base, leaf_bits(*leaf.node, leaf.base), visit);
    }
    return;
  }
  std::array<Subtree, kGroup> below;
  std::size_t count = 0;
  for (std::size_t i = 0; i < group.size(); ++i) {
    for (; bits[i] != 0; bits[i] &= bits[i] - 1) {
      const unsigned slot = first_of(bits[i]);
      const void* const child = group[i].node->slots[slot].load(std::memory_order_acquire);
      if (child == nullptr) {
        continue;
      }
      below[count] = {Node::of(child), group[i].base | (std::uint64_t{slot} << shift)};
      __builtin_prefetch(below[count].node, kSteps == Steps::marks);
      if (++count == kGroup) {
        walk_group<kSteps>(below, visit, leaf_bits);
        count = 0;
      }
    }
  }
  if (count != 0) {
    walk_group<kSteps>(std::span(below).first(count), visit, leaf_bits);
  }
}

// leaf_bits(leaf, first index): which of the leaf's slots to look into, where not all.
template <XArray::Steps kSteps, class Visit, class LeafBits>
void XArray::walk(Visit& visit, LeafBits&& leaf_bits) const {
  void* const head = head_.load(std::memory_order_acquire);
  if (!Node::is_node(head)) {
    if (head != nullptr && (kSteps != Steps::marks || Node::has_mark(head))) {
      visit(std::uint64_t{0}, Node::without_mark(head));
    }
  } else if constexpr (kSteps == Steps::slots) {
    walk_slots(*Node::of(head), visit);
  } else {
    const Subtree whole{Node::of(head), 0};
    walk_group<kSteps>(std::span(&whole, 1), visit, leaf_bits);
  }
}

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_XARRAY_H_
