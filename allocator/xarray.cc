#include "allocator/xarray.h"

#include <mutex>
#include <new>

namespace flushwalk {

XArray::~XArray() { give_back_all(head_.load(std::memory_order_relaxed)); }

void XArray::give_back_all(void* entry) {
  if (!is_node(entry)) {
    return;
  }
  Node* const node = to_node(entry);
  if (node->shift != 0) {
    for (auto& slot : node->slots) {
      give_back_all(slot.load(std::memory_order_relaxed));
    }
  }
  nodes_.give_back(node);
}

XArray::Node* XArray::new_node(unsigned shift, Node* parent, unsigned offset) {
  void* const memory = nodes_.take();
  if (memory == nullptr) {
    return nullptr;
  }
  Node* const node = new (memory) Node{};
  node->shift = static_cast<std::uint8_t>(shift);
  node->offset = static_cast<std::uint8_t>(offset);
  node->parent.store(parent, std::memory_order_relaxed);
  return node;
}

void XArray::retire(Node* node) {
  const auto free = [](rcu::RetireNode* retired, void* pool) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
    auto* const bytes = reinterpret_cast<std::byte*>(retired) - offsetof(Node, retire_node);
#pragma GCC diagnostic pop
    static_cast<SlabPool*>(pool)->give_back(bytes);
  };
  retired_.add(&node->retire_node, free, &nodes_);
}

void* XArray::load(std::uint64_t index) const {
  void* entry = head_.load(std::memory_order_acquire);
  if (!is_node(entry)) {
    return index == 0 ? entry : nullptr;
  }
  Node* node = to_node(entry);
  if (index > span_mask(node->shift)) {
    return nullptr;
  }
  for (;;) {
    entry = node->slots[slot_of(index, node->shift)].load(std::memory_order_acquire);
    if (!is_node(entry)) {
      return entry;
    }
    node = to_node(entry);
  }
}

