// Shootdown: the system calls that make every CPU drop translations. Third stage of walk -> gather
// -> shootdown.
//
// Backends act on real memory: the addresses are an arena's. Two families, which must not be mixed
// in an arena:
// - range: flushes a hull and revokes nothing, so slots in use under the hull go on working.
// mprotect_range toggles
//   a permission nobody uses (exec on data): the analogue of flush_tlb_kernel_range.
// - revoke: takes access away from exactly the runs it is given: mprotect (to NONE), munmap.
// and two that flush nothing: none (no call) and noop (an mprotect to the permissions that are
// there already: the control, what the call alone costs).
//
// Userspace cannot clear a page table entry without a flush, so a lazily freed page stays readable
// through its old address until the flush: with a revoke backend the flush is what ends the alias,
// and map() what begins a new one.
#ifndef FLUSHWALK_ALLOCATOR_SHOOTDOWN_H_
#define FLUSHWALK_ALLOCATOR_SHOOTDOWN_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "allocator/flush_plan.h"
#include "allocator/geometry.h"

namespace flushwalk {

class Arena;

enum class ShootdownKind { none, noop, mprotect_range, mprotect, munmap };

inline constexpr ShootdownKind kShootdownKinds[] = {ShootdownKind::none, ShootdownKind::noop,
                                                    ShootdownKind::mprotect_range,
                                                    ShootdownKind::mprotect, ShootdownKind::munmap};

std::string_view name_of(ShootdownKind kind);
// True for the backends that take access away, which must be given runs.
bool revokes(ShootdownKind kind);
// True where a flush interrupts the other CPUs that run this process.
bool interrupts(ShootdownKind kind);
// The gather that a backend goes with: hull, or runs where it revokes.
Gather gather_for(ShootdownKind kind);

// flush() calls do not overlap (the allocator's purge mutex sees to that); map() may run at any
// time.
class Shootdown {
 public:
  virtual ~Shootdown() = default;

  // Flushes every range; 0, or the errno of the first call that failed (the ranges after it are not
  // flushed). Allocates nothing, unless the ranges keep changing and overlap partly
  // (mprotect_range).
  virtual int flush(std::span<const Range> ranges) = 0;
  // Makes the pages of `range` accessible at their addresses, where an earlier flush revoked them.
  // 0 or errno.
  virtual int map(const Range& range) = 0;
  // What flush() must be given: hull, or runs where it revokes.
  virtual Gather gather() const { return Gather::hull; }
  // Between timed flushes: undoes what earlier ones left behind, after which each range of the next
  // flush takes one call whatever ranges came before. May itself shoot down. 0 or errno.
  virtual int settle() { return 0; }
  // System calls made by flush() so far.
  std::uint64_t calls() const { return calls_; }

 protected:
  std::uint64_t calls_ = 0;
};

// A backend that works on `arena`, which must outlive it. `none` needs no arena (nullptr).
std::unique_ptr<Shootdown> make_shootdown(ShootdownKind kind, Arena* arena);

// Whether this kernel has what the backend needs, found out by trying it on a page: empty, or the
// reason why not.
std::string why_unsupported(ShootdownKind kind);

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_SHOOTDOWN_H_
