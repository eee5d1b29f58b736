// Flush walk: how a flush finds dirty blocks. First stage of walk -> gather -> shootdown.
//
// A walk visits the blocks of one queue and says nothing of what is done with them. Both run inside
// a read-side critical section of the caller, against concurrent alloc, free and purge.
//
// free_list (v6.4): the queue's free list from its head. INCOMPLETE: a block leaves the list when
// its last
//   never-used slot is handed out, and what is freed in it afterwards is not found. That is the bug
//   of 2008 to 2023.
// xarray (patch 1): xa_for_each over the queue's xarray. Complete: a block is in its xarray from
// before its first slot
//   is handed out until it is doomed, so a block that has a completed free before the walk begins
//   and is not doomed is present during all of the walk, and is visited (xarray.h). A doomed
//   block's area is on the lazy list or on the way to it: the caller flushes the lazy list after
//   the walk.
#ifndef FLUSHWALK_ALLOCATOR_FLUSH_WALK_H_
#define FLUSHWALK_ALLOCATOR_FLUSH_WALK_H_

#include <cstdint>

#include "allocator/block.h"
#include "allocator/queue.h"
#include "allocator/revision.h"

namespace flushwalk {

// Calls visit(Block&) for each block that the walk finds in the queue; returns their number. visit
// may take the block off the free list.
template <class Visit>
std::uint64_t walk_free_list(const VmapBlockQueue& queue, Visit&& visit) {
  std::uint64_t visited = 0;
  for (RcuListNode* node = queue.free.first(); node != queue.free.end();
       node = RcuList::next(node)) {
    ++visited;
    visit(*Block::of_list_node(node));
  }
  return visited;
}

template <class Visit>
std::uint64_t walk_xarray(const VmapBlockQueue& queue, Visit&& visit) {
  std::uint64_t visited = 0;
  queue.blocks.for_each([&](std::uint64_t, void* block) {
    ++visited;
    visit(*static_cast<Block*>(block));
  });
  return visited;
}

template <class Visit>
std::uint64_t walk_queue(Walk walk, const VmapBlockQueue& queue, Visit&& visit) {
  switch (walk) {
    case Walk::free_list:
      return walk_free_list(queue, visit);
    case Walk::xarray:
      return walk_xarray(queue, visit);
  }
  return 0;
}

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_FLUSH_WALK_H_
