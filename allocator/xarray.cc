#include "allocator/xarray.h"

#include <array>
#include <bit>
#include <mutex>
#include <new>

namespace flushwalk {
namespace {

// The shift of the least root that holds index.
unsigned root_shift_for(std::uint64_t index) {
  unsigned shift = 0;
  while (index > XArrayNode::span_mask(shift)) {
    shift += XArrayNode::kShift;
  }
  return shift;
}

}  // namespace

void XArrayNode::unmark(unsigned slot) {
  XArrayNode* node = this;
  while (node != nullptr) {
    const std::uint64_t before = node->marks.load(std::memory_order_relaxed);
    const std::uint64_t after = before & ~bit(slot);
    if (after == before) {
      return;
    }
    node->marks.store(after, std::memory_order_release);
    if (after != 0) {
      return;
    }
    slot = node->offset;
    node = node->parent.load(std::memory_order_relaxed);
  }
}

void XArrayNode::unmark_all() {
  marks.store(0, std::memory_order_release);
  if (XArrayNode* const above = parent.load(std::memory_order_relaxed); above != nullptr) {
    above->unmark(offset);
  }
}

XArray::~XArray() { give_back_all(head_.load(std::memory_order_relaxed)); }

void XArray::give_back_all(void* entry) {
  if (!Node::is_node(entry)) {
    return;
  }
  Node* const node = Node::of(entry);
  if (node->shift != 0) {
    for (auto& slot : node->slots) {
      give_back_all(slot.load(std::memory_order_relaxed));
    }
  }
  nodes_.give_back(node);
}

XArray::Node* XArray::new_node(unsigned shift) {
  void* const memory = nodes_.take();
  if (memory == nullptr) {
    return nullptr;
  }
  Node* const node = new (memory) Node{};
  node->shift = static_cast<std::uint8_t>(shift);
  return node;
}

void XArray::retire(Node* node) {
  node->in_tree = false;
  const auto free = [](rcu::RetireNode* retired, void* pool) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
    auto* const bytes = reinterpret_cast<std::byte*>(retired) - offsetof(Node, retire_node);
#pragma GCC diagnostic pop
    static_cast<SlabPool::Slabs*>(pool)->give_back(bytes);
  };
  retired_.add(&node->retire_node, free, &nodes_);
}

void* XArray::find(std::uint64_t* index) const {
  void* entry = head_.load(std::memory_order_acquire);
  if (!Node::is_node(entry)) {
    return *index == 0 ? Node::without_mark(entry) : nullptr;
  }
  const Node* node = Node::of(entry);
  if (*index > Node::span_mask(node->shift)) {
    return nullptr;
  }
  // Down to the leaf of *index, or to the first empty slot on the way.
  std::uint64_t at = *index;
  unsigned offset = Node::slot_of(at, node->shift);
  for (;;) {
    entry = node->slots[offset].load(std::memory_order_acquire);
    if (Node::is_node(entry)) {
      node = Node::of(entry);
      offset = Node::slot_of(at, node->shift);
      continue;
    }
    if (entry != nullptr) {
      *index = at;
      return entry;
    }
    // Step to the next slot, and up where a node ends; below a new slot the search begins at its
    // first index.
    while (++offset == kSlots) {
      const Node* const parent = node->parent.load(std::memory_order_acquire);
      if (parent == nullptr) {
        return nullptr;
      }
      offset = node->offset;
      node = parent;
    }
    at = (at & ~Node::span_mask(node->shift)) | (std::uint64_t{offset} << node->shift);
  }
}

void* XArray::find_after(std::uint64_t* index) const {
  if (*index == kMaxIndex) {
    return nullptr;
  }
  std::uint64_t next = *index + 1;
  void* const entry = find(&next);
  if (entry != nullptr) {
    *index = next;
  }
  return entry;
}

Error XArray::insert(std::uint64_t index, void* entry) { return put(index, entry, false).error; }

XArray::Stored XArray::store(std::uint64_t index, void* entry) { return put(index, entry, true); }

