// Revisions: the states of the kernel's source which this allocator can behave as, each a row of
// named behaviours. This table is the only place that knows of patches; the code elsewhere tests
// behaviours.
//
// The series is "mm/vmalloc: Prevent stale TLBs in fully utilized blocks" (May 2023, released in
// v6.5), here p1 to p6; v6.12 adds the later fixes.
#ifndef FLUSHWALK_ALLOCATOR_REVISION_H_
#define FLUSHWALK_ALLOCATOR_REVISION_H_

#include <span>
#include <string>
#include <string_view>

namespace flushwalk {

// How a flush finds dirty blocks (flush_walk.h). The kernel's are the first two; the others are as
// complete as `xarray`, and no revision's own.
enum class Walk {
  free_list,      // each queue's free list: misses blocks without a never-used slot
  xarray,         // each queue's xarray by xa_for_each: every live block, from the root for each
  cursor_scan,    // by xas_for_each: keeps its node, and looks at each slot
  cursor,         // the same, and passes empty slots by the node's presence word
  marked,         // the blocks with a dirty mark in the xarray
  dirty_list,     // each queue's list of dirty blocks
  list_and_full,  // the free list, and a list of the blocks that are dirty and full
};
inline constexpr Walk kWalks[] = {Walk::free_list,    Walk::xarray, Walk::cursor_scan,
                                  Walk::cursor,       Walk::marked, Walk::dirty_list,
                                  Walk::list_and_full};

// How the walk looks at a block.
enum class Check {
  locked,  // takes its lock, and looks: the kernel's
  // Looks, and takes a dirty block's lock only; always where a mark or list led to it. On free
  // lists it looks ahead (jump_pointers.h), so that a walk need not wait for each block in turn.
  lockless,
};
inline constexpr Check kChecks[] = {Check::locked, Check::lockless};

// What a queue's xarray has as its key.
enum class IndexLayout {
  kernel,  // the block's index: of N queues each has every N-th, and 64/N entries in a leaf
  dense,   // the index divided by the number of queues: leaves are full
};
inline constexpr IndexLayout kIndexLayouts[] = {IndexLayout::kernel, IndexLayout::dense};

// What the free that dooms a block does with the block's area. The kernel's is the first, in every
// revision; the others are asked for (VmapAllocator::Options).
enum class LastFree {
  // Drops the block's lock, takes the block out of its xarray, puts the area on the lazy list.
  // Between the first and the last of these a flush finds neither block nor area: the residual
  // window.
  lazy,
  // Does all of it before it drops the block's lock, and the last two steps under the lazy list's:
  // no window (vmap_flush.cc has the argument).
  closed_window,
  // UNSAFE, to show why: a block that was fully flushed when its last free began goes straight back
  // to the free space, without lazy list and flush. What the last free itself has freed was in no
  // flush. A proposal from the series' mail thread (U. Rezki, May 2023). Without effect before p3,
  // where no range is ever reset and so no block of several requests counts as flushed.
  direct_return,
};
inline constexpr LastFree kLastFrees[] = {LastFree::lazy, LastFree::closed_window,
                                          LastFree::direct_return};

// Which queue's lock the kernel holds when a purge in the flush's walk takes a block off its free
// list.
enum class PurgeLock {
  walked,  // the queue whose list or xarray is walked: where that is an xarray, it is the wrong
           // queue
  owner,   // the queue whose free list has the block
};

// How an address hash becomes the number of the queue whose xarray holds the block.
enum class BucketHash {
  possible_count,     // modulo the number of possible CPUs: may name a CPU that is not possible
  next_possible_cpu,  // modulo nr_cpu_ids, then the next possible CPU
};

// What an allocation of zero pages answers.
enum class ZeroSize {
  null,     // NULL, which vm_map_ram does not take for an error
  invalid,  // -EINVAL
};

struct Behaviors {
  std::string_view name;
  // fc1e0d980037: unmap_aliases walks the xarrays instead of the free lists.
  Walk walk;
  // ca5e46c3400b: one walk, under the purge mutex, purges a block or else collects its dirty range.
  // Before: the walk collects without the mutex, and a second walk over all free lists purges.
  bool purge_in_walk;
  // a09fad96ffb1: a collected dirty range is reset, so the next flush does not cover it again.
  bool reset_collected_range;
  // 43d7650234c6: alloc skips a block with too little space without taking its lock.
  bool unlocked_free_check;
  // 77e50af07f14: the flush's walk keeps a purgeable block that still has a quarter of its slots.
  bool keep_usable_blocks;
  // 8c61291fd850: the block remembers the queue whose list it is on.
  PurgeLock purge_lock;
  // a34acf30b19b.
  BucketHash bucket_hash;
  ZeroSize zero_size;
};

// All revisions in the order of history. Patch 5 (7f48121e9fa8) annotates the unlocked reads and
// changes no behaviour: its row equals p4's.
std::span<const Behaviors> revisions();

// Whether a flush of that revision can find its blocks so: `marked`, `dirty_list` and
// `list_and_full` forget what they have found, and need a flush that resets what it collects, under
// the purge mutex.
bool can_walk(const Behaviors& revision, Walk walk);

// The revision of that name, or nullptr.
const Behaviors* find_revision(std::string_view name);

// "v6.4, p1, ...": what an error message offers.
std::string_view revision_names();

// "free_list, xarray, ...".
std::string walk_names();

std::string_view name_of(Walk walk);
std::string_view name_of(Check check);
std::string_view name_of(IndexLayout layout);
std::string_view name_of(LastFree last_free);

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_REVISION_H_
