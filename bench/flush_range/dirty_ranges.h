// Dirty ranges: what flush_range_bench flushes: so many ranges of so many pages, so far apart, laid
// out as freed slots of vmap blocks. Pure functions of numbers and addresses.
//
// The gap is the address space from the end of one range to the start of the next. A range lies in
// one block, as what was freed in it does: where it would cross into the next block it begins
// there, and that one gap is longer by less than a range.
//
// What the gathers make of m ranges:
// - hull: one range, from the first to the last. full: one, all the memory that there is.
// - runs: m, and with no gap one for each block. per_block: one for each block that has some, over
//   what lies between them too. From a gap of a block on the two are the same.
#ifndef FLUSHWALK_BENCH_FLUSH_RANGE_DIRTY_RANGES_H_
#define FLUSHWALK_BENCH_FLUSH_RANGE_DIRTY_RANGES_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "allocator/flush_plan.h"
#include "allocator/geometry.h"

namespace flushwalk {

inline constexpr unsigned kMostRanges = 1024;
inline constexpr unsigned kMostRangePages = 512;
inline constexpr unsigned kRangeBlockSlots = 1024;  // a kernel for up to 2,048 CPUs: 4 MiB
// 128 TiB: what a process on x86-64 can address.
inline constexpr std::uint64_t kMostGapPages = std::uint64_t{1} << 35;

struct RangeShape {
  unsigned ranges = 8;             // 1..kMostRanges
  unsigned pages = 8;              // of each, 1..kMostRangePages
  std::uint64_t gap_pages = 1024;  // 0..kMostGapPages

  friend auto operator<=>(const RangeShape&, const RangeShape&) = default;
};

// The ranges from `base` on, which begins a block; ascending, disjoint.
std::vector<Range> lay_out(const RangeShape& shape, Address base);

// From the first to the last, in bytes.
std::uint64_t span_of(const RangeShape& shape);

// Adds them to the plan as a walk does, block by block: each block's slots up to the last range are
// handed out, and freed are those of the ranges.
void add_blocks(std::span<const Range> ranges, FlushPlan* plan);

// "0", "block" (4 MiB), or a number with p (pages), k, m or g (KiB, MiB, GiB) behind it; nullopt
// where the text is none of these, no multiple of a page, or more than kMostGapPages.
std::optional<std::uint64_t> read_gap(std::string_view text);
// The shortest such text: "0", "block", "255g", "8p".
std::string gap_text(std::uint64_t gap_pages);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_FLUSH_RANGE_DIRTY_RANGES_H_