XArray::Stored XArray::put(std::uint64_t index, void* entry, bool replace) {
  if (!Node::is_entry(entry)) {
    return {Error::invalid, nullptr};
  }
  const std::lock_guard guard(lock_);
  void* const head = head_.load(std::memory_order_relaxed);
  if (!Node::is_node(head)) {
    if (index != 0) {
      return {grow(head, index, entry), nullptr};
    }
    if (head != nullptr && !replace) {
      return {Error::busy, nullptr};
    }
    head_.store(Node::has_mark(head) ? Node::with_mark(entry) : entry, std::memory_order_release);
    return {Error::none, Node::without_mark(head)};
  }
  Node* node = Node::of(head);
  if (index > Node::span_mask(node->shift)) {
    return {grow(head, index, entry), nullptr};
  }
  while (node->shift != 0) {
    void* const below =
        node->slots[Node::slot_of(index, node->shift)].load(std::memory_order_relaxed);
    if (below == nullptr) {
      return {put_below(node, index, entry), nullptr};
    }
    node = Node::of(below);
  }
  std::atomic<void*>& slot = node->slots[Node::slot_of(index, 0)];
  void* const there = slot.load(std::memory_order_relaxed);
  if (there == nullptr) {
    return {put_below(node, index, entry), nullptr};
  }
  if (!replace) {
    return {Error::busy, nullptr};
  }
  slot.store(entry, std::memory_order_release);
  if (node->marks.load(std::memory_order_relaxed) == Node::bit(Node::slot_of(index, 0))) {
    node->marked_word.store(entry, std::memory_order_release);
  }
  return {Error::none, there};
}

// Puts entry into node, whose slot on the way to index is empty, with the nodes between.
Error XArray::put_below(Node* node, std::uint64_t index, void* entry) {
  void* const below = new_branch(node->shift, index, entry);
  if (below == nullptr) {
    return Error::no_memory;
  }
  const unsigned slot = Node::slot_of(index, node->shift);
  if (Node::is_node(below)) {
    node->adopt(slot, Node::of(below));
  } else {
    node->fill(slot, below);
  }
  return Error::none;
}

// What a slot of a node of end_shift needs to hold entry at index: the entry itself, or a chain of
// nodes above it. nullptr: no memory, none taken.
void* XArray::new_branch(unsigned end_shift, std::uint64_t index, void* entry) {
  void* below = entry;
  for (unsigned shift = 0; shift < end_shift; shift += kShift) {
    Node* const node = new_node(shift);
    if (node == nullptr) {
      give_back_all(below);
      return nullptr;
    }
    const unsigned slot = Node::slot_of(index, shift);
    if (shift == 0) {
      node->fill(slot, below);
    } else {
      node->adopt(slot, Node::of(below));
    }
    below = node->word();
  }
  return below;
}

// Nodes of top_shift down to bottom_shift, each in slot 0 of that above; the bottom one is empty.
// nullptr: no memory, none taken.
XArray::Node* XArray::new_spine(unsigned top_shift, unsigned bottom_shift, Node** bottom) {
  Node* top = nullptr;
  for (unsigned shift = bottom_shift; shift <= top_shift; shift += kShift) {
    Node* const node = new_node(shift);
    if (node == nullptr) {
      if (top != nullptr) {
        give_back_all(top->word());
      }
      return nullptr;
    }
    if (top == nullptr) {
      *bottom = node;
    } else {
      node->adopt(0, top);
    }
    top = node;
  }
  return top;
}

// Puts entry at an index that the tree does not reach, with new roots above what is there. All of
// it is complete before the head publishes it.
Error XArray::grow(void* head, std::uint64_t index, void* entry) {
  const unsigned top_shift = root_shift_for(index);
  if (head == nullptr) {
    void* const tree = new_branch(top_shift + kShift, index, entry);
    if (tree == nullptr) {
      return Error::no_memory;
    }
    head_.store(tree, std::memory_order_release);
    return Error::none;
  }
  Node* bottom = nullptr;
  const unsigned bottom_shift = Node::is_node(head) ? Node::of(head)->shift + kShift : 0;
  Node* const top = new_spine(top_shift, bottom_shift, &bottom);
  if (top == nullptr) {
    return Error::no_memory;
  }
  if (const Error error = put_below(top, index, entry); error != Error::none) {
    give_back_all(top->word());
    return error;
  }
  const bool is_marked = top_is_marked();
  for (Node* node = bottom; is_marked && node != nullptr;
       node = node->parent.load(std::memory_order_relaxed)) {
    node->mark(0);
  }
  if (Node::is_node(head)) {
    bottom->fill(0, head);
    // A reader who is below already climbs into the new roots by this, and not by the head.
    Node::of(head)->parent.store(bottom, std::memory_order_release);
  } else {
    bottom->fill(0, Node::without_mark(head));
  }
  head_.store(top->word(), std::memory_order_release);
  return Error::none;
}

