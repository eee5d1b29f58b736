// The facade's alloc and free paths; its flushes are in vmap_flush.cc, its self-description in
// vmap_state.cc.
#include "allocator/vmap_allocator.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "allocator/call_scope.h"

namespace flushwalk {
namespace {

// More pages have no size in bytes.
constexpr std::uint64_t kMostPages = ~std::uint64_t{0} >> kPageShift;

Range space_of(const VmapAllocator::Options& options) {
  const Address first = options.geometry.first_block();
  return {first, first + options.space_blocks * options.geometry.block_bytes()};
}

}  // namespace

std::vector<VmapAllocator::Bucket> VmapAllocator::make_buckets(const PossibleCpus& cpus,
                                                               BucketHash hash) {
  std::vector<Bucket> buckets;
  const bool by_count = hash == BucketHash::possible_count;
  std::vector<unsigned> sharers(cpus.ids());
  for (unsigned i = 0; i < (by_count ? cpus.count() : cpus.ids()); ++i) {
    const unsigned queue = by_count ? i : cpus.at_or_after(i);
    buckets.push_back({queue, sharers[queue]++, 0});
  }
  for (Bucket& bucket : buckets) {
    bucket.sharers = sharers[bucket.queue];
  }
  return buckets;
}

VmapAllocator::VmapAllocator(Options options)
    : options_(std::move(options)),
      space_(space_of(options_), options_.lazy_max_pages),
      block_pool_(Block::bytes_for(options_.geometry.slots()), options_.cpus.ids()),
      node_pool_(XArray::kNodeBytes, options_.cpus.ids()),
      buckets_(make_buckets(options_.cpus, options_.revision->bucket_hash)),
      with_dirty_others_(options_.cpus.ids(), options_.cpus.list()),
      with_dirty_full_(options_.cpus.ids(), options_.cpus.list()),
      walk_(options_.walk.value_or(options_.revision->walk)),
      keep_marks_(options_.keep_marks || walk_ == Walk::marked),
      keep_full_lists_(options_.keep_full_lists || walk_ == Walk::list_and_full),
      keep_dirty_lists_(options_.keep_dirty_lists || walk_ == Walk::dirty_list) {
  assert(can_walk(*options_.revision, walk_));
  queues_.reserve(options_.cpus.ids());
  for (unsigned cpu = 0; cpu < options_.cpus.ids(); ++cpu) {
    queues_.push_back(std::make_unique<VmapBlockQueue>(node_pool_.of_queue(cpu), retired_));
  }
}

VmapAllocator::~VmapAllocator() = default;

AllocReport VmapAllocator::zero_or_too_many(std::uint64_t pages) const {
  AllocReport report;
  const bool null = pages == 0 && options_.revision->zero_size == ZeroSize::null;
  report.error = null ? Error::null : Error::invalid;
  return report;
}

AllocReport VmapAllocator::alloc(unsigned queue, unsigned pages, FlushDetail* detail) {
  if (pages == 0 || pages > options_.geometry.max_alloc_pages()) {
    return zero_or_too_many(pages);
  }
  const CallScope scope;
  const unsigned slots = 1U << order_of(pages);
  AllocReport report;
  if (!serve_from_list(queue, slots, &report)) {
    new_block(queue, slots, &report, detail);
  }
  return report;
}

AllocReport VmapAllocator::alloc_new_block(unsigned queue, unsigned pages, FlushDetail* detail) {
  if (pages == 0 || pages > options_.geometry.max_alloc_pages()) {
    return zero_or_too_many(pages);
  }
  const CallScope scope;
  AllocReport report;
  new_block(queue, 1U << order_of(pages), &report, detail);
  return report;
}

AllocReport VmapAllocator::alloc_in_block(Address address, unsigned pages) {
  if (pages == 0 || pages > options_.geometry.max_alloc_pages()) {
    return zero_or_too_many(pages);
  }
  const CallScope scope;
  AllocReport report;
  Block* const block = block_at(address);
  if (block == nullptr) {
    report.error = Error::not_allocated;
    return report;
  }
  const unsigned slots = 1U << order_of(pages);
  const std::lock_guard guard(block->lock);
  if (block->state.free() < slots) {
    report.error = Error::busy;
    return report;
  }
  take_slots(*block, slots, &report);
  return report;
}

// vb_alloc's walk: first fit from the oldest block on. False: no block of the list serves the
// request.
bool VmapAllocator::serve_from_list(unsigned queue, unsigned slots, AllocReport* report) {
  const RcuList& list = queues_[queue]->free;
  for (RcuListNode* node = list.first(); node != list.end(); node = RcuList::next(node)) {
    Block& block = *Block::of_list_node(node);
    ++report->visited;
    if (options_.revision->unlocked_free_check && block.state.unlocked_free() < slots) {
      continue;
    }
    const std::lock_guard guard(block.lock);
    ++report->block_locks;
    if (block.state.free() >= slots) {
      take_slots(block, slots, report);
      return true;
    }
  }
  return false;
}

// With the block's lock held and enough space in it. A block that is used up leaves its free list.
void VmapAllocator::take_slots(Block& block, unsigned slots, AllocReport* report) {
  report->address = block.address_of(block.state.serve(slots));
  report->free = block.state.free();
  report->dirty = block.state.dirty();
  report->serial = block.serial;
  report->left_list = report->free == 0;
  if (report->left_list) {
    if (keep_full_lists_ && block.state.has_dirty_range()) {
      list_as_dirty(&block, DirtyPart::full);
    }
    const std::lock_guard guard(queue_of(block).lock);
    RcuList::erase(&block);
  }
}

// alloc_vmap_area: when there is no space, one reclaim and one retry.
Error VmapAllocator::alloc_area(std::uint64_t size, std::uint64_t align, VmapArea** area,
                                AllocReport* report, FlushDetail* detail) {
  const Error error = space_.alloc(size, align, area);
  if (error != Error::busy) {
    return error;
  }
  report->reclaim = reclaim(detail);
  return space_.alloc(size, align, area);
}

// new_vmap_block. Publication: first the xarray, where walks find the block though it is on no list
// yet (it cannot be purged in that window: nothing is dirty and something is in use), then the tail
// of the free list.
void VmapAllocator::new_block(unsigned queue, unsigned slots, AllocReport* report,
                              FlushDetail* detail) {
  SlabPool::Slabs& descriptors = block_pool_.of_queue(queue);
  void* const memory = descriptors.take();
  if (memory == nullptr) {
    report->error = Error::no_memory;
    return;
  }
  const std::uint64_t bytes = options_.geometry.block_bytes();
  VmapArea* area = nullptr;
  report->error = alloc_area(bytes, bytes, &area, report, detail);
  if (report->error != Error::none) {
    descriptors.give_back(memory);
    return;
  }
  Block* const block = Block::create(memory, options_.geometry.slots(), area->start, queue);
  block->area = area;
  block->serial = blocks_created_.fetch_add(1, std::memory_order_relaxed);
  report->address = block->address_of(block->state.serve(slots));
  report->new_block = true;
  report->serial = block->serial;
  report->free = block->state.free();
  report->error = index(block);
  if (report->error != Error::none) {
    // Nobody has seen the addresses: they need no flush.
    space_.release_unused(area);
    descriptors.give_back(memory);
    return;
  }
  const std::lock_guard guard(queues_[queue]->lock);
  queues_[queue]->free.push_back(block);
}

// Into the xarray, and with room on the dirty lists where they are kept; or nothing has changed.
Error VmapAllocator::index(Block* block) {
  DirtyLists& dirty = queues_[dirty_queue_of(*block)]->dirty;
  if (keep_lists() && !dirty.make_room()) {
    return Error::no_memory;
  }
  const IndexPlace place = place_of(block->va_start);
  const Error error = place.blocks.insert(place.key, block);
  if (error != Error::none && keep_lists()) {
    dirty.forget(&block->dirty_node);
  }
  return error;
}

// In a read-side critical section. nullptr where there is no block.
Block* VmapAllocator::block_at(Address address) const {
  if (address < options_.geometry.first_block()) {
    return nullptr;
  }
  const IndexPlace place = place_of(address);
  return static_cast<Block*>(place.blocks.load(place.key));
}

// With the block's lock held, when its dirty range was empty and is not any more. See flush_walk.h.
void VmapAllocator::block_got_dirty(Block* block) {
  const bool full = keep_full_lists_ && block->state.free() == 0;
  const bool is_listed = keep_dirty_lists_ || full;
  if (!keep_marks_ && !is_listed) {
    return;
  }
  if (keep_marks_) {
    const IndexPlace place = place_of(block->va_start);
    place.blocks.set_mark(place.key);
  }
  if (is_listed) {
    list_as_dirty(block, full ? DirtyPart::full : DirtyPart::others);
  }
}

void VmapAllocator::list_as_dirty(Block* block, DirtyPart part) {
  const unsigned queue = dirty_queue_of(*block);
  queues_[queue]->dirty.add(part, &block->dirty_node);
  with_dirty(part).add(queue);
}

FreeReport VmapAllocator::free(Address address, unsigned pages) {
  FreeReport report;
  if (pages == 0 || pages > options_.geometry.max_alloc_pages() || address % kPageSize != 0) {
    report.error = Error::invalid;
    return report;
  }
  const CallScope scope;
  const unsigned slots = 1U << order_of(pages);
  const unsigned slot = options_.geometry.slot(address);
  Block* const block = block_at(address);
  bool was_in_use = false;
  if (block != nullptr) {
    const std::lock_guard guard(block->lock);
    was_in_use = block->state.clear_used(slot, slots);
  }
  if (!was_in_use) {
    report.error = Error::not_allocated;
    return report;
  }
  // Here the kernel clears the page table entries, without a flush and without a lock.
  report.serial = block->serial;
  // By hand: end_block() drops it, and a guard that may be empty is asked at its end.
  block->lock.lock();
  const bool was_clean = !block->state.has_dirty_range();
  block->state.mark_dirty(slot, slots);
  report.free = block->state.free();
  report.dirty = block->state.dirty();
  report.dirty_range = block->state.dirty_range();
  report.block_freed = block->state.doomed();
  if (was_clean && !report.block_freed) {
    block_got_dirty(block);
  }
  if (options_.ledger != nullptr) {
    options_.ledger->freed({address, address + pages * kPageSize});
  }
  if (report.block_freed) {
    report.drain = end_block(block, was_clean);
  } else {
    block->lock.unlock();
  }
  return report;
}

// The last free of a block: where its area goes. Called with the block's lock held, which it drops.
// was_flushed: nothing of the block was dirty and not yet collected by a flush when that free
// began. True: the drain work wants to run.
bool VmapAllocator::end_block(Block* block, bool was_flushed) {
  AllocatorObserver* const observer = options_.observer;
  const Address start = block->va_start;
  if (observer != nullptr) {
    observer->block_doomed(start);
  }
  const auto unlock = [&] {
    block->lock.unlock();
    if (observer != nullptr) {
      observer->block_unlocked();
    }
  };
  bool drain = false;
  if (options_.last_free == LastFree::closed_window) {
    space_.unlink(block->area);
    drain = space_.free_lazy(block->area, [&] { take_out_of_index(block); });
    unlock();
    retire(block);
  } else if (options_.last_free == LastFree::direct_return && was_flushed) {
    unlock();
    take_out_of_index(block);
    space_.release_unused(block->area);
    retire(block);
  } else {
    unlock();
    drain = free_block(block);
  }
  if (observer != nullptr) {
    observer->block_left(start);
  }
  return drain;
}

// free_vmap_block, by the thread that doomed the block; it is off the free list. The whole block is
// lazily freed, whatever its dirty range says. True: the drain work wants to run.
bool VmapAllocator::free_block(Block* block) {
  take_out_of_index(block);
  VmapArea* const area = block->area;
  space_.unlink(area);
  const bool drain = space_.free_lazy(area);
  retire(block);
  return drain;
}

void VmapAllocator::take_out_of_index(Block* block) {
  const IndexPlace place = place_of(block->va_start);
  [[maybe_unused]] const void* const erased = place.blocks.erase(place.key);
  assert(erased == block);
  if (keep_lists()) {
    queues_[dirty_queue_of(*block)]->dirty.forget(&block->dirty_node);
  }
}

void VmapAllocator::retire(Block* block) {
  const auto free = [](rcu::RetireNode* node, void* descriptors) {
    static_cast<SlabPool::Slabs*>(descriptors)->give_back(Block::of_retire_node(node));
  };
  retired_.add(&block->retire_node, free, &block_pool_.of_queue(block->queue));
}

AllocReport VmapAllocator::map_ram(unsigned queue, std::uint64_t pages, FlushDetail* detail) {
  AllocReport report;
  if (pages <= options_.geometry.max_alloc_pages()) {
    report = alloc(queue, static_cast<unsigned>(pages), detail);
  } else if (pages > kMostPages) {
    report.error = Error::invalid;
  } else {
    const CallScope scope;
    VmapArea* area = nullptr;
    report.error = alloc_area(pages << kPageShift, kPageSize, &area, &report, detail);
    report.address = area == nullptr ? 0 : area->start;
  }
  if (report.error != Error::none || options_.shootdown == nullptr) {
    return report;
  }
  const Range range{report.address, report.address + (pages << kPageShift)};
  if (const int failed = options_.shootdown->map(range); failed != 0) {
    unmap_ram(report.address, pages);
    report.error = Error::system;
    report.system_errno = failed;
  }
  return report;
}

FreeReport VmapAllocator::unmap_ram(Address address, std::uint64_t pages) {
  if (pages <= options_.geometry.max_alloc_pages()) {
    return free(address, static_cast<unsigned>(pages));
  }
  const CallScope scope;
  FreeReport report;
  // A block's own area is not the caller's, though start and size be right.
  const bool refused = pages > kMostPages || block_at(address) != nullptr;
  VmapArea* const area = refused ? nullptr : space_.unlink_sized(address, pages << kPageShift);
  if (area == nullptr) {
    report.error = Error::not_allocated;
    return report;
  }
  if (options_.ledger != nullptr) {
    options_.ledger->freed({area->start, area->end});
  }
  report.drain = space_.free_lazy(area);
  return report;
}

}  // namespace flushwalk
