// VmapBlockQueue: one stripe (the kernel's per-CPU struct vmap_block_queue): a lock, a free list,
// an xarray.
//
// List and xarray have different members: the free list holds blocks with never-used slots that
// this queue created; the xarray holds the blocks whose address hashes to this queue. `lock` guards
// the list only. They share a cache line, as the kernel's do: what a walk of a queue with nothing
// to find costs is that line.
#ifndef FLUSHWALK_ALLOCATOR_QUEUE_H_
#define FLUSHWALK_ALLOCATOR_QUEUE_H_

#include "allocator/dirty_list.h"
#include "allocator/rcu_list.h"
#include "allocator/spin_lock.h"
#include "allocator/xarray.h"

namespace flushwalk {

// What the marks of a queue's xarray say of a block.
inline constexpr Mark kDirtyMark = Mark::first;       // it has a dirty range
inline constexpr Mark kDirtyFullMark = Mark::second;  // and no never-used slot

struct alignas(64) VmapBlockQueue {
  VmapBlockQueue(SlabPool::Slabs& nodes, rcu::RetireList& retired) : blocks(nodes, retired) {}

  SpinLockOf<LockKind::queue> lock;
  RcuList free;
  XArray blocks;
  // Not beside what every load reads.
  alignas(64) DirtyList dirty;  // of the blocks in `blocks`; empty where nobody asks for it
};
static_assert(sizeof(VmapBlockQueue) == 128);

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_QUEUE_H_
