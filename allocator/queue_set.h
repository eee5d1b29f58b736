// QueueSet: which queues have something to be taken, a bit each, so that a walk of 1,024 queues
// looks at those alone. It may name a queue that has nothing any more, never the other way round.
//
// Whoever puts something into a queue does so under a lock, and names the queue afterwards; who
// takes clears the name first, and then takes under the same lock. add() leaves a bit that is set
// alone, and needs no order of its own: had its look come after the clearing, and its section of
// the lock before the taker's, what it put there is taken; had its section come later, the lock
// itself makes the cleared bit known to it, and it is set anew.
#ifndef FLUSHWALK_ALLOCATOR_QUEUE_SET_H_
#define FLUSHWALK_ALLOCATOR_QUEUE_SET_H_

#include <atomic>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

namespace flushwalk {

class QueueSet {
 public:
  // Of queues 0 to below `queues`; only those in `walked` are ever taken.
  QueueSet(unsigned queues, std::span<const unsigned> walked)
      : named_((queues + kBits - 1) / kBits), walked_(named_.size()) {
    for (const unsigned queue : walked) {
      walked_[queue / kBits] |= bit_of(queue);
    }
  }

  // After something was put into the queue.
  void add(unsigned queue) {
    std::atomic<std::uint64_t>& word = named_[queue / kBits];
    if ((word.load(std::memory_order_relaxed) & bit_of(queue)) == 0) {
      word.fetch_or(bit_of(queue), std::memory_order_relaxed);
    }
  }
  bool has(unsigned queue) const {
    return (named_[queue / kBits].load(std::memory_order_relaxed) & bit_of(queue)) != 0;
  }

  // Calls visit(queue) for each, in ascending order; it is not in the set any more then, unless it
  // was added since.
  template <class Visit>
  void take_each(Visit&& visit) {
    for (std::size_t i = 0; i < named_.size(); ++i) {
      if (named_[i].load(std::memory_order_relaxed) == 0) {
        continue;
      }
      std::uint64_t left = named_[i].exchange(0, std::memory_order_relaxed) & walked_[i];
      for (; left != 0; left &= left - 1) {
        visit(static_cast<unsigned>(i * kBits) + static_cast<unsigned>(std::countr_zero(left)));
      }
    }
  }

 private:
  static constexpr unsigned kBits = 64;
  static std::uint64_t bit_of(unsigned queue) { return std::uint64_t{1} << (queue % kBits); }

  std::vector<std::atomic<std::uint64_t>> named_;
  std::vector<std::uint64_t> walked_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_QUEUE_SET_H_
