// SlabPool: equal objects from slabs, as the kernel takes its descriptors and xarray nodes from
// kmem caches. Each queue takes from slabs of its own, as each CPU of a kernel does: what one queue
// has taken one after another lies side by side, whatever the others took meanwhile. So a walk of a
// queue finds its blocks in memory as the kernel's does, and not one here and one there (1,024
// queues, 1,048,576 blocks: 14 ns a block on a free list instead of 74).
//
// Slabs lie in huge pages where the kernel allows (transparent_hugepage: madvise or always), since
// a kernel's lie in its direct map, which is of huge pages.
#ifndef FLUSHWALK_ALLOCATOR_SLAB_POOL_H_
#define FLUSHWALK_ALLOCATOR_SLAB_POOL_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "allocator/spin_lock.h"

namespace flushwalk {

class SlabPool {
 public:
  // One queue's slabs: where its objects are from and go back to. Calls of several threads are
  // safe.
  class alignas(64) Slabs {
   public:
    explicit Slabs(SlabPool& pool) : pool_(pool) {}
    Slabs(const Slabs&) = delete;
    Slabs& operator=(const Slabs&) = delete;

    // Uninitialised memory of object_bytes(), aligned to a cache line; nullptr when memory or the
    // limit is exhausted.
    void* take();
    // Takes an object of this pool back; take() gives the last one first. Allocates nothing.
    void give_back(void* object);

   private:
    friend class SlabPool;
    struct FreeObject {
      FreeObject* next;
    };

    SlabPool& pool_;
    SpinLockOf<LockKind::memory> lock_;
    FreeObject* free_ = nullptr;
    std::byte* fresh_ = nullptr;  // the part of the newest slab that was never handed out
    std::byte* fresh_end_ = nullptr;
    std::size_t in_use_ = 0;
  };

  // object_bytes is rounded up to whole cache lines.
  explicit SlabPool(std::size_t object_bytes, unsigned queues = 1);
  SlabPool(const SlabPool&) = delete;
  SlabPool& operator=(const SlabPool&) = delete;
  // Frees all slabs: no object may be in use.
  ~SlabPool();

  Slabs& of_queue(unsigned queue) { return *queues_[queue]; }
  // Those of queue 0, for who has no queues.
  void* take() { return of_queue(0).take(); }
  void give_back(void* object) { of_queue(0).give_back(object); }

  // take() fails while the queue has `limit` objects in use: how tests run out of memory.
  void set_limit(std::size_t limit);

  // The first object of each piece of memory that slabs are cut from.
  std::vector<const void*> chunks() const;

  std::size_t object_bytes() const { return object_bytes_; }
  // Of all queues.
  std::size_t in_use() const;

 private:
  std::byte* take_slab();

  const std::size_t object_bytes_;
  std::size_t limit_ = ~std::size_t{0};  // with all queues' locks, or one of them
  std::vector<std::unique_ptr<Slabs>> queues_;

  mutable SpinLockOf<LockKind::memory> lock_;  // taken inside a queue's
  std::byte* unused_ = nullptr;                // of the newest chunk
  std::byte* unused_end_ = nullptr;
  std::vector<void*> chunks_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_SLAB_POOL_H_
