// SlabPool: equal objects from large slabs, as the kernel takes its descriptors and xarray nodes
// from kmem caches. Objects lie side by side in address order when they are taken one after another
// from a fresh pool, so a walk's cache behaviour is that of the kernel and not that of malloc's
// headers.
#ifndef FLUSHWALK_ALLOCATOR_SLAB_POOL_H_
#define FLUSHWALK_ALLOCATOR_SLAB_POOL_H_

#include <cstddef>
#include <vector>

#include "allocator/spin_lock.h"

namespace flushwalk {

class SlabPool {
 public:
  // object_bytes is rounded up to whole cache lines.
  explicit SlabPool(std::size_t object_bytes);
  SlabPool(const SlabPool&) = delete;
  SlabPool& operator=(const SlabPool&) = delete;
  // Frees all slabs: no object may be in use.
  ~SlabPool();

  // Uninitialised memory of object_bytes(), aligned to a cache line; nullptr when memory or the
  // limit is exhausted.
  void* take();
  // Takes the object back; it must come from this pool. Allocates nothing.
  void give_back(void* object);

  // take() fails while `limit` objects are in use: how tests run out of memory.
  void set_limit(std::size_t limit);

  std::size_t object_bytes() const { return object_bytes_; }
  std::size_t in_use() const;

 private:
  struct FreeObject {
    FreeObject* next;
  };
  bool grow();

  const std::size_t object_bytes_;
  mutable SpinLockOf<LockKind::memory> lock_;
  FreeObject* free_ = nullptr;
  std::byte* fresh_ = nullptr;  // the part of the newest slab that was never handed out
  std::byte* fresh_end_ = nullptr;
  std::size_t in_use_ = 0;
  std::size_t limit_ = ~std::size_t{0};
  std::vector<void*> slabs_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_SLAB_POOL_H_
