// Stripes: what one rival works on: an allocator with so many queues, the live blocks of queues
// that no thread uses, a pair loop for each thread, and the rings between them.
#ifndef FLUSHWALK_BENCH_ALLOC_FREE_STRIPES_H_
#define FLUSHWALK_BENCH_ALLOC_FREE_STRIPES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "allocator/flush_plan.h"
#include "allocator/vmap_allocator.h"
#include "bench/alloc_free/alloc_free_axes.h"
#include "bench/alloc_free/exchange_ring.h"
#include "bench/alloc_free/pair_loop.h"
#include "bench/support/clock.h"

namespace flushwalk {

// Bytes of a live block's book-keeping.
struct BlockMemory {
  double all = 0;    // descriptor, area and nodes
  double nodes = 0;  // its share of the xarrays' nodes
};

class Stripes {
 public:
  // nullptr, with one line in *error: no memory.
  static std::unique_ptr<Stripes> build(const AllocFreeAxes& axes, const AllocFreeRival& rival,
                                        const Clock& clock, std::string* error);

  VmapAllocator& allocator() { return allocator_; }
  const VmapAllocator& allocator() const { return allocator_; }
  PairLoop& loop(unsigned thread) { return loops_[thread]; }
  FlushPlan& plan() { return plan_; }  // the flusher's

  // What the kernel's drain work and RCU do beside: flushes the lazy list and frees descriptors. No
  // thread may be at work.
  void settle() {
    allocator_.drain();
    allocator_.release_retired();
  }

  // Frees all that threads hold; what is left are the blocks with space and the other queues'.
  void give_back();

  // With other queues' blocks, before any thread has worked; else empty.
  const BlockMemory& memory() const { return memory_; }

 private:
  Stripes(const AllocFreeAxes& axes, const AllocFreeRival& rival, const Clock& clock);
  bool add_other_blocks(const AllocFreeAxes& axes, unsigned queues, std::string* error);

  VmapAllocator allocator_;
  FlushPlan plan_{Gather::hull, 1};
  std::vector<std::unique_ptr<ExchangeRing>> rings_;  // by the thread that allocates
  std::vector<PairLoop> loops_;
  BlockMemory memory_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_ALLOC_FREE_STRIPES_H_
