// XArrayNode: the layout of an xarray's node, and of the words that its head and slots hold.
// xarray.h says who may write what, and what readers may see of it.
#ifndef FLUSHWALK_ALLOCATOR_XARRAY_NODE_H_
#define FLUSHWALK_ALLOCATOR_XARRAY_NODE_H_

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "allocator/rcu.h"

namespace flushwalk {

// The marks that an entry can have, each set and found by itself (XA_MARK_0, XA_MARK_1).
enum class Mark : std::uint8_t { first, second };
inline constexpr Mark kMarks[] = {Mark::first, Mark::second};

// As large as the kernel's node. The header fills one cache line, the slots eight. In place of the
// kernel's count stands the presence word, which says the same and more.
struct XArrayNode {
  static constexpr unsigned kShift = 6;
  static constexpr unsigned kSlots = 1U << kShift;

  std::uint8_t shift = 0;   // of the index: this node's slot is (index >> shift) % 64
  std::uint8_t offset = 0;  // this node's slot in its parent
  std::atomic<XArrayNode*> parent{nullptr};
  rcu::RetireNode retire_node;
  std::atomic<std::uint64_t> present{0};  // a bit for each slot that is not null
  // For each mark a bit for each slot at or below which it is.
  std::array<std::atomic<std::uint64_t>, std::size(kMarks)> mark_words{};
  std::array<std::atomic<void*>, kSlots> slots{};

  static bool is_node(const void* word) { return (bits(word) & kNodeTag) != 0; }
  static XArrayNode* of(const void* word) {
    return reinterpret_cast<XArrayNode*>(bits(word) - kNodeTag);
  }
  void* word() { return reinterpret_cast<void*>(bits(this) | kNodeTag); }

  // An entry in the head carries its marks itself; entries in slots never do.
  static bool has_mark(const void* word, Mark mark) { return (bits(word) & tag_of(mark)) != 0; }
  static void* without_mark(const void* word, Mark mark) {
    return reinterpret_cast<void*>(bits(word) & ~tag_of(mark));
  }
  static void* with_mark(const void* word, Mark mark) {
    return reinterpret_cast<void*>(bits(word) | tag_of(mark));
  }
  static void* entry_of(const void* word) {
    return reinterpret_cast<void*>(bits(word) & ~kMarkTags);
  }
  // `entry` with the marks of `word`.
  static void* with_marks_of(const void* word, const void* entry) {
    return reinterpret_cast<void*>(bits(entry) | (bits(word) & kMarkTags));
  }
  static bool is_entry(const void* word) {
    return word != nullptr && (bits(word) & (kNodeTag | kMarkTags)) == 0;
  }

  std::atomic<std::uint64_t>& marks(Mark mark) { return mark_words[index_of(mark)]; }
  const std::atomic<std::uint64_t>& marks(Mark mark) const { return mark_words[index_of(mark)]; }
  static constexpr std::size_t index_of(Mark mark) { return static_cast<std::size_t>(mark); }

  static unsigned slot_of(std::uint64_t index, unsigned shift) {
    return static_cast<unsigned>(index >> shift) % kSlots;
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
  // Release: who acquires a leaf's bit sees those above, which were set before.
  void set_mark(Mark mark, unsigned slot) {
    std::atomic<std::uint64_t>& word = marks(mark);
    const std::uint64_t before = word.load(std::memory_order_relaxed);
    if ((before & bit(slot)) == 0) {
      word.store(before | bit(slot), std::memory_order_release);
    }
  }
  // Clears the mark of a slot, and those above as far as nothing else is marked below them.
  void clear_mark(Mark mark, unsigned slot);
  // Clears that mark of all slots of a leaf, and those above it in the same way.
  void clear_all(Mark mark);

 private:
  static constexpr std::uintptr_t kNodeTag = 1;
  static constexpr std::uintptr_t kMarkTags = 6;

  static constexpr std::uintptr_t tag_of(Mark mark) {
    return std::uintptr_t{2} << static_cast<unsigned>(mark);
  }

  static std::uintptr_t bits(const void* word) { return reinterpret_cast<std::uintptr_t>(word); }
};
static_assert(sizeof(XArrayNode) == 576 && sizeof(void*) == 8);

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_XARRAY_NODE_H_
