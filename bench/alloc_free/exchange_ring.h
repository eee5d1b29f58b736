// ExchangeRing: hands addresses from the one thread that allocates them to the one that frees them.
// All of its memory is made and touched by its constructor.
//
// head_ is written by the consumer and tail_ by the producer, each on a cache line of its own. The
// release store of tail_ pairs with the consumer's acquire load: who sees the tail sees the
// address. The release store of head_ pairs with the producer's acquire load: a slot is written
// again only after its address has been read. Each side keeps its last reading of the other's
// index, so that it touches the other's line only when the ring looks full or empty.
#ifndef FLUSHWALK_BENCH_ALLOC_FREE_EXCHANGE_RING_H_
#define FLUSHWALK_BENCH_ALLOC_FREE_EXCHANGE_RING_H_

#include <atomic>
#include <bit>
#include <cassert>
#include <cstddef>
#include <vector>

#include "allocator/geometry.h"

namespace flushwalk {

class ExchangeRing {
 public:
  // capacity: a power of two.
  explicit ExchangeRing(std::size_t capacity) : slots_(capacity), mask_(capacity - 1) {
    assert(std::has_single_bit(capacity));
  }

  // The producer's. False, and nothing is done, when the ring is full.
  bool push(Address address) {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_seen_ == slots_.size()) {
      head_seen_ = head_.load(std::memory_order_acquire);
      if (tail - head_seen_ == slots_.size()) {
        return false;
      }
    }
    slots_[tail & mask_] = address;
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  // The consumer's. False when the ring is empty.
  bool pop(Address* address) {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_seen_) {
      tail_seen_ = tail_.load(std::memory_order_acquire);
      if (head == tail_seen_) {
        return false;
      }
    }
    *address = slots_[head & mask_];
    head_.store(head + 1, std::memory_order_release);
    return true;
  }

  // While neither side is at work.
  std::size_t size() const {
    return tail_.load(std::memory_order_relaxed) - head_.load(std::memory_order_relaxed);
  }
  std::size_t capacity() const { return slots_.size(); }

 private:
  std::vector<Address> slots_;
  const std::size_t mask_;
  alignas(64) std::atomic<std::size_t> head_{0};
  std::size_t tail_seen_ = 0;  // the consumer's
  alignas(64) std::atomic<std::size_t> tail_{0};
  std::size_t head_seen_ = 0;  // the producer's
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_ALLOC_FREE_EXCHANGE_RING_H_
