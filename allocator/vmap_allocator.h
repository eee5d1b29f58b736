// VmapAllocator: the facade: the kernel's per-CPU vmap block allocator, in any revision of the
// table.
//
//   map_ram, unmap_ram     vm_map_ram, vm_unmap_ram: any size, memory behind the address
//   alloc, free            vb_alloc, vb_free: 1 to 64 pages from a block, accounting alone
//   unmap_aliases          _vm_unmap_aliases: every page freed before the call is flushed when it
//   returns
//                          (in revision v6.4 with the exceptions that patch 1 mends)
//   reclaim, drain, purge  what exhausted address space, the drain work and a fragmented queue
//   bring about
//
// A flush goes one way: walk (flush_walk.h) -> plan (flush_plan.h) -> shootdown (shootdown.h) ->
// report. Concurrent callers are safe, from any threads. A call names the queue it runs on: the
// kernel's current CPU, here a stripe, which need not be the CPU of the thread.
//
// Lock order, as the kernel's: purge mutex > block > queue (its own, or its dirty lists'). Below
// these come the lock of the lazy list, inside which a closed window takes those of the xarray and
// the dirty lists; below all, those of the address space and the pools. Each call is one read-side
// critical section of RCU and ends in a quiescent state (rcu.h); descriptors are freed by
// release_retired() only.
//
// Where it differs from the kernel: free() checks that what it is given was handed out and says so
// if not. The purge in the flush's walk of p2 to p6 takes blocks off a free list under the lock of
// the wrong queue; here the right lock is taken always, and the report says which one the kernel
// would have held.
#ifndef FLUSHWALK_ALLOCATOR_VMAP_ALLOCATOR_H_
#define FLUSHWALK_ALLOCATOR_VMAP_ALLOCATOR_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "allocator/address_space.h"
#include "allocator/block.h"
#include "allocator/error.h"
#include "allocator/flush_plan.h"
#include "allocator/geometry.h"
#include "allocator/ledger.h"
#include "allocator/observer.h"
#include "allocator/queue.h"
#include "allocator/queue_set.h"
#include "allocator/reports.h"
#include "allocator/revision.h"
#include "allocator/shootdown.h"

namespace flushwalk {

class VmapAllocator {
 public:
  struct Options {
    Geometry geometry{Address{0xffffc90000000000}, 1024};
    std::uint64_t space_blocks = std::uint64_t{1} << 16;
    PossibleCpus cpus = PossibleCpus::first(1);
    const Behaviors* revision = find_revision("v6.12");
    std::uint64_t lazy_max_pages = kernel_lazy_max_pages(1);
    // How a flush finds dirty blocks; unset: the revision's way. can_walk() is true.
    std::optional<Walk> walk{};
    Check check = Check::locked;
    IndexLayout layout = IndexLayout::kernel;
    // What free() keeps up for `marked`, `list_and_full` and `dirty_list`. The allocator's own walk
    // has what it needs; collect() by another one needs it named here.
    bool keep_marks = false;
    bool keep_full_lists = false;
    bool keep_dirty_lists = false;
    // Both may be null (no system calls; no shadow accounting) and outlive the allocator.
    Shootdown* shootdown = nullptr;
    Ledger* ledger = nullptr;
    AllocatorObserver* observer = nullptr;  // the same
    LastFree last_free = LastFree::lazy;
  };

  explicit VmapAllocator(Options options);
  // No call may be running.
  ~VmapAllocator();
  VmapAllocator(const VmapAllocator&) = delete;
  VmapAllocator& operator=(const VmapAllocator&) = delete;

  // `queue` is a possible CPU's number in all of these.

  // 1 to 64 pages (geometry().max_alloc_pages()); 2^order(pages) slots are used up. invalid: more,
  // or zero (null before v6.12). busy: no address space. `detail` is filled where the call had to
  // reclaim.
  AllocReport alloc(unsigned queue, unsigned pages, FlushDetail* detail = nullptr);

  // `pages` as at alloc(). not_allocated: the address is not in use; nothing is changed.
  FreeReport free(Address address, unsigned pages);

