// Geometry: the arithmetic of pages, slots, blocks and buckets (SPEC of the kernel:
// include/linux/vmalloc and mm/vmalloc.c, v6.4 to v6.12). Pure functions of addresses; no memory,
// no state.
//
// The address space begins at `base` (the kernel's VMALLOC_START), which need not be block aligned.
// A block is `slots` pages long and aligned to its own length. Addresses are bytes; slots are pages
// in a block.
#ifndef FLUSHWALK_ALLOCATOR_GEOMETRY_H_
#define FLUSHWALK_ALLOCATOR_GEOMETRY_H_

#include <algorithm>
#include <bit>
#include <cstdint>
#include <utility>
#include <vector>

namespace flushwalk {

// A byte address: a real one where an arena stands behind it, a model's one in a replay.
using Address = std::uint64_t;

inline constexpr unsigned kPageShift = 12;
inline constexpr std::uint64_t kPageSize = std::uint64_t{1} << kPageShift;
// VMAP_MAX_ALLOC on a 64-bit machine: the largest request, in pages, that a block serves.
inline constexpr unsigned kMaxAllocPages = 64;
inline constexpr unsigned kMaxBlockSlots = 4096;

// Half-open range of byte addresses; empty unless start < end.
struct Range {
  Address start = ~Address{0};
  Address end = 0;

  bool empty() const { return start >= end; }
  std::uint64_t pages() const { return empty() ? 0 : (end - start) >> kPageShift; }
  void merge(const Range& other) {
    if (other.start < start) {
      start = other.start;
    }
    if (other.end > end) {
      end = other.end;
    }
  }
  friend bool operator==(const Range&, const Range&) = default;
};

// order(n): the smallest o with 2^o >= pages. pages 1..kMaxAllocPages.
constexpr unsigned order_of(unsigned pages) {
  return static_cast<unsigned>(std::bit_width(pages - 1U));
}

// VMAP_BBMAP_BITS of a 64-bit kernel built for at most `nr_cpus` CPUs: slots in a block.
constexpr unsigned kernel_block_slots(std::uint64_t nr_cpus) {
  constexpr std::uint64_t kVmallocPages = (std::uint64_t{128} << 30) / kPageSize;
  const std::uint64_t share = kVmallocPages / std::bit_ceil(nr_cpus) / 16;
  return static_cast<unsigned>(
      std::clamp<std::uint64_t>(share, std::uint64_t{2} * kMaxAllocPages, 1024));
}

class Geometry {
 public:
  // slots: a power of two in 2..kMaxBlockSlots (the caller has checked it).
  constexpr Geometry(Address base, unsigned slots)
      : base_(base),
        slots_(slots),
        block_shift_(kPageShift + static_cast<unsigned>(std::bit_width(slots) - 1)) {}

  constexpr Address base() const { return base_; }
  constexpr unsigned slots() const { return slots_; }
  // The largest request that a block serves: a new block must have a slot left after its first one.
  constexpr unsigned max_alloc_pages() const {
    return slots_ / 2 < kMaxAllocPages ? slots_ / 2 : kMaxAllocPages;
  }
  constexpr std::uint64_t block_bytes() const { return std::uint64_t{1} << block_shift_; }

  // The lowest address at which a block can lie.
  constexpr Address first_block() const { return round_up(base_); }
  constexpr Address block_start(Address address) const { return address & ~(block_bytes() - 1); }
  // The xarray's key of the block that holds `address`: 0, or 1 where base is not block aligned, at
  // first_block().
  constexpr std::uint64_t index(Address address) const {
    return (address - block_start(base_)) >> block_shift_;
  }
  // addr / BS of the absolute address, which the bucket is the remainder of.
  constexpr std::uint64_t hash_input(Address address) const { return address >> block_shift_; }
  constexpr unsigned slot(Address address) const {
    return static_cast<unsigned>((address & (block_bytes() - 1)) >> kPageShift);
  }

 private:
  constexpr Address round_up(Address address) const {
    return (address + block_bytes() - 1) & ~(block_bytes() - 1);
  }

  Address base_;
  unsigned slots_;
  unsigned block_shift_;
};

// The CPUs that may ever exist (cpu_possible_mask): ascending, not empty, each below 65,536.
class PossibleCpus {
 public:
  static PossibleCpus first(unsigned count) {
    std::vector<unsigned> cpus(count);
    for (unsigned i = 0; i < count; ++i) {
      cpus[i] = i;
    }
    return PossibleCpus(std::move(cpus));
  }
  explicit PossibleCpus(std::vector<unsigned> ascending) : cpus_(std::move(ascending)) {}

  const std::vector<unsigned>& list() const { return cpus_; }
  unsigned count() const { return static_cast<unsigned>(cpus_.size()); }
  // nr_cpu_ids: the highest possible CPU + 1.
  unsigned ids() const { return cpus_.back() + 1; }
  bool contains(unsigned cpu) const {
    for (const unsigned possible : cpus_) {
      if (possible == cpu) {
        return true;
      }
    }
    return false;
  }
  // The lowest possible CPU which is not below `cpu`. cpu < ids().
  unsigned at_or_after(unsigned cpu) const {
    for (const unsigned possible : cpus_) {
      if (possible >= cpu) {
        return possible;
      }
    }
    return cpus_.back();
  }

 private:
  std::vector<unsigned> cpus_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_GEOMETRY_H_
