// XArrayNode: the layout of an xarray's node, and of the words that its head and slots hold.
// xarray.h says who may write what, and what readers may see of it.
#ifndef FLUSHWALK_ALLOCATOR_XARRAY_NODE_H_
#define FLUSHWALK_ALLOCATOR_XARRAY_NODE_H_

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "allocator/rcu.h"

namespace flushwalk {

// Which bits of a node a walk follows.
enum class NodeBits { present, marks };

// As large as the kernel's node. The header fills one cache line, the slots eight. In place of the
// kernel's count stands the presence word, which says the same and more.
struct XArrayNode {
  static constexpr unsigned kShift = 6;
  static constexpr unsigned kSlots = 1U << kShift;
  static constexpr unsigned kMaxHeight = 11;  // of a tree: 64 bits of index in steps of 6

  std::uint8_t shift = 0;   // of the index: this node's slot is (index >> shift) % 64
  std::uint8_t offset = 0;  // this node's slot in its parent
  bool in_tree = true;      // for writers: nobody has unlinked it
  std::atomic<XArrayNode*> parent{nullptr};
  rcu::RetireNode retire_node;
  std::atomic<std::uint64_t> present{0};  // a bit for each slot that is not null
  std::atomic<std::uint64_t> marks{0};    // a bit for each slot at or below which is a mark
  // While one bit of marks is set: null, or the word in its slot, which spares a walk that slot's
  // cache line.
  std::atomic<void*> marked_word{nullptr};
  std::array<std::atomic<void*>, kSlots> slots{};

  static bool is_node(const void* word) { return (bits(word) & kNodeTag) != 0; }
  static XArrayNode* of(const void* word) {
    return reinterpret_cast<XArrayNode*>(bits(word) - kNodeTag);
  }
  void* word() { return reinterpret_cast<void*>(bits(this) | kNodeTag); }

  // An entry in the head carries its mark itself; entries in slots never do.
  static bool has_mark(const void* word) { return (bits(word) & kMarkTag) != 0; }
  static void* without_mark(const void* word) {
    return reinterpret_cast<void*>(bits(word) & ~kMarkTag);
  }
  static void* with_mark(const void* word) {
    return reinterpret_cast<void*>(bits(word) | kMarkTag);
  }
  static bool is_entry(const void* word) {
    return word != nullptr && (bits(word) & (kNodeTag | kMarkTag)) == 0;
  }

  static unsigned slot_of(std::uint64_t index, unsigned shift) {
    return static_cast<unsigned>(index >> shift) % kSlots;
  }
  // Of what a slot of a node of that shift leads to. Shift 66 is that of the highest root's parent.
  static std::uint64_t first_index(unsigned slot, unsigned shift) {
    return shift >= 64 ? 0 : std::uint64_t{slot} << shift;
  }
  // The highest index below a root of that shift.
  static std::uint64_t span_mask(unsigned shift) {
    return shift + kShift >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << (shift + kShift)) - 1;
  }
  static std::uint64_t bit(unsigned slot) { return std::uint64_t{1} << slot; }

  // Writers, with the array's lock, or before the node is published.
  bool has(unsigned slot) const {
    return (present.load(std::memory_order_relaxed) & bit(slot)) != 0;
  }
  // The bit first: a reader who sees the slot's word sees it too.
  void fill(unsigned slot, void* word) {
    present.store(present.load(std::memory_order_relaxed) | bit(slot), std::memory_order_relaxed);
    slots[slot].store(word, std::memory_order_release);
  }
  // A node goes into a slot of another that has no parent yet.
  void adopt(unsigned slot, XArrayNode* child) {
    child->offset = static_cast<std::uint8_t>(slot);
    child->parent.store(this, std::memory_order_relaxed);
    fill(slot, child->word());
  }
  void clear(unsigned slot) {
    slots[slot].store(nullptr, std::memory_order_release);
    present.store(present.load(std::memory_order_relaxed) & ~bit(slot), std::memory_order_relaxed);
  }
  // Release: who acquires a leaf's bit sees those above, which were set before; and marked_word of
  // then, or a later one.
  void mark(unsigned slot) {
    const std::uint64_t before = marks.load(std::memory_order_relaxed);
    if ((before & bit(slot)) == 0) {
      void* const word = slots[slot].load(std::memory_order_relaxed);
      marked_word.store(before == 0 ? word : nullptr, std::memory_order_release);
      marks.store(before | bit(slot), std::memory_order_release);
    }
  }
  // Clears the mark of a slot (by release, too: other slots' bits stay in the word), and those
  // above as far as nothing else is marked below them.
  void unmark(unsigned slot);
  // Clears all marks of a leaf, and those above it in the same way.
  void unmark_all();

 private:
  static constexpr std::uintptr_t kNodeTag = 1;
  static constexpr std::uintptr_t kMarkTag = 2;

  static std::uintptr_t bits(const void* word) { return reinterpret_cast<std::uintptr_t>(word); }
};
static_assert(sizeof(XArrayNode) == 576 && sizeof(void*) == 8);

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_XARRAY_NODE_H_
