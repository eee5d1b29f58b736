// WatchedAllocator: an allocator on real memory under the oracle's eyes: the calls of its users, so
// made that the oracle sees what it has to. What is in use is written when it is handed out and
// read when it is freed: a flush that takes a live page's access away is seen too.
//
// Any threads may call at once. Before patch 2 the walk of a flush is outside of the purge mutex,
// and what it has collected may be flushed, given back and in use again when its own flush comes:
// harmless in the kernel, whose flush takes nothing away, and here it would. So these revisions
// flush one after the other; their allocations and frees go on meanwhile, and their address space
// must be large enough for no allocation to reclaim.
#ifndef FLUSHWALK_ALLOCATOR_WATCHED_ALLOCATOR_H_
#define FLUSHWALK_ALLOCATOR_WATCHED_ALLOCATOR_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "allocator/oracle.h"

namespace flushwalk {

class WatchedAllocator {
 public:
  using Lease = StaleOracle::Lease;

  // options: geometry tells the slots, its base is the arena's; shootdown and observer are the
  // oracle's. nullptr, with one line in *error: no memory, or the kernel refuses.
  static std::unique_ptr<WatchedAllocator> create(VmapAllocator::Options options,
                                                  ShootdownKind kind,
                                                  const StaleOracle::Options& watch,
                                                  std::string* error);

  // map_ram, with all pages written. nullopt: no address space, or *error.
  std::optional<Lease> map(unsigned queue, std::uint64_t pages);
  // The same for pages that one of the allocator's other calls has handed out.
  std::optional<Lease> take(const AllocReport& handed_out, std::uint64_t pages);
  FreeReport unmap(const Lease& lease);

  FlushReport unmap_aliases();
  FlushReport drain();
  FlushReport reclaim();
  FlushReport purge(unsigned queue);

  VmapAllocator& allocator() { return *allocator_; }
  const StaleOracle& oracle() const { return *oracle_; }
  // Pages in use whose access was taken away, or whose data has changed.
  std::uint64_t lost_live_pages() const { return lost_live_pages_; }
  // errno of the first call of the system that failed; 0: none.
  int system_errno() const { return system_errno_; }

 private:
  WatchedAllocator() = default;
  std::unique_lock<std::mutex> one_flush_at_a_time();
  template <class Report>
  Report noted(Report report);
  Lease used(const Range& pages);
  static std::uint8_t live_byte(const Lease& lease);

  std::unique_ptr<Arena> arena_;
  std::unique_ptr<Shootdown> backend_;
  std::unique_ptr<StaleOracle> oracle_;
  std::unique_ptr<VmapAllocator> allocator_;
  PageAccess access_;
  std::mutex flush_mutex_;
  std::atomic<std::uint64_t> lost_live_pages_{0};
  std::atomic<int> system_errno_{0};
};

// Why the oracle can see nothing with that backend, as one line that says which to use; empty where
// it can.
std::string why_blind(ShootdownKind kind);
// The backend for who does not care: guard, or mprotect on a kernel without.
ShootdownKind watching_backend();

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_WATCHED_ALLOCATOR_H_
