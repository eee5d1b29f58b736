// The facade's self-description: the state for replays and tests, and the invariants as code.
#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "allocator/call_scope.h"
#include "allocator/vmap_allocator.h"

namespace flushwalk {

AllocatorState VmapAllocator::state() const {
  const CallScope scope;
  AllocatorState state;
  std::set<std::uint64_t> listed;
  for (const unsigned cpu : options_.cpus.list()) {
    std::vector<std::uint64_t>& list = state.lists.emplace_back();
    const RcuList& free = queues_[cpu]->free;
    for (RcuListNode* node = free.first(); node != free.end(); node = RcuList::next(node)) {
      list.push_back(Block::of_list_node(node)->serial);
      listed.insert(list.back());
    }
  }
  for (unsigned queue = 0; queue < queues_.size(); ++queue) {
    queues_[queue]->blocks.for_each([&](std::uint64_t, void* entry) {
      const Block& block = *static_cast<const Block*>(entry);
      state.blocks.push_back({.serial = block.serial,
                              .start = block.va_start,
                              .bucket = queue,
                              .queue = block.queue,
                              .free = block.state.free(),
                              .dirty = block.state.dirty(),
                              .dirty_range = block.state.dirty_range(),
                              .on_list = listed.contains(block.serial)});
    });
  }
  std::sort(state.blocks.begin(), state.blocks.end(),
            [](const auto& a, const auto& b) { return a.serial < b.serial; });
  return state;
}

std::optional<AllocatorState::BlockView> VmapAllocator::block_view(Address address) const {
  const CallScope scope;
  Block* const block = block_at(address);
  if (block == nullptr) {
    return std::nullopt;
  }
  const std::lock_guard guard(block->lock);
  if (block->state.doomed()) {
    return std::nullopt;
  }
  return AllocatorState::BlockView{.serial = block->serial,
                                   .start = block->va_start,
                                   .bucket = bucket(block->va_start),
                                   .queue = block->queue,
                                   .free = block->state.free(),
                                   .dirty = block->state.dirty(),
                                   .dirty_range = block->state.dirty_range(),
                                   .on_list = block->state.free() != 0};
}

std::string VmapAllocator::broken_invariant() const {
  const CallScope scope;
  const AllocatorState now = state();
  std::size_t listed = 0;
  for (const auto& list : now.lists) {
    listed += list.size();
  }
  std::size_t expected_on_lists = 0;
  for (const AllocatorState::BlockView& view : now.blocks) {
    const Block* const block = block_at(view.start);
    if (block == nullptr || block->serial != view.serial) {
      return fmt::format("block {}: not found at its address", view.serial);
    }
    const char* const broken =
        block->state.broken_invariant(!options_.revision->reset_collected_range);
    if (broken != nullptr) {
      return fmt::format("block {}: {}", view.serial, broken);
    }
    if (block->state.doomed()) {
      return fmt::format("block {}: doomed and still in its xarray", view.serial);
    }
    const IndexPlace place = place_of(view.start);
    const unsigned dirty_queue = dirty_queue_of(*block);
    const DirtyLists& dirty = queues_[dirty_queue]->dirty;
    if (keep_marks_ && block->state.has_dirty_range() && !place.blocks.get_mark(place.key)) {
      return fmt::format("block {}: dirty and not marked", view.serial);
    }
    const bool is_listed_full =
        dirty.has(DirtyPart::full, &block->dirty_node) && with_dirty_full_.has(dirty_queue);
    if (keep_full_lists_ && block->state.has_dirty_range() && view.free == 0 && !is_listed_full) {
      return fmt::format("block {}: dirty, full and not listed so", view.serial);
    }
    const bool is_listed = is_listed_full || (dirty.has(DirtyPart::others, &block->dirty_node) &&
                                              with_dirty_others_.has(dirty_queue));
    if (keep_dirty_lists_ && block->state.has_dirty_range() && !is_listed) {
      return fmt::format("block {}: dirty and on no dirty list", view.serial);
    }
    if (view.on_list != (view.free > 0)) {
      return fmt::format("block {}: {} never-used slots, {} a free list", view.serial, view.free,
                         view.on_list ? "on" : "not on");
    }
    expected_on_lists += view.on_list ? 1 : 0;
  }
  if (listed != expected_on_lists) {
    return fmt::format("{} list entries for {} blocks with space", listed, expected_on_lists);
  }
  const std::uint64_t space = options_.space_blocks * options_.geometry.block_bytes();
  const std::uint64_t lazy = space_.lazy_pages() << kPageShift;
  if (space_.free_bytes() + space_.used_bytes() + lazy != space) {
    return fmt::format("{} bytes free + {} in use + {} lazy are not the {} of the address space",
                       space_.free_bytes(), space_.used_bytes(), lazy, space);
  }
  if (space_.used_bytes() < now.blocks.size() * options_.geometry.block_bytes()) {
    return "fewer addresses in use than the blocks take";
  }
  return {};
}

}  // namespace flushwalk