  // Any number of pages from 1 on. The pages are accessible at the address afterwards
  // (shootdown->map).
  AllocReport map_ram(unsigned queue, std::uint64_t pages, FlushDetail* detail = nullptr);
  FreeReport unmap_ram(Address address, std::uint64_t pages);

  // vm_unmap_aliases, or _vm_unmap_aliases(start, end, flush) with `caller`. plan: the gather to
  // use and scratch space; cleared first. In the report and detail: what was visited, found, purged
  // and flushed.
  FlushReport unmap_aliases(FlushPlan& plan, const CallerRange& caller = {},
                            FlushDetail* detail = nullptr);
  FlushReport unmap_aliases() {
    FlushPlan plan(gather());
    return unmap_aliases(plan);
  }

  // The walk of a flush alone, over all possible CPUs' queues: adds the dirty ranges it finds to
  // `plan`, and resets them where the revision does; purges and flushes nothing. Not with another
  // flush at the same time: it takes no mutex.
  FlushReport collect(Walk walk, Check check, FlushPlan& plan);
  // Makes what collect() has reset dirty again: freed slots of one block, which was not freed. So a
  // benchmark flushes the same twice.
  void make_dirty_again(const Range& slots);

  // purge_fragmented_blocks(queue): dooms every block of its free list that has nothing in use. No
  // flush.
  FlushReport purge(unsigned queue, FlushDetail* detail = nullptr);
  // reclaim_and_purge_vmap_areas: purge() of every queue, then the lazy list is flushed and given
  // back.
  FlushReport reclaim(FlushDetail* detail = nullptr);
  // One pass of the drain work: the lazy list is flushed and given back.
  FlushReport drain(FlushDetail* detail = nullptr);

  // new_vmap_block: like alloc(), but always from a block of its own, without a look at the free
  // list.
  AllocReport alloc_new_block(unsigned queue, unsigned pages, FlushDetail* detail = nullptr);
  // Like alloc(), but from the block that holds `address`. With these two a benchmark builds a load
  // of any shape in time linear in its blocks. busy: the block has too little space.
  AllocReport alloc_in_block(Address address, unsigned pages);

  // Frees descriptors and nodes whose grace period is over; waits for one. Call it between timed
  // sections.
  std::size_t release_retired() { return retired_.release(); }

  const Geometry& geometry() const { return options_.geometry; }
  const Behaviors& revision() const { return *options_.revision; }
  const PossibleCpus& cpus() const { return options_.cpus; }
  std::uint64_t lazy_pages() const { return space_.lazy_pages(); }
  // The queue whose xarray holds the block at `address`.
  unsigned bucket(Address address) const { return bucket_of(address).queue; }
  Walk walk() const { return walk_; }

  // The live blocks by creation order, and each possible CPU's free list. At quiescence only.
  AllocatorState state() const;
  // Empty, or the first invariant that does not hold (SPEC section 1; and no address is lost). At
  // quiescence only.
  std::string broken_invariant() const;

  // The descriptor of the block at `address`, or nullptr: only its place in memory is anyone's
  // business.
  const void* descriptor_at(Address address) const { return block_at(address); }
  // The live block at `address` as it is at this moment, read under its lock; nothing where there
  // is none, or a doomed one.
  std::optional<AllocatorState::BlockView> block_view(Address address) const;
  // Where tests run out of memory.
  SlabPool& block_pool() { return block_pool_; }
  SlabPool& node_pool() { return node_pool_; }
  const SlabPool& block_pool() const { return block_pool_; }
  const SlabPool& node_pool() const { return node_pool_; }

 private:
  struct PurgedBlocks;

  // Of the flushes that bring no plan: a backend that revokes must not be given slots in use.
  Gather gather() const {
    return options_.shootdown == nullptr ? Gather::hull : options_.shootdown->gather();
  }

