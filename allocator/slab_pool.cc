#include "allocator/slab_pool.h"

#include <cstdlib>
#include <mutex>
#include <new>

namespace flushwalk {
namespace {

constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kSlabBytes = std::size_t{1} << 20;

}  // namespace

SlabPool::SlabPool(std::size_t object_bytes)
    : object_bytes_((object_bytes + kCacheLine - 1) / kCacheLine * kCacheLine) {}

SlabPool::~SlabPool() {
  for (void* slab : slabs_) {
    std::free(slab);
  }
}

void* SlabPool::take() {
  const std::lock_guard guard(lock_);
  if (in_use_ >= limit_) {
    return nullptr;
  }
  void* object = nullptr;
  if (free_ != nullptr) {
    object = free_;
    free_ = free_->next;
  } else {
    if (fresh_ == fresh_end_ && !grow()) {
      return nullptr;
    }
    object = fresh_;
    fresh_ += object_bytes_;
  }
  ++in_use_;
  return object;
}

void SlabPool::give_back(void* object) {
  const std::lock_guard guard(lock_);
  free_ = new (object) FreeObject{free_};
  --in_use_;
}

void SlabPool::set_limit(std::size_t limit) {
  const std::lock_guard guard(lock_);
  limit_ = limit;
}

std::size_t SlabPool::in_use() const {
  const std::lock_guard guard(lock_);
  return in_use_;
}

bool SlabPool::grow() {
  void* const slab = std::aligned_alloc(kCacheLine, kSlabBytes);
  if (slab == nullptr) {
    return false;
  }
  try {
    slabs_.push_back(slab);
  } catch (const std::bad_alloc&) {
    std::free(slab);
    return false;
  }
  fresh_ = static_cast<std::byte*>(slab);
  fresh_end_ = fresh_ + kSlabBytes / object_bytes_ * object_bytes_;
  return true;
}

}  // namespace flushwalk
