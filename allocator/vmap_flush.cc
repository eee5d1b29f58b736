// The facade's flushes: _vm_unmap_aliases, purge_fragmented_blocks, the reclaim and the lazy list.
//
// Completeness. Every free that has returned before unmap_aliases() begins is in its block's dirty
// range, or the block is doomed. The walk reads the range under the block's lock, which the free
// has released: so it sees it. Two callers at once: from patch 2 on the purge mutex is held from
// before the walk to after the flush, so the one who finds a range already reset (patch 3) has
// waited for the flush that covered it. Before, ranges are never reset and the walk needs no mutex.
// A doomed block is on the lazy list once the free or purge that doomed it has returned. What is
// left is the residual window: a last free that has dropped the block's lock and has not reached
// the lazy list yet takes earlier, completed frees of the same block along. It is the kernel's in
// every revision.
//
// LastFree::closed_window has no such window. Its last free holds the block's lock until the area
// is on the lazy list, and takes the block out of its xarray (and dirty list) in the same section
// of the lazy list's lock that puts the area there. A walk that comes to the block takes the
// block's lock before the last free does, and collects the range of the frees before it; or after,
// and then the area is on the list, which this flush takes after its walk. A walk that does not
// find the block any more has seen the erasure, which happened inside a section of the lazy lock:
// taking the list waits for the end of that section, and finds the area. (A lockless check that
// passes the block saw an empty range: what was freed before had been collected by a flush that is
// over, for the purge mutex is held here.) Nor is the address handed out too early: who takes the
// area from the list comes after the erasure. It takes no further lock and no further atomic
// operation than the kernel's way; two locks are held longer, once a block.
#include <mutex>

#include "allocator/call_scope.h"
#include "allocator/flush_walk.h"
#include "allocator/vmap_allocator.h"

namespace flushwalk {

// The private purge list: doomed blocks in the order in which they were found.
struct VmapAllocator::PurgedBlocks {
  Block* first = nullptr;
  Block** end = &first;

