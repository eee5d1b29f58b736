#include "allocator/slab_pool.h"

#include <sys/mman.h>

#include <cstdlib>
#include <mutex>
#include <new>

namespace flushwalk {
namespace {

constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kSlabBytes = std::size_t{1} << 15;   // as the kernel's for objects like these
constexpr std::size_t kChunkBytes = std::size_t{2} << 20;  // a huge page of x86-64, and of arm64

}  // namespace

SlabPool::SlabPool(std::size_t object_bytes, unsigned queues)
    : object_bytes_((object_bytes + kCacheLine - 1) / kCacheLine * kCacheLine) {
  queues_.reserve(queues);
  for (unsigned queue = 0; queue < queues; ++queue) {
    queues_.push_back(std::make_unique<Slabs>(*this));
  }
}

SlabPool::~SlabPool() {
  for (void* chunk : chunks_) {
    std::free(chunk);
  }
}

void* SlabPool::Slabs::take() {
  const std::lock_guard guard(lock_);
  if (in_use_ >= pool_.limit_) {
    return nullptr;
  }
  void* object = nullptr;
  if (free_ != nullptr) {
    object = free_;
    free_ = free_->next;
  } else {
    if (fresh_ == fresh_end_) {
      std::byte* const slab = pool_.take_slab();
      if (slab == nullptr) {
        return nullptr;
      }
      fresh_ = slab;
      fresh_end_ = slab + kSlabBytes / pool_.object_bytes_ * pool_.object_bytes_;
    }
    object = fresh_;
    fresh_ += pool_.object_bytes_;
  }
  ++in_use_;
  return object;
}

void SlabPool::Slabs::give_back(void* object) {
  const std::lock_guard guard(lock_);
  free_ = new (object) FreeObject{free_};
  --in_use_;
}

void SlabPool::set_limit(std::size_t limit) {
  for (const auto& queue : queues_) {
    queue->lock_.lock();
  }
  limit_ = limit;
  for (const auto& queue : queues_) {
    queue->lock_.unlock();
  }
}

std::size_t SlabPool::in_use() const {
  std::size_t all = 0;
  for (const auto& queue : queues_) {
    const std::lock_guard guard(queue->lock_);
    all += queue->in_use_;
  }
  return all;
}

std::vector<const void*> SlabPool::chunks() const {
  const std::lock_guard guard(lock_);
  return {chunks_.begin(), chunks_.end()};
}

// nullptr when there is no memory.
std::byte* SlabPool::take_slab() {
  const std::lock_guard guard(lock_);
  if (unused_ == unused_end_) {
    void* const chunk = std::aligned_alloc(kChunkBytes, kChunkBytes);
    if (chunk == nullptr) {
      return nullptr;
    }
    madvise(chunk, kChunkBytes, MADV_HUGEPAGE);  // where that fails the pages are small
    try {
      chunks_.push_back(chunk);
    } catch (const std::bad_alloc&) {
      std::free(chunk);
      return nullptr;
    }
    unused_ = static_cast<std::byte*>(chunk);
    unused_end_ = unused_ + kChunkBytes;
  }
  std::byte* const slab = unused_;
  unused_ += kSlabBytes;
  return slab;
}

}  // namespace flushwalk
