// Dirty space: the memory behind dirty ranges, and the backend that flushes it.
//
// A flush's system calls act on what is in the page tables, so each range that is flushed must have
// pages which were touched, and the fewer there are, the less do the calls beside the shootdown:
// flush_tlb_kernel_range() looks at no page tables at all. Of each range that a gather flushes the
// first and the last page is touched, no other: the kernel flushes from the first page to the last
// that it changed, so the flush is that of the whole range. A hull has two touched pages whatever
// lies in it, an array has two for each of its ranges; so the two have memory of their own, which
// lies alike. That bounds it, too: 1,024 ranges of 512 pages take 8 MiB, not 2 GiB, and as much for
// their page tables.
#ifndef FLUSHWALK_BENCH_FLUSH_RANGE_DIRTY_SPACE_H_
#define FLUSHWALK_BENCH_FLUSH_RANGE_DIRTY_SPACE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "allocator/arena.h"
#include "allocator/flush_plan.h"
#include "allocator/shootdown.h"
#include "bench/flush_range/dirty_ranges.h"

namespace flushwalk {

class DirtySpace {
 public:
  // For gathers that make an array, or for those that make one range. nullptr, with one line in
  // *error: no memory, no address space, or the kernel refuses what the backend needs.
  static std::unique_ptr<DirtySpace> build(const RangeShape& shape, ShootdownKind kind, bool array,
                                           std::string* error);

  // The ranges, gathered.
  FlushPlan plan(Gather gather) const;
  Shootdown& shootdown() { return *shootdown_; }
  const Arena& arena() const { return *arena_; }

  // Untimed, between flushes: touches what a flush is to find touched, once access is back.
  void touch() const;
  // By plan(): the first and the last page of each range of a flush.
  std::span<const Address> touched_pages() const { return touched_pages_; }

 private:
  DirtySpace() = default;

  std::unique_ptr<Arena> arena_;
  std::unique_ptr<Shootdown> shootdown_;
  std::vector<Range> ranges_;
  std::vector<Address> touched_pages_;
};

// Why so many spaces do not fit into a process's addresses, with the numbers; empty when they do.
std::string why_too_wide(const RangeShape& shape, ShootdownKind kind, unsigned spaces);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_FLUSH_RANGE_DIRTY_SPACE_H_
