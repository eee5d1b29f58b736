// Reports: what a call of the allocator did, in counts that cost nothing to keep (…Report), and in
// detail where somebody asks (FlushDetail: replays and tests, never timed runs).
#ifndef FLUSHWALK_ALLOCATOR_REPORTS_H_
#define FLUSHWALK_ALLOCATOR_REPORTS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "allocator/block.h"
#include "allocator/error.h"
#include "allocator/geometry.h"

namespace flushwalk {

struct FlushReport {
  Error error = Error::none;  // system: a backend's call failed, see system_errno; what was to be
                              // flushed is owed
  int system_errno = 0;
  std::uint64_t visited = 0;        // blocks, by the flush's walk
  std::uint64_t visited_purge = 0;  // nodes, by a second walk over the free lists
  std::uint64_t block_locks = 0;
  std::uint64_t dirty_blocks = 0;  // whose range was collected
  std::uint64_t purged = 0;        // blocks
  std::uint64_t lazy_areas = 0;    // given back
  std::uint64_t flushes = 0;       // calls of flush_tlb_kernel_range
  std::uint64_t flushed_pages = 0;
  bool drain = false;  // purged blocks made the lazy list outgrow its limit
};

struct AllocReport {
  Error error = Error::none;
  Address address = 0;
  bool new_block = false;
  bool left_list = false;         // the block is not on the free list afterwards
  std::uint64_t visited = 0;      // nodes of the free list
  std::uint64_t block_locks = 0;  // taken
  unsigned free = 0;              // of the block, afterwards, slots
  unsigned dirty = 0;
  std::uint64_t serial = 0;  // the block's creation order; 0 where it is no block's
  int system_errno = 0;      // where memory could not be mapped (error is system)
  // What was done when address space was exhausted; else nothing.
  std::optional<FlushReport> reclaim;
};

struct FreeReport {
  Error error = Error::none;
  std::uint64_t serial = 0;
  unsigned free = 0;  // of the block, afterwards, slots; a freed block's last values
  unsigned dirty = 0;
  SlotRange dirty_range{0, 0};
  bool block_freed = false;
  bool drain = false;  // the lazy list has outgrown its limit
};

// The caller's own part of _vm_unmap_aliases(start, end, flush): takes part in the hull even where
// flush is false.
struct CallerRange {
  Range range;
  bool flush = false;
};

struct FlushDetail {
  struct DirtyRange {
    std::uint64_t serial;
    Address block_start;
    SlotRange slots;
  };
  struct Purged {
    std::uint64_t serial;
    unsigned list_queue;
    unsigned lock_queue;  // whose lock the kernel would have held
  };
  struct Flush {
    Range range;  // may be empty: the kernel makes such calls too
    bool by_lazy;
  };
  std::vector<std::uint64_t> visited_by_queue;
  std::vector<DirtyRange> dirty_ranges;
  std::vector<Purged> purged;
  std::vector<Range> lazy;
  std::vector<Flush> flushes;
};

struct AllocatorState {
  struct BlockView {
    std::uint64_t serial;
    Address start;
    unsigned bucket;
    unsigned queue;
    unsigned free;
    unsigned dirty;
    SlotRange dirty_range;
    bool on_list;
  };
  std::vector<BlockView> blocks;                  // by serial
  std::vector<std::vector<std::uint64_t>> lists;  // serials, by possible CPU, from the head
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_REPORTS_H_