  void append(Block* block) {
    block->next_purged = nullptr;
    *end = block;
    end = &block->next_purged;
  }
};

// A thread that waits for the mutex must not hold up grace periods: it counts as offline meanwhile.
std::unique_lock<std::mutex> VmapAllocator::lock_purge_mutex() {
  std::unique_lock lock(purge_mutex_, std::try_to_lock);
  if (!lock.owns_lock()) {
    const rcu::Offline offline;
    lock.lock();
  }
  return lock;
}

FlushReport VmapAllocator::unmap_aliases(FlushPlan& plan, const CallerRange& caller,
                                         FlushDetail* detail) {
  const CallScope scope;
  FlushReport report;
  plan.clear();
  plan.add(caller.range);
  PurgedBlocks purged;
  std::unique_lock<std::mutex> purging;
  if (options_.revision->purge_in_walk) {
    purging = lock_purge_mutex();
    walk_and_collect(plan, true, &purged, &report, detail);
    free_purged(purged, &report);
  } else {
    walk_and_collect(plan, false, &purged, &report, detail);
    purging = lock_purge_mutex();
    report.visited_purge = purge_fragmented_all(&report, detail);
  }
  report.dirty_blocks = plan.dirty_blocks();
  const bool something_owed = !owed_.empty();
  if (!flush_lazy(plan, &report, detail) &&
      (caller.flush || plan.dirty_blocks() != 0 || something_owed)) {
    flush(plan, false, &report, detail);
  }
  return report;
}

// Calls look(block, cpu), with the block's lock held, for the blocks that the walk finds. A
// lockless check looks at the range first: it is not empty where there is something to collect, nor
// where there is something to purge, for what made a block purgeable was a free. A walk that has
// cleared a block's mark, or taken it off its list, takes the lock always: a free stores the range
// and then looks at the mark (the list), the walk clears it and then looks at the range, and
// without the lock each could miss the other.
template <class Look>
void VmapAllocator::walk_all(Walk walk, Check check, Look&& look, FlushReport* report,
                             FlushDetail* detail) {
  const auto visit_locked = [&](Block& block, unsigned cpu) {
    ++report->block_locks;
    const std::lock_guard guard(block.lock);
    look(block, cpu);
  };
  const auto visit_if_dirty = [&](Block& block, unsigned cpu) {
    if (block.state.unlocked_has_dirty_range()) {
      visit_locked(block, cpu);
    }
  };
  std::vector<std::uint64_t> by_cpu(detail == nullptr ? 0 : options_.cpus.ids());
  const auto count = [&](unsigned cpu, std::uint64_t visited) {
    report->visited += visited;
    if (detail != nullptr) {
      by_cpu[cpu] += visited;
    }
  };
  const WalkedQueues all{queues_, options_.cpus.list(), with_dirty_others_, with_dirty_full_};
  const auto visit_listed = [&](Block& block) { visit_locked(block, dirty_queue_of(block)); };
  if (check == Check::lockless) {
    walk_queues<Check::lockless>(walk, all, visit_if_dirty, visit_locked, visit_listed, count);
  } else {
    walk_queues<Check::locked>(walk, all, visit_locked, visit_locked, visit_listed, count);
  }
  if (detail != nullptr) {
    for (const unsigned cpu : options_.cpus.list()) {
      detail->visited_by_queue.push_back(by_cpu[cpu]);
    }
  }
}

// With the block's lock held.
void VmapAllocator::collect_range(Block& block, FlushPlan& plan, FlushDetail* detail) {
  if (!block.state.has_dirty_range() || block.state.doomed()) {
    return;
  }
  plan.add_dirty(block);
  if (detail != nullptr) {
    detail->dirty_ranges.push_back({block.serial, block.va_start, block.state.dirty_range()});
  }
  if (options_.revision->reset_collected_range) {
    block.state.reset_dirty_range();
  }
}

void VmapAllocator::walk_and_collect(FlushPlan& plan, bool purge, PurgedBlocks* purged,
                                     FlushReport* report, FlushDetail* detail) {
  const Behaviors& revision = *options_.revision;
  const unsigned keep_from = revision.keep_usable_blocks ? options_.geometry.slots() / 4 : ~0U;
  const auto look = [&](Block& block, unsigned cpu) {
    if (purge && block.state.purgeable() && block.state.free() < keep_from) {
      const bool by_owner = revision.purge_lock == PurgeLock::owner;
      doom(block, by_owner ? block.queue : cpu, purged, report, detail);
    } else {
      collect_range(block, plan, detail);
    }
  };
  walk_all(walk_, options_.check, look, report, detail);
}

FlushReport VmapAllocator::collect(Walk walk, Check check, FlushPlan& plan) {
  const CallScope scope;
  FlushReport report;
  const std::uint64_t before = plan.dirty_blocks();
  const auto look = [&](Block& block, unsigned) { collect_range(block, plan, nullptr); };
  walk_all(walk, check, look, &report, nullptr);
  report.dirty_blocks = plan.dirty_blocks() - before;
  return report;
}

void VmapAllocator::make_dirty_again(const Range& slots) {
  const CallScope scope;
  Block* const block = block_at(slots.start);
  const unsigned first = options_.geometry.slot(slots.start);
  const std::lock_guard guard(block->lock);
  if (!block->state.has_dirty_range()) {
    block->state.restore_dirty_range({first, first + static_cast<unsigned>(slots.pages())});
    block_got_dirty(block);
  }
}

// The purge action, with the block's lock held. lock_queue: the queue whose lock the kernel takes,
// which p2 to p6 get wrong (a race that can corrupt a list). What is taken here is the lock of the
// list's own queue, always.
void VmapAllocator::doom(Block& block, unsigned lock_queue, PurgedBlocks* purged,
                         FlushReport* report, FlushDetail* detail) {
  block.state.doom();
  {
    const std::lock_guard guard(queue_of(block).lock);
    RcuList::erase(&block);
  }
  purged->append(&block);
  ++report->purged;
  if (detail != nullptr) {
    detail->purged.push_back({block.serial, block.queue, lock_queue});
  }
}

void VmapAllocator::free_purged(PurgedBlocks& purged, FlushReport* report) {
  Block* block = purged.first;
  while (block != nullptr) {
    // free_block() hands the descriptor to RCU; its link is read before.
    Block* const next = block->next_purged;
    report->drain |= free_block(block);
    block = next;
  }
}

// purge_fragmented_blocks: an unlocked look first, then the test again under the lock. Returns the
// nodes visited.
std::uint64_t VmapAllocator::purge_fragmented(unsigned queue, FlushReport* report,
                                              FlushDetail* detail) {
  PurgedBlocks purged;
  const std::uint64_t visited = walk_free_list(*queues_[queue], [&](Block& block) {
    if (!block.state.unlocked_purgeable()) {
      return;
    }
    const std::lock_guard guard(block.lock);
    ++report->block_locks;
    if (block.state.purgeable()) {
      doom(block, queue, &purged, report, detail);
    }
  });
  free_purged(purged, report);
  return visited;
}

std::uint64_t VmapAllocator::purge_fragmented_all(FlushReport* report, FlushDetail* detail) {
  std::uint64_t visited = 0;
  for (const unsigned cpu : options_.cpus.list()) {
    visited += purge_fragmented(cpu, report, detail);
  }
  return visited;
}

FlushReport VmapAllocator::purge(unsigned queue, FlushDetail* detail) {
  const CallScope scope;
  FlushReport report;
  // A flush must not pass between the doom of a block and its area's way to the lazy list.
  const auto purging = lock_purge_mutex();
  report.visited_purge = purge_fragmented(queue, &report, detail);
  return report;
}

FlushReport VmapAllocator::reclaim(FlushDetail* detail) {
  // Within an alloc(), whose quiescent state this is too: it holds no protected pointer here.
  const CallScope scope;
  FlushReport report;
  const auto purging = lock_purge_mutex();
  report.visited_purge = purge_fragmented_all(&report, detail);
  FlushPlan plan(gather());
  flush_lazy(plan, &report, detail);
  return report;
}

FlushReport VmapAllocator::drain(FlushDetail* detail) {
  const CallScope scope;
  FlushReport report;
  const auto purging = lock_purge_mutex();
  FlushPlan plan(gather());
  flush_lazy(plan, &report, detail);
  return report;
}

// __purge_vmap_area_lazy, with the purge mutex held. False, and no flush, when the lazy list is
// empty; else one flush of it and of what is in `plan`, after which the areas are free. If the
// flush fails they stay lazy.
bool VmapAllocator::flush_lazy(FlushPlan& plan, FlushReport* report, FlushDetail* detail) {
  for (const Range& range : owed_) {
    plan.add(range);
  }
  lazy_areas_.clear();
  if (options_.observer != nullptr) {
    options_.observer->takes_lazy_list();
  }
  space_.take_lazy(&lazy_areas_);
  if (lazy_areas_.empty()) {
    return false;
  }
  for (const VmapArea* area : lazy_areas_) {
    plan.add({area->start, area->end});
    if (detail != nullptr) {
      detail->lazy.push_back({area->start, area->end});
    }
  }
  flush(plan, true, report, detail);
  if (report->error != Error::none) {
    space_.put_back_lazy(lazy_areas_);
    return true;
  }
  report->lazy_areas += lazy_areas_.size();
  space_.release_flushed(lazy_areas_);
  return true;
}

// With the purge mutex held. What could not be flushed is owed: it is part of the next flush.
void VmapAllocator::flush(FlushPlan& plan, bool by_lazy, FlushReport* report, FlushDetail* detail) {
  const std::span<const Range> ranges = plan.ranges();
  if (options_.shootdown != nullptr) {
    report->system_errno = options_.shootdown->flush(ranges);
  }
  if (report->system_errno != 0) {
    report->error = Error::system;
    owed_.assign(ranges.begin(), ranges.end());
    return;
  }
  owed_.clear();
  report->flushes += ranges.empty() ? 1 : ranges.size();
  for (const Range& range : ranges) {
    report->flushed_pages += range.pages();
    if (options_.ledger != nullptr) {
      options_.ledger->flushed(range);
    }
    if (detail != nullptr) {
      detail->flushes.push_back({range, by_lazy});
    }
  }
  if (ranges.empty() && detail != nullptr) {
    detail->flushes.push_back({plan.hull(), by_lazy});
  }
}

}  // namespace flushwalk