void* XArray::find(std::uint64_t* index) const {
  void* entry = head_.load(std::memory_order_acquire);
  if (!is_node(entry)) {
    return *index == 0 ? entry : nullptr;
  }
  Node* node = to_node(entry);
  if (*index > span_mask(node->shift)) {
    return nullptr;
  }
  // Down to the leaf of *index, or to the first empty slot on the way.
  std::uint64_t at = *index;
  unsigned offset = slot_of(at, node->shift);
  for (;;) {
    entry = node->slots[offset].load(std::memory_order_acquire);
    if (is_node(entry)) {
      node = to_node(entry);
      offset = slot_of(at, node->shift);
      continue;
    }
    if (entry != nullptr) {
      *index = at;
      return entry;
    }
    // Step to the next slot, and up where a node ends; below a new slot the search begins at its
    // first index.
    while (++offset == kSlots) {
      Node* const parent = node->parent.load(std::memory_order_acquire);
      if (parent == nullptr) {
        return nullptr;
      }
      offset = node->offset;
      node = parent;
    }
    at = (at & ~span_mask(node->shift)) | (std::uint64_t{offset} << node->shift);
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

Error XArray::insert(std::uint64_t index, void* entry) {
  if (entry == nullptr || (reinterpret_cast<std::uintptr_t>(entry) & 3U) != 0) {
    return Error::invalid;
  }
  const std::lock_guard guard(lock_);
  void* const head = head_.load(std::memory_order_relaxed);
  if (head == nullptr && index == 0) {
    head_.store(entry, std::memory_order_release);
    return Error::none;
  }
  if (!is_node(head) && head != nullptr && index == 0) {
    return Error::busy;
  }
  if (const Error error = grow_to(index); error != Error::none) {
    shrink();
    return error;
  }
  const Error error = insert_below(to_node(head_.load(std::memory_order_relaxed)), index, entry);
  if (error != Error::none) {
    shrink();
  }
  return error;
}

// Puts roots on top until the tree reaches index; afterwards the head is a node.
Error XArray::grow_to(std::uint64_t index) {
  void* head = head_.load(std::memory_order_relaxed);
  unsigned shift = is_node(head) ? to_node(head)->shift : 0;
  while (!is_node(head) || index > span_mask(shift)) {
    // An empty tree gets the root that it needs at once; an entry or a node moves down one level at
    // a time.
    if (head == nullptr) {
      while (index > span_mask(shift)) {
        shift += kShift;
      }
    } else if (is_node(head)) {
      shift += kShift;
    }
    Node* const root = new_node(shift, nullptr, 0);
    if (root == nullptr) {
      return Error::no_memory;
    }
    if (head != nullptr) {
      root->slots[0].store(head, std::memory_order_relaxed);
      root->count = 1;
      if (is_node(head)) {
        // A reader who is below already climbs into the new root by this, and not by the head.
        to_node(head)->parent.store(root, std::memory_order_release);
      }
    }
    head = to_entry(root);
    head_.store(head, std::memory_order_release);
  }
  return Error::none;
}

Error XArray::insert_below(Node* node, std::uint64_t index, void* entry) {
  while (node->shift != 0) {
    const unsigned offset = slot_of(index, node->shift);
    void* const child = node->slots[offset].load(std::memory_order_relaxed);
    if (child != nullptr) {
      node = to_node(child);
      continue;
    }
    Node* const added = new_node(node->shift - kShift, node, offset);
    if (added == nullptr) {
      remove_empty_nodes(node);
      return Error::no_memory;
    }
    node->slots[offset].store(to_entry(added), std::memory_order_release);
    ++node->count;
    node = added;
  }
  std::atomic<void*>& slot = node->slots[slot_of(index, 0)];
  if (slot.load(std::memory_order_relaxed) != nullptr) {
    return Error::busy;
  }
  slot.store(entry, std::memory_order_release);
  ++node->count;
  return Error::none;
}

void* XArray::erase(std::uint64_t index) {
  const std::lock_guard guard(lock_);
  void* entry = head_.load(std::memory_order_relaxed);
  if (!is_node(entry)) {
    if (index != 0 || entry == nullptr) {
      return nullptr;
    }
    head_.store(nullptr, std::memory_order_release);
    return entry;
  }
  Node* node = to_node(entry);
  if (index > span_mask(node->shift)) {
    return nullptr;
  }
  while (node->shift != 0) {
    entry = node->slots[slot_of(index, node->shift)].load(std::memory_order_relaxed);
    if (entry == nullptr) {
      return nullptr;
    }
    node = to_node(entry);
  }
  std::atomic<void*>& slot = node->slots[slot_of(index, 0)];
  entry = slot.load(std::memory_order_relaxed);
  if (entry == nullptr) {
    return nullptr;
  }
  slot.store(nullptr, std::memory_order_release);
  --node->count;
  remove_empty_nodes(node);
  shrink();
  return entry;
}

// Unlinks node and its ancestors as far as they are empty. A root that is empty leaves an empty
// tree.
void XArray::remove_empty_nodes(Node* node) {
  while (node->count == 0) {
    Node* const parent = node->parent.load(std::memory_order_relaxed);
    if (parent == nullptr) {
      head_.store(nullptr, std::memory_order_release);
      retire(node);
      return;
    }
    parent->slots[node->offset].store(nullptr, std::memory_order_release);
    --parent->count;
    retire(node);
    node = parent;
  }
}

// Lowers the head while the root has an entry or a node in slot 0 and nothing else.
void XArray::shrink() {
  void* head = head_.load(std::memory_order_relaxed);
  while (is_node(head)) {
    Node* const root = to_node(head);
    void* const only = root->slots[0].load(std::memory_order_relaxed);
    if (root->count != 1 || only == nullptr) {
      return;
    }
    if (is_node(only)) {
      to_node(only)->parent.store(nullptr, std::memory_order_relaxed);
    }
    head_.store(only, std::memory_order_release);
    retire(root);
    head = only;
  }
}

}  // namespace flushwalk
