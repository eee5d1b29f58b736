// AddressSpace: which addresses are free, in use, or lazily freed (mm/vmalloc.c: alloc_vmap_area,
// free_vmap_area_noflush, __purge_vmap_area_lazy).
//
//   free -> alloc() -> in use -> free_lazy() -> lazy -> take_lazy() -> [flush] -> release() -> free
//
// A lazily freed area stays out of reach until its flush has returned: take_lazy() hands the areas
// to whoever flushes them, and release() gives them back. Concurrent callers are safe: three leaf
// locks, one a tree, held for a tree operation each and never together.
#ifndef FLUSHWALK_ALLOCATOR_ADDRESS_SPACE_H_
#define FLUSHWALK_ALLOCATOR_ADDRESS_SPACE_H_

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "allocator/area_tree.h"
#include "allocator/error.h"
#include "allocator/geometry.h"
#include "allocator/slab_pool.h"
#include "allocator/spin_lock.h"

namespace flushwalk {

// lazy_max_pages() of the kernel: 32 MiB for each bit of the number of online CPUs.
constexpr std::uint64_t kernel_lazy_max_pages(unsigned online_cpus) {
  return static_cast<std::uint64_t>(std::bit_width(online_cpus)) * 8192;
}

class AddressSpace {
 public:
  // All of `space` is free. lazy_max_pages: above it free_lazy() asks for a drain.
  AddressSpace(Range space, std::uint64_t lazy_max_pages);

  // The lowest free `size` bytes at a multiple of `align`; both multiples of a page, align a power
  // of two. busy: there is no such range. no_memory: no descriptor. The area belongs to the caller
  // until it is freed.
  Error alloc(std::uint64_t size, std::uint64_t align, VmapArea** area);

  // The area in use of exactly that start and size, taken out of use; nullptr if there is none.
  VmapArea* unlink_sized(Address start, std::uint64_t size);
  // The same for an area whose descriptor is at hand.
  void unlink(VmapArea* area);

  // free_vmap_area_noflush, for an unlinked area. True: the lazy list has outgrown lazy_max_pages,
  // and the drain work wants to run. The area may vanish at once.
  bool free_lazy(VmapArea* area) {
    return free_lazy(area, [] {});
  }
  // The same; also() is called after the area has been put there, under the lazy list's lock: who
  // takes the list sees both or neither. It may take a leaf lock other than the address space's.
  template <class Also>
  bool free_lazy(VmapArea* area, Also&& also) {
    const std::uint64_t pages = area->size() >> kPageShift;
    const std::uint64_t lazy = lazy_pages_.fetch_add(pages, std::memory_order_relaxed) + pages;
    {
      const std::lock_guard guard(lazy_lock_);
      lazy_.insert(area);
      also();
    }
    return lazy > lazy_max_pages_;
  }

  // Detaches the whole lazy list, ascending by address, appending to `areas`.
  void take_lazy(std::vector<VmapArea*>* areas);
  // Their addresses have been flushed: free again. Subtracts them from the lazy pages.
  void release_flushed(const std::vector<VmapArea*>& areas);
  // Their flush failed: lazy again.
  void put_back_lazy(const std::vector<VmapArea*>& areas);
  // An area in use that was never seen by anyone: free again without a flush.
  void release_unused(VmapArea* area);

  std::uint64_t lazy_pages() const { return lazy_pages_.load(std::memory_order_relaxed); }
  std::uint64_t lazy_max_pages() const { return lazy_max_pages_; }
  // Bytes that are neither in use nor lazy.
  std::uint64_t free_bytes() const;
  // Bytes in use (unlinked areas between two lists count nowhere).
  std::uint64_t used_bytes() const;

 private:
  void release(VmapArea* area);

  SlabPool areas_{sizeof(VmapArea)};
  const std::uint64_t lazy_max_pages_;
  std::atomic<std::uint64_t> lazy_pages_{0};

  mutable SpinLockOf<LockKind::address_space> free_lock_;
  AreaTree free_;
  mutable SpinLockOf<LockKind::address_space> busy_lock_;
  AreaTree busy_;
  SpinLockOf<LockKind::address_space> lazy_lock_;
  AreaTree lazy_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_ADDRESS_SPACE_H_
