// Pair loop: the timed part, all of it: a thread allocates and frees, again and again. It makes no
// system call, allocates no memory of its own and takes no lock but the allocator's. Tests hold it
// to that.
#ifndef FLUSHWALK_BENCH_ALLOC_FREE_PAIR_LOOP_H_
#define FLUSHWALK_BENCH_ALLOC_FREE_PAIR_LOOP_H_

#include <cstdint>

#include "allocator/vmap_allocator.h"
#include "bench/alloc_free/exchange_ring.h"
#include "bench/support/clock.h"
#include "bench/support/worker_team.h"

namespace flushwalk {

struct PairCounts {
  std::uint64_t created_blocks = 0;
  std::uint64_t failed_allocs = 0;
  std::uint64_t failed_frees = 0;
  Ticks exchange_wait = 0;  // for the other thread: its ring was full, or empty
};

struct SingleTimes {
  Ticks alloc;
  Ticks free;
};

// What one thread works with; it writes to a cache line of its own.
class alignas(64) PairLoop {
 public:
  // `to` and `from` are both null (the thread frees what it allocated), or the rings to the thread
  // that frees and from the one that allocates. flush_every: pairs of a batch after which the
  // thread flushes; 0: never.
  PairLoop(const Clock& clock, VmapAllocator& allocator, unsigned queue, unsigned pages,
           ExchangeRing* to, ExchangeRing* from, unsigned flush_every)
      : clock_(clock),
        allocator_(allocator),
        queue_(queue),
        pages_(pages),
        to_(to),
        from_(from),
        flush_every_(flush_every) {}

  void pairs(unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      free(exchange(alloc()));
      if (flush_every_ != 0 && ++since_flush_ == flush_every_) {
        since_flush_ = 0;
        allocator_.unmap_aliases(plan_);
      }
    }
  }

  // One pair, each call between two readings of the clock.
  SingleTimes single_pair() {
    SingleTimes times{};
    const Ticks alloc_begin = clock_.now_begin();
    Address address = alloc();
    times.alloc = clock_.now_end() - alloc_begin;
    address = exchange(address);
    const Ticks free_begin = clock_.now_begin();
    free(address);
    times.free = clock_.now_end() - free_begin;
    return times;
  }

  // Frees what the ring holds, when no thread is at work.
  void free_exchanged() {
    Address address = kNone;
    while (from_ != nullptr && from_->pop(&address)) {
      free(address);
    }
  }

  // Hands over `count` addresses ahead, so that threads which drift apart by less need not wait.
  void hand_over_ahead(unsigned count) {
    for (unsigned i = 0; to_ != nullptr && i < count; ++i) {
      to_->push(alloc());
    }
  }

  const PairCounts& counts() const { return counts_; }
  void clear_counts() { counts_ = {}; }

 private:
  static constexpr Address kNone = 0;

  Address alloc() {
    const AllocReport report = allocator_.alloc(queue_, pages_);
    counts_.created_blocks += report.new_block ? 1 : 0;
    if (report.error != Error::none) [[unlikely]] {
      ++counts_.failed_allocs;
      return kNone;
    }
    return report.address;
  }

  void free(Address address) {
    if (address == kNone) [[unlikely]] {
      return;
    }
    const FreeReport report = allocator_.free(address, pages_);
    counts_.failed_frees += report.error == Error::none ? 0 : 1;
  }

  // The address to free for the one allocated. The slowest thread of all never waits here: the one
  // before it is ahead, and so is the one behind it.
  Address exchange(Address mine) {
    if (to_ == nullptr) {
      return mine;
    }
    if (!to_->push(mine)) [[unlikely]] {
      wait_for([&] { return to_->push(mine); });
    }
    Address other = kNone;
    if (!from_->pop(&other)) [[unlikely]] {
      wait_for([&] { return from_->pop(&other); });
    }
    return other;
  }

  template <class Done>
  [[gnu::noinline]] void wait_for(Done&& done) {
    const Ticks begin = clock_.now();
    spin_until(done);
    counts_.exchange_wait += clock_.now() - begin;
  }

  const Clock& clock_;
  VmapAllocator& allocator_;
  const unsigned queue_;
  const unsigned pages_;
  ExchangeRing* const to_;
  ExchangeRing* const from_;
  const unsigned flush_every_;
  unsigned since_flush_ = 0;
  FlushPlan plan_{Gather::hull, 1};
  PairCounts counts_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_ALLOC_FREE_PAIR_LOOP_H_
