// Shootdown: the system calls that make every CPU drop translations. Third stage of walk -> gather
// -> shootdown.
//
// Backends act on real memory: the addresses are an arena's. Three families, one to an arena: a
// range flush would give back what mprotect has revoked, and fail at the holes of munmap (guards it
// leaves):
// - range: flushes a hull and revokes nothing, so slots in use under it go on working.
//   mprotect_range toggles a permission nobody uses (exec on data), cold_range tells the kernel
//   that the pages are cold: the analogues of flush_tlb_kernel_range.
// - revoke: takes access away from exactly the runs it is given: mprotect (to NONE), munmap, guard.
// - drop: takes the data of the runs away, and leaves access: dontneed.
// and three that flush no TLB: none (no call), noop (an mprotect to the permissions that are there
// already: the control, what the call alone costs) and membarrier (an interrupt of every CPU that
// runs the process: the floor of what a shootdown by interrupts can cost).
//
// Userspace cannot clear a page table entry without a flush, so a lazily freed page stays readable
// through its old address until the flush: with a revoke backend the flush is what ends the alias,
// and map() what begins a new one.
#ifndef FLUSHWALK_ALLOCATOR_SHOOTDOWN_H_
#define FLUSHWALK_ALLOCATOR_SHOOTDOWN_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "allocator/arena.h"
#include "allocator/flush_plan.h"
#include "allocator/geometry.h"

namespace flushwalk {

enum class ShootdownKind {
  none,
  noop,
  membarrier,
  mprotect_range,
  cold_range,
  mprotect,
  munmap,
  guard,
  dontneed
};

inline constexpr ShootdownKind kShootdownKinds[] = {
    ShootdownKind::none,           ShootdownKind::noop,       ShootdownKind::membarrier,
    ShootdownKind::mprotect_range, ShootdownKind::cold_range, ShootdownKind::mprotect,
    ShootdownKind::munmap,         ShootdownKind::guard,      ShootdownKind::dontneed};

std::string_view name_of(ShootdownKind kind);

enum class ShootdownFamily { none, range, revoke, drop };
ShootdownFamily family_of(ShootdownKind kind);

// True for the backends that take access away.
bool revokes(ShootdownKind kind);
// True where a flush interrupts the other CPUs that run this process.
bool interrupts(ShootdownKind kind);
// True where that is a TLB flush, which the kernel's TLB row counts: of all but membarrier.
bool flushes_tlb(ShootdownKind kind);
// True where a flush has something to do in those pages alone that were touched since the last one.
bool wants_touched_pages(ShootdownKind kind);
// True where each range of an array becomes a mapping of its own, of which vm.max_map_count is the
// limit: always for the mprotects and munmap, never for a hull or everything.
bool splits_mappings(Gather gather, ShootdownKind kind);
// What the backend's arena is made of.
Arena::Memory memory_for(ShootdownKind kind);

// The gather that a backend goes with: hull, or runs where it takes something away.
Gather gather_for(ShootdownKind kind);
// Why the two do not go together, as one line; empty where they do. What takes access or data away
// may be given runs alone: any other gather covers slots in use. All others may be given any: none
// and membarrier look at no range (what differs is the gather), noop is each one's control.
std::string why_senseless(Gather gather, ShootdownKind kind);

// As many ranges of an array mprotect_range keeps apart (each is a mapping, and half of the
// kernel's default limit); with more a flush would begin by undoing all earlier ones.
inline constexpr std::size_t kMostExecutableRanges = 16'384;

// flush() calls do not overlap (the allocator's purge mutex sees to that); map() may run at any
// time.
class Shootdown {
 public:
  virtual ~Shootdown() = default;

  // Flushes every range, none of which is empty; 0, or the errno of the first call that failed (the
  // ranges after it are not flushed). Allocates nothing once its book-keeping has been as large as
  // it gets (mprotect_range, mprotect, munmap; it may grow while ranges keep changing).
  virtual int flush(std::span<const Range> ranges) = 0;
  // Makes the pages of `range` accessible at their addresses, where an earlier flush revoked them.
  // 0 or errno.
  virtual int map(const Range& range) = 0;
  // What flush() must be given: hull, or runs where it takes something away.
  virtual Gather gather() const { return Gather::hull; }
  // Between timed flushes: undoes what earlier ones left behind, after which each range of the next
  // flush takes one call whatever ranges came before. May itself shoot down. 0 or errno.
  virtual int settle() { return 0; }
  // System calls made by flush() so far: one a range; less with guard and dontneed, which make
  // vectored ones, and with membarrier. Each that interrupts, does so at least once.
  std::uint64_t calls() const { return calls_; }

 protected:
  std::uint64_t calls_ = 0;
};

// A backend that works on `arena`, which must outlive it and be of the memory that the kind needs.
// `none` needs no arena (nullptr).
std::unique_ptr<Shootdown> make_shootdown(ShootdownKind kind, Arena* arena);

// Whether this kernel has what the backend needs, found out by trying it on a page: empty, or the
// reason why not.
std::string why_unsupported(ShootdownKind kind);

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_SHOOTDOWN_H_
