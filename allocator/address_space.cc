#include "allocator/address_space.h"

#include <mutex>
#include <new>

namespace flushwalk {
namespace {

VmapArea* make_area(SlabPool& pool, Address start, Address end) {
  void* const memory = pool.take();
  return memory == nullptr ? nullptr : new (memory) VmapArea{.start = start, .end = end};
}

}  // namespace

AddressSpace::AddressSpace(Range space, std::uint64_t lazy_max_pages)
    : lazy_max_pages_(lazy_max_pages) {
  VmapArea* const all = make_area(areas_, space.start, space.end);
  if (all == nullptr) {
    throw std::bad_alloc();
  }
  free_.insert(all);
}

Error AddressSpace::alloc(std::uint64_t size, std::uint64_t align, VmapArea** area) {
  // Taking the middle out of a free range leaves two: the second descriptor is made ready before
  // the lock.
  VmapArea* taken = make_area(areas_, 0, 0);
  VmapArea* spare = make_area(areas_, 0, 0);
  Error error = taken != nullptr && spare != nullptr ? Error::none : Error::no_memory;
  VmapArea* used_up = nullptr;
  if (error == Error::none) {
    const std::lock_guard guard(free_lock_);
    VmapArea* const from = free_.lowest_fit(size, align);
    if (from == nullptr) {
      error = Error::busy;
    } else {
      taken->start = (from->start + align - 1) & ~(align - 1);
      taken->end = taken->start + size;
      free_.remove(from->start);
      spare->start = taken->end;
      spare->end = from->end;
      from->end = taken->start;
      if (spare->size() != 0) {
        free_.insert(spare);
        spare = nullptr;
      }
      if (from->size() != 0) {
        free_.insert(from);
      } else {
        used_up = from;
      }
    }
  }
  for (VmapArea* const unused : {spare, used_up, error == Error::none ? nullptr : taken}) {
    if (unused != nullptr) {
      areas_.give_back(unused);
    }
  }
  if (error != Error::none) {
    return error;
  }
  const std::lock_guard guard(busy_lock_);
  busy_.insert(taken);
  *area = taken;
  return Error::none;
}

VmapArea* AddressSpace::unlink_sized(Address start, std::uint64_t size) {
  const std::lock_guard guard(busy_lock_);
  const VmapArea* const area = busy_.find(start);
  return area != nullptr && area->size() == size ? busy_.remove(start) : nullptr;
}

void AddressSpace::unlink(VmapArea* area) {
  const std::lock_guard guard(busy_lock_);
  busy_.remove(area->start);
}

void AddressSpace::take_lazy(std::vector<VmapArea*>* areas) {
  AreaTree taken;
  {
    const std::lock_guard guard(lazy_lock_);
    std::swap(taken, lazy_);
  }
  taken.drain([&](VmapArea* area) { areas->push_back(area); });
}

void AddressSpace::release_flushed(const std::vector<VmapArea*>& areas) {
  std::uint64_t pages = 0;
  for (VmapArea* area : areas) {
    pages += area->size() >> kPageShift;
    release(area);
  }
  lazy_pages_.fetch_sub(pages, std::memory_order_relaxed);
}

void AddressSpace::put_back_lazy(const std::vector<VmapArea*>& areas) {
  const std::lock_guard guard(lazy_lock_);
  for (VmapArea* area : areas) {
    lazy_.insert(area);
  }
}

void AddressSpace::release_unused(VmapArea* area) {
  unlink(area);
  release(area);
}

// Merges with the free neighbours on both sides.
void AddressSpace::release(VmapArea* area) {
  VmapArea* below = nullptr;
  VmapArea* above = nullptr;
  {
    const std::lock_guard guard(free_lock_);
    below = free_.at_or_below(area->start);
    above = free_.at_or_above(area->end);
    below = below != nullptr && below->end == area->start ? below : nullptr;
    above = above != nullptr && above->start == area->end ? above : nullptr;
    if (below != nullptr) {
      free_.remove(below->start);
      area->start = below->start;
    }
    if (above != nullptr) {
      free_.remove(above->start);
      area->end = above->end;
    }
    free_.insert(area);
  }
  for (VmapArea* const merged : {below, above}) {
    if (merged != nullptr) {
      areas_.give_back(merged);
    }
  }
}

std::uint64_t AddressSpace::free_bytes() const {
  const std::lock_guard guard(free_lock_);
  std::uint64_t bytes = 0;
  free_.for_each([&](const VmapArea& area) { bytes += area.size(); });
  return bytes;
}

std::uint64_t AddressSpace::used_bytes() const {
  const std::lock_guard guard(busy_lock_);
  std::uint64_t bytes = 0;
  busy_.for_each([&](const VmapArea& area) { bytes += area.size(); });
  return bytes;
}

}  // namespace flushwalk
