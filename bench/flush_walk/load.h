// Load: a population of blocks for a flush to walk: so many, so many of them full, so many dirty,
// over so many queues.
//
// Built through the allocator's own calls, in time linear in the blocks. The order is that of a
// machine which has run for a while: full blocks are the oldest and lie lowest, those that still
// have never-used slots lie above. (Were they mixed, the free list's hull would cover the dirty
// slots of full blocks by accident, as it did in kernels for 15 years; the walk misses them either
// way.) Dirty blocks are spread evenly over the full ones and over the others. Block i belongs to
// queue i mod queues.
//
// A block: first its dirty range of `dirty_slots` slots (freed in dirty blocks, in use in the
// others), then one page in use, which keeps the block from being purged; a full block is handed
// out to its end, the others no further.
//
// Where a shootdown is real, memory stands behind it. A hull covers all of it, but only one block,
// the anchor, has pages that were touched: its freed page and some pages in use, which the
// responders read. The anchor is the highest dirty block, which lies in the hull of every walk that
// finds a dirty block on a free list, and it begins a GiB: so the system call finds one page table
// to work on and empty GiBs below, whatever the number of blocks, as in the kernel, whose
// flush_tlb_kernel_range looks at no page tables. (With 16 pages spread over 16 GiB the same
// mprotect took ten times as long, and the longer hull of the complete walk twice as long as the
// other.) Where the gather makes an array of ranges every freed page is touched: each of the
// backend's ranges must have something to flush.
#ifndef FLUSHWALK_BENCH_FLUSH_WALK_LOAD_H_
#define FLUSHWALK_BENCH_FLUSH_WALK_LOAD_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "allocator/arena.h"
#include "allocator/shootdown.h"
#include "allocator/vmap_allocator.h"

namespace flushwalk {

inline constexpr std::uint64_t kMostBlocks = std::uint64_t{1} << 20;
inline constexpr unsigned kMostQueues = 1024;
inline constexpr unsigned kBlockSlots = 1024;  // a kernel for up to 2,048 CPUs

// Which blocks the dirty percentage is of.
enum class Spread {
  even,    // of the full ones and of the others
  listed,  // of the others only: both kinds of walk find the same
};
inline constexpr Spread kSpreads[] = {Spread::even, Spread::listed};
std::string_view name_of(Spread spread);

// How the blocks' descriptors lie in memory, seen in the order of the blocks.
enum class Descriptors {
  in_order,  // side by side, as on a machine just booted
  shuffled,  // anywhere, as on one that has run for long
};
inline constexpr Descriptors kDescriptors[] = {Descriptors::in_order, Descriptors::shuffled};
std::string_view name_of(Descriptors descriptors);

struct LoadShape {
  std::uint64_t blocks = 4096;  // 1..kMostBlocks
  unsigned full_percent = 50;   // 0..100
  unsigned dirty_percent = 10;  // 0..100
  unsigned dirty_slots = 1;     // a power of two, 1..kMaxAllocPages
  unsigned queues = 1;          // 1..kMostQueues
  IndexLayout layout = IndexLayout::kernel;
  Spread spread = Spread::even;
  Descriptors descriptors = Descriptors::in_order;

  friend auto operator<=>(const LoadShape&, const LoadShape&) = default;
};

class Load {
 public:
  // nullptr, with one line in *error: no memory, or the kernel refuses what the backend needs.
  static std::unique_ptr<Load> build(const LoadShape& shape, ShootdownKind kind, Gather gather,
                                     std::string* error);

  VmapAllocator& allocator() { return *allocator_; }
  const VmapAllocator& allocator() const { return *allocator_; }
  Shootdown& shootdown() { return *shootdown_; }
  // Empty, with room for the ranges of any walk.
  FlushPlan make_plan() const {
    return FlushPlan(gather_, is_array(gather_) ? dirty_blocks() : 0, everything_);
  }

  // Makes the next flush find what the last one found. Untimed. The blocks:
  void make_dirty_again();
  // And their pages, which a backend has taken away, or told the kernel that nobody touches them;
  // touches them. 0 or errno.
  int restore_access();

  // Of a load with memory.
  const Arena& arena() const { return *arena_; }
  // What is freed, a run a dirty block.
  const std::vector<Range>& dirty_runs() const { return dirty_runs_; }

  // Pages in use in the anchor, for responders to read; empty without memory.
  const std::vector<Address>& live_pages() const { return live_pages_; }
  std::uint64_t dirty_blocks() const { return dirty_runs_.size(); }
  // Blocks on free lists.
  std::uint64_t listed_blocks() const { return listed_blocks_; }
  // Freed slots that a flush of the plan leaves stale, by the ledger.
  std::uint64_t stale_slots(const FlushPlan& plan) const;

 private:
  Load() = default;
  bool populate(const LoadShape& shape, std::string* error);
  bool shuffle_descriptors(const LoadShape& shape);
  bool add_block(const LoadShape& shape, unsigned queue, bool full, bool dirty, std::string* error);
  bool anchor(const LoadShape& shape, std::string* error);

  std::unique_ptr<Arena> arena_;
  std::unique_ptr<Shootdown> shootdown_;
  std::unique_ptr<VmapAllocator> allocator_;
  Gather gather_ = Gather::hull;
  Range everything_;  // the arena; without memory the address space of the blocks
  bool revokes_ = false;
  std::uint64_t listed_blocks_ = 0;
  std::vector<Range> dirty_runs_;
  std::vector<Address> touched_pages_;  // freed
  std::vector<Address> live_pages_;
};

// Why a backend cannot carry this load, with the numbers (vm.max_map_count, or as many ranges as it
// keeps apart); empty when it can.
std::string why_too_large(const LoadShape& shape, ShootdownKind kind, Gather gather);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_FLUSH_WALK_LOAD_H_