// With the lock: the leaf that holds an entry at index, or nullptr.
XArray::Node* XArray::writers_leaf_of(void* head, std::uint64_t index) {
  Node* node = Node::of(head);
  if (index > Node::span_mask(node->shift)) {
    return nullptr;
  }
  for (; node->shift != 0;) {
    void* const below =
        node->slots[Node::slot_of(index, node->shift)].load(std::memory_order_relaxed);
    if (below == nullptr) {
      return nullptr;
    }
    node = Node::of(below);
  }
  return node->has(Node::slot_of(index, 0)) ? node : nullptr;
}

void* XArray::erase(std::uint64_t index) {
  const std::lock_guard guard(lock_);
  void* const head = head_.load(std::memory_order_relaxed);
  if (!Node::is_node(head)) {
    if (index != 0 || head == nullptr) {
      return nullptr;
    }
    head_.store(nullptr, std::memory_order_release);
    look_whether_marked();
    return Node::without_mark(head);
  }
  Node* const leaf = writers_leaf_of(head, index);
  if (leaf == nullptr) {
    return nullptr;
  }
  const unsigned slot = Node::slot_of(index, 0);
  void* const entry = leaf->slots[slot].load(std::memory_order_relaxed);
  leaf->unmark(slot);
  leaf->clear(slot);
  remove_empty_nodes(leaf);
  shrink();
  look_whether_marked();
  return entry;
}

// Unlinks node and its ancestors as far as they are empty. A root that is empty leaves an empty
// tree.
void XArray::remove_empty_nodes(Node* node) {
  while (node->present.load(std::memory_order_relaxed) == 0) {
    Node* const parent = node->parent.load(std::memory_order_relaxed);
    if (parent == nullptr) {
      head_.store(nullptr, std::memory_order_release);
      retire(node);
      return;
    }
    parent->clear(node->offset);
    retire(node);
    node = parent;
  }
}

// Lowers the head while the root has an entry or a node in slot 0 and nothing else. The roots that
// go keep their slot and mark for who stands in them.
void XArray::shrink() {
  void* head = head_.load(std::memory_order_relaxed);
  while (Node::is_node(head)) {
    Node* const root = Node::of(head);
    if (root->present.load(std::memory_order_relaxed) != Node::bit(0)) {
      return;
    }
    void* only = root->slots[0].load(std::memory_order_relaxed);
    if (Node::is_node(only)) {
      Node::of(only)->parent.store(nullptr, std::memory_order_relaxed);
    } else if (root->marks.load(std::memory_order_relaxed) != 0) {
      only = Node::with_mark(only);
    }
    head_.store(only, std::memory_order_release);
    retire(root);
    head = only;
  }
}

// With the lock.
bool XArray::top_is_marked() const {
  const void* const head = head_.load(std::memory_order_relaxed);
  return Node::is_node(head) ? Node::of(head)->marks.load(std::memory_order_relaxed) != 0
                             : Node::has_mark(head);
}

// With the lock, after a mark was cleared.
void XArray::look_whether_marked() {
  if (marked_.load(std::memory_order_relaxed) && !top_is_marked()) {
    marked_.store(false, std::memory_order_relaxed);
  }
}

// From the top down, so that whoever finds the leaf's mark set may rely on the whole path.
bool XArray::set_mark_locked(std::uint64_t index) {
  const std::lock_guard guard(lock_);
  void* const head = head_.load(std::memory_order_relaxed);
  if (!Node::is_node(head)) {
    if (index != 0 || head == nullptr) {
      return false;
    }
    marked_.store(true, std::memory_order_relaxed);
    head_.store(Node::with_mark(head), std::memory_order_release);
    return true;
  }
  Node* const leaf = writers_leaf_of(head, index);
  if (leaf == nullptr) {
    return false;
  }
  std::array<Node*, Node::kMaxHeight> path;
  std::size_t height = 0;
  for (Node* node = leaf; node != nullptr; node = node->parent.load(std::memory_order_relaxed)) {
    path[height++] = node;
  }
  marked_.store(true, std::memory_order_relaxed);
  while (height-- > 0) {
    path[height]->mark(Node::slot_of(index, path[height]->shift));
  }
  return true;
}

