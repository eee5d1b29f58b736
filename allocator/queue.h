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

struct alignas(64) VmapBlockQueue {
  VmapBlockQueue(SlabPool::Slabs& nodes, rcu::RetireList& retired) : blocks(nodes, retired) {}

  SpinLockOf<LockKind::queue> lock;
  RcuList free;
  XArray blocks;     // the mark: the block has a dirty range
  DirtyLists dirty;  // empty where nobody asks for them
};
static_assert(sizeof(RcuList) + sizeof(XArray) <= 56, "with the lock they are one line");

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_QUEUE_H_