  // One remainder of the address hash. Where several fall on one queue (a sparse mask of possible
  // CPUs) each has its rank among them, so that dense keys differ.
  struct Bucket {
    unsigned queue;
    unsigned rank;
    unsigned sharers;
  };
  const Bucket& bucket_of(Address address) const {
    const std::uint64_t hash = options_.geometry.hash_input(address);
    // A division is a third of what a free costs.
    const std::uint64_t all = buckets_.size();
    return buckets_[(all & (all - 1)) == 0 ? hash & (all - 1) : hash % all];
  }
  // Where the block at `address` is, or would be.
  struct IndexPlace {
    XArray& blocks;
    std::uint64_t key;
  };
  IndexPlace place_of(Address address) const {
    const Bucket& bucket = bucket_of(address);
    std::uint64_t key = options_.geometry.index(address);
    if (options_.layout == IndexLayout::dense) {
      key = key / buckets_.size() * bucket.sharers + bucket.rank;
    }
    return {queues_[bucket.queue]->blocks, key};
  }
  static std::vector<Bucket> make_buckets(const PossibleCpus& cpus, BucketHash hash);

  bool keep_lists() const { return keep_dirty_lists_ || keep_full_lists_; }
  Error index(Block* block);
  void block_got_dirty(Block* block);
  void list_as_dirty(Block* block, DirtyPart part);
  template <class Look>
  void walk_all(Walk walk, Check check, Look&& look, FlushReport* report, FlushDetail* detail);
  void collect_range(Block& block, FlushPlan& plan, FlushDetail* detail);

  AllocReport zero_or_too_many(std::uint64_t pages) const;
  bool serve_from_list(unsigned queue, unsigned slots, AllocReport* report);
  void new_block(unsigned queue, unsigned slots, AllocReport* report, FlushDetail* detail);
  Error alloc_area(std::uint64_t size, std::uint64_t align, VmapArea** area, AllocReport* report,
                   FlushDetail* detail);
  void take_slots(Block& block, unsigned slots, AllocReport* report);
  VmapBlockQueue& queue_of(const Block& block) const { return *queues_[block.queue]; }
  // The queue whose lists a dirty block is put on. A free list's is one of a possible CPU in every
  // revision; for `dirty_list` alone it is the xarray's, in whose turn the kernel's walk meets it.
  unsigned dirty_queue_of(const Block& block) const {
    return keep_full_lists_ ? block.queue : bucket(block.va_start);
  }
  QueueSet& with_dirty(DirtyPart part) {
    return part == DirtyPart::full ? with_dirty_full_ : with_dirty_others_;
  }
  Block* block_at(Address address) const;
  bool free_block(Block* block);
  void take_out_of_index(Block* block);
  bool end_block(Block* block, bool was_flushed);
  void retire(Block* block);

  void walk_and_collect(FlushPlan& plan, bool purge, PurgedBlocks* purged, FlushReport* report,
                        FlushDetail* detail);
  std::uint64_t purge_fragmented(unsigned queue, FlushReport* report, FlushDetail* detail);
  std::uint64_t purge_fragmented_all(FlushReport* report, FlushDetail* detail);
  void doom(Block& block, unsigned lock_queue, PurgedBlocks* purged, FlushReport* report,
            FlushDetail* detail);
  void free_purged(PurgedBlocks& purged, FlushReport* report);
  bool flush_lazy(FlushPlan& plan, FlushReport* report, FlushDetail* detail);
  void flush(FlushPlan& plan, bool by_lazy, FlushReport* report, FlushDetail* detail);
  std::unique_lock<std::mutex> lock_purge_mutex();

  Options options_;
  AddressSpace space_;
  SlabPool block_pool_;
  SlabPool node_pool_;
  rcu::RetireList retired_;
  std::vector<std::unique_ptr<VmapBlockQueue>> queues_;  // by CPU number, impossible ones included
  std::vector<Bucket> buckets_;                          // by remainder of the hash
  QueueSet with_dirty_others_;                           // which queues have listed such blocks
  QueueSet with_dirty_full_;
  Walk walk_;
  bool keep_marks_;
  bool keep_full_lists_;
  bool keep_dirty_lists_;
  std::atomic<std::uint64_t> blocks_created_{0};

  std::mutex purge_mutex_;             // vmap_purge_lock
  std::vector<VmapArea*> lazy_areas_;  // scratch of flush_lazy(); purge_mutex_
  std::vector<Range> owed_;            // ranges of a flush that failed; purge_mutex_
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_VMAP_ALLOCATOR_H_