bool XArray::clear_mark_locked(std::uint64_t index) {
  const std::lock_guard guard(lock_);
  void* const head = head_.load(std::memory_order_relaxed);
  if (!Node::is_node(head)) {
    if (index != 0 || !Node::has_mark(head)) {
      return false;
    }
    head_.store(Node::without_mark(head), std::memory_order_release);
    look_whether_marked();
    return true;
  }
  Node* const leaf = writers_leaf_of(head, index);
  const unsigned slot = Node::slot_of(index, 0);
  if (leaf == nullptr || (leaf->marks.load(std::memory_order_relaxed) & Node::bit(slot)) == 0) {
    return false;
  }
  leaf->unmark(slot);
  look_whether_marked();
  return true;
}

// The leaves' marks, which are cleared. A leaf that is no longer in the tree keeps them: writers
// never touch it, and what it held may be elsewhere, with its mark.
void XArray::take_marks(std::span<XArraySubtree> leaves) {
  const std::lock_guard guard(lock_);
  for (XArraySubtree& leaf : leaves) {
    leaf.look_at<NodeBits::marks>();
    if (leaf.bits != 0 && leaf.node->in_tree) {
      leaf.node->unmark_all();
    }
  }
  look_whether_marked();
}

const char* XArray::broken_invariant() const {
  const std::lock_guard guard(lock_);
  void* const head = head_.load(std::memory_order_relaxed);
  if (marked_.load(std::memory_order_relaxed) != top_is_marked()) {
    return "the array's flag differs from the marks";
  }
  if (!Node::is_node(head)) {
    return head == nullptr || Node::is_entry(Node::without_mark(head)) ? nullptr : "a marked null";
  }
  const Node& root = *Node::of(head);
  if (root.parent.load(std::memory_order_relaxed) != nullptr || root.offset != 0) {
    return "the root has a parent";
  }
  if (root.present.load(std::memory_order_relaxed) == Node::bit(0)) {
    return "the root is higher than it need be";
  }
  return broken_invariant_below(root);
}

const char* XArray::broken_invariant_below(const Node& node) {
  std::uint64_t present = 0;
  std::uint64_t marks = 0;
  for (unsigned slot = 0; slot < kSlots; ++slot) {
    void* const word = node.slots[slot].load(std::memory_order_relaxed);
    if (word == nullptr) {
      continue;
    }
    present |= Node::bit(slot);
    if (Node::is_node(word) != (node.shift != 0)) {
      return "an entry or a node on a wrong level";
    }
    if (!Node::is_node(word)) {
      if (!Node::is_entry(word)) {
        return "an entry carries a tag";
      }
      continue;
    }
    const Node& child = *Node::of(word);
    if (child.shift + kShift != node.shift || child.offset != slot ||
        child.parent.load(std::memory_order_relaxed) != &node) {
      return "a child does not know its place";
    }
    if (child.marks.load(std::memory_order_relaxed) != 0) {
      marks |= Node::bit(slot);
    }
    if (const char* const broken = broken_invariant_below(child); broken != nullptr) {
      return broken;
    }
  }
  if (present == 0) {
    return "an empty node";
  }
  if (node.present.load(std::memory_order_relaxed) != present) {
    return "the presence word differs from the slots";
  }
  const std::uint64_t marked = node.marks.load(std::memory_order_relaxed);
  if (node.shift != 0 ? marked != marks : (marked & ~present) != 0) {
    return "the marks differ from those below";
  }
  if (std::has_single_bit(marked)) {
    const void* const word = node.marked_word.load(std::memory_order_relaxed);
    const auto slot = static_cast<unsigned>(std::countr_zero(marked));
    if (word != nullptr && word != node.slots[slot].load(std::memory_order_relaxed)) {
      return "the only marked word is another";
    }
  }
  return nullptr;
}

}  // namespace flushwalk
