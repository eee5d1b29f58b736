// Flush walk: how a flush finds dirty blocks. First stage of walk -> gather -> shootdown.
//
// A walk visits blocks, queue by queue, and says nothing of what is done with them. All run inside
// a read-side critical section of the caller, against concurrent alloc, free and purge. "Found"
// below is what has had a completed free before the walk begins and is not doomed; a doomed block's
// area is on the lazy list or on the way to it, and the caller flushes that after the walk.
//
// - free_list (v6.4): the queue's free list from its head. INCOMPLETE: a block leaves the list when
//   its last never-used slot is handed out, and what is freed in it afterwards is not found. That
//   is the bug of 2008 to 2023.
// - xarray (patch 1): xa_for_each over the queue's xarray. Complete: a block is in its xarray from
//   before its first slot is handed out until it is doomed, so what is to be found is present
//   during all of the walk, and is visited (xarray.h).
// - cursor_scan, cursor: the same blocks by xas_for_each. Complete for the same reason.
// - marked: the entries with a mark. A free that makes an empty dirty range a range sets the mark,
//   inside the block's lock; the walk clears it before it visits, and visit looks at the block
//   under that lock, whatever the check. Complete: either the free's section comes first, and the
//   visit sees the range; or it comes after the visit's, and sets the mark anew. A further free
//   that finds a range sets no mark: the mark is there, or a walk has cleared it and is yet to
//   visit. That walk holds the purge mutex from before it clears to after its flush, so a flush
//   that begins after the further free has returned waits for it.
// - dirty_list: the blocks that such a free has put on the queue's lists, in its order. Complete by
//   the same argument: a block is taken off before it is visited. What is added during the walk is
//   left for the next. Where full ones are listed apart they are looked at last, for that way
//   blocks go.
// - list_and_full: the old walk, and what it missed: the free lists of all queues, then the dirty
//   blocks that have no never-used slot, which queues list apart. A block is put there inside its
//   lock, by a free as above, and by the alloc that hands out the last slot of a dirty block,
//   before the block leaves the free list. Complete: what is dirty is on a free list or listed as
//   full all the time, and goes one way only. A block that leaves its free list before the walk has
//   come to it was put among the full ones before, and those are looked at afterwards. What a walk
//   has taken in its hands is found by no other: that one holds the purge mutex until its flush, as
//   above.
// The last two look only at queues that have listed something since (queue_set.h): to look at the
// full ones of 1,024 queues that have none took 15 % of the time of their free lists (65,536
// blocks, 99 % full). The last three need a revision whose flush resets what it collects under the
// purge mutex (from p3 on); and an allocator that keeps marks or lists (VmapAllocator::Options).
#ifndef FLUSHWALK_ALLOCATOR_FLUSH_WALK_H_
#define FLUSHWALK_ALLOCATOR_FLUSH_WALK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "allocator/block.h"
#include "allocator/jump_pointers.h"
#include "allocator/queue.h"
#include "allocator/queue_set.h"
#include "allocator/revision.h"
#include "allocator/taken_blocks.h"

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

// The same, looking ahead.
template <class Visit>
std::uint64_t walk_free_list_ahead(const VmapBlockQueue& queue, JumpPointers& jumps,
                                   Visit&& visit) {
  return walk_free_list(queue, [&](Block& block) {
    jumps.pass(block);
    visit(block);
  });
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

template <EmptySlots kEmptySlots, class Visit>
std::uint64_t walk_cursor(const VmapBlockQueue& queue, Visit&& visit) {
  std::uint64_t visited = 0;
  queue.blocks.for_each_cursor<kEmptySlots>([&](std::uint64_t, void* block) {
    ++visited;
    visit(*static_cast<Block*>(block));
  });
  return visited;
}

template <class Visit>
std::uint64_t walk_marked(VmapBlockQueue& queue, Visit&& visit) {
  std::uint64_t visited = 0;
  queue.blocks.for_each_marked_and_clear([&](std::uint64_t, void* block) {
    ++visited;
    visit(*static_cast<Block*>(block));
  });
  return visited;
}

// What a walk goes over. All by CPU number.
struct WalkedQueues {
  std::span<const std::unique_ptr<VmapBlockQueue>> queues;
  std::span<const unsigned> possible;  // those to walk, ascending
  QueueSet& with_dirty_others;
  QueueSet& with_dirty_full;
};

// What a walk finds in the queue itself.
template <Check kCheck, class Visit, class VisitMarked>
std::uint64_t walk_queue(Walk walk, VmapBlockQueue& queue, JumpPointers& jumps, Visit&& visit,
                         VisitMarked&& visit_marked) {
  switch (walk) {
    case Walk::free_list:
    case Walk::list_and_full:
      if constexpr (kCheck == Check::lockless) {
        return walk_free_list_ahead(queue, jumps, visit);
      } else {
        return walk_free_list(queue, visit);
      }
    case Walk::xarray:
      return walk_xarray(queue, visit);
    case Walk::cursor_scan:
      return walk_cursor<EmptySlots::scan>(queue, visit);
    case Walk::cursor:
      return walk_cursor<EmptySlots::skip>(queue, visit);
    case Walk::marked:
      return walk_marked(queue, visit_marked);
    case Walk::dirty_list:
      break;
  }
  return 0;
}

// And on the lists of dirty blocks of all queues.
template <class VisitListed, class Count>
void walk_dirty_lists(const WalkedQueues& all, DirtyPart part, VisitListed&& visit_listed,
                      Count&& count) {
  QueueSet& with_dirty = part == DirtyPart::full ? all.with_dirty_full : all.with_dirty_others;
  TakenBlocks taken([&](DirtyListNode& node) { visit_listed(*Block::of_dirty_node(&node)); });
  with_dirty.take_each(
      [&](unsigned cpu) { count(cpu, taken.take_all(all.queues[cpu]->dirty, part)); });
  taken.visit_rest();
}

// Calls visit(Block&, cpu) for each block that the walk finds; cpu: in whose queue. visit_marked,
// for a block whose mark has been cleared, and visit_listed(Block&), for one that was taken off a
// list of dirty ones, must look under the block's lock. count(cpu, visited): how many, once or more
// for a queue.
template <Check kCheck, class Visit, class VisitMarked, class VisitListed, class Count>
void walk_queues(Walk walk, const WalkedQueues& all, Visit&& visit, VisitMarked&& visit_marked,
                 VisitListed&& visit_listed, Count&& count) {
  if (walk == Walk::dirty_list) {
    walk_dirty_lists(all, DirtyPart::others, visit_listed, count);
  } else {
    JumpPointers jumps;
    for (const unsigned cpu : all.possible) {
      count(cpu, walk_queue<kCheck>(
                     walk, *all.queues[cpu], jumps, [&](Block& block) { visit(block, cpu); },
                     [&](Block& block) { visit_marked(block, cpu); }));
    }
  }
  if (walk == Walk::dirty_list || walk == Walk::list_and_full) {
    walk_dirty_lists(all, DirtyPart::full, visit_listed, count);
  }
}

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_FLUSH_WALK_H_
