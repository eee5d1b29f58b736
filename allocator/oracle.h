// StaleOracle: finds stale aliases by looking: after a flush each page that was freed before it is
// given to a new owner at once, and a load at its old address either faults (the alias is gone) or
// reads the new owner's data (it is stale). It observes and never decides, and is absent from timed
// runs.
//
// It stands at three places: between the allocator and a backend that revokes (Shootdown), inside
// the allocator (AllocatorObserver), and around its callers' calls (WatchedAllocator makes them).
//
// What is promised. unmap_aliases() promises that no alias is left of a page whose free has
// returned before the call. And no address is handed out again before a flush has covered it.
// Either is looked at: each freed page is probed by the flush that follows its free, or, if its
// address is handed out before that, when it is.
//
// Probe and reuse. Slots are never used twice within a block, but the addresses of a whole block
// are, once its area was flushed and given back: then the old address reads again, rightly. They
// are told apart by a stamp and a state for each page, changed under the page's own lock bit:
//
//     unused -> live -> freeing -> freed -> awaited -> gone | stale -> live (a new stamp) ...
//
// - A page's access is restored by map() alone, which every hand-out calls: it makes the page
//   `live` with a new stamp first. So a page that still has the stamp of its free has not been
//   restored since, and if it reads, nobody has ever revoked it: no false report.
// - A flush makes the pages that it must have flushed `awaited` before it begins; map() of an
//   awaited page waits until it has been probed. Whoever frees, flushes or waits for a page holds
//   nothing that the flush could want, so this ends. A freed page that no flush awaits is probed by
//   map() itself. So every freed page is probed before its next use: no alias is overlooked.
// - `freeing` begins before the call of free() and ends, as `freed`, after it has returned: between
//   the two nothing is promised, and a flush that comes early does no harm.
// - The probe holds the page's lock: the new owner's byte is written, and read at the old address,
//   while nobody else can have the page.
//
// The residual window (vmap_flush.cc) is the one known exception, recognised by what happened and
// not by a guess: the page's block was doomed by its last free before this flush took the lazy list
// (a serial number drawn under the block's lock, and one drawn under the purge mutex, are
// compared), that free had not left the window then, and the block's area was not among those that
// this flush took. doomed_ is cleared when a page of the block is handed out, so it is never of an
// earlier block at the same address. Both are read before the probe: a page that is stale then has
// not been handed out again. One thing it cannot tell: whether the walk had passed the block before
// its last free doomed it, as in the window, or overlooked it earlier; then a walk's fault is
// called the window's. Where there is no window (closed_window) nothing is excused.
//
// Planted aliases. With plant_every the oracle itself does not hand every n-th range to the
// backend. What that leaves is known page by page: freed, never covered since, not covered by a
// later flush before it was probed (which takes the page's lock too). Each of them must be found.
//
// Only backends that revoke leave something to look at: a range flush is a real one, and leaves the
// translation readable.
#ifndef FLUSHWALK_ALLOCATOR_ORACLE_H_
#define FLUSHWALK_ALLOCATOR_ORACLE_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string_view>
#include <vector>

#include "allocator/arena.h"
#include "allocator/fault_probe.h"
#include "allocator/observer.h"
#include "allocator/oracle_page.h"
#include "allocator/shootdown.h"
#include "allocator/vmap_allocator.h"

namespace flushwalk {

// How memory is looked at: by real loads and stores, but for ThreadSanitizer, which does not
// survive their siglongjmp.
struct PageAccess {
  ProbeResult (*read)(Address) = probe_read;
  ProbeResult (*write)(Address, std::uint8_t) = probe_write;
};

enum class AliasKind {
  missed,   // a flush has broken its promise
  window,   // the residual window has
  planted,  // the oracle has left it
  reused,   // the address was handed out again unflushed
};
std::string_view name_of(AliasKind kind);

// One stale page with its history. Times are ns since the oracle began.
struct StaleAlias {
  AliasKind kind = AliasKind::missed;
  Address address = 0;
  std::uint64_t block = 0;  // creation order
  unsigned slot = 0;        // in the block
  bool of_block = true;     // false: of an area larger than a block serves; block and slot say
                            // nothing
  std::uint64_t handed_out_ns = 0;
  std::uint64_t freed_ns = 0;
  std::uint64_t found_ns = 0;
  unsigned never_used_then = 0;  // slots of the block when the page was freed; 0: a full block
  std::string_view block_now;    // "on its free list", "full", "gone": when it was found
  std::uint64_t flushes = 0;     // that have returned since the free and should have covered it
  std::uint8_t read = 0;         // at the old address
};

// How long a page stayed stale whose block was full when it was freed, or before a flush left it.
// flushes: that returned in that time, the one that ended it among them; 1 is what is promised.
struct Deferral {
  std::uint64_t flushes = 0;
  std::uint64_t ns = 0;     // from the free's return to the probe that found it gone
  std::uint64_t pages = 0;  // of one request, which share the fate
  bool ended = false;       // false: it was stale at the end
  bool window = false;      // the residual window alone has left it stale, no walk
};

struct OracleReport {
  std::uint64_t flushes = 0;
  std::uint64_t freed_pages = 0;
  std::uint64_t probes = 0;           // loads at old addresses
  std::uint64_t probed_at_reuse = 0;  // of these: when the address was handed out again
  // Pages, each counted once for each free and kind.
  std::uint64_t missed = 0;
  std::uint64_t window = 0;
  std::uint64_t reused_unflushed = 0;
  std::uint64_t planted = 0;  // left by the oracle, and not covered by a later flush
  std::uint64_t planted_found = 0;
  std::uint64_t planted_covered = 0;  // by a later flush, before anybody looked
  std::uint64_t windows = 0;          // last frees in whose window a flush took the lazy list
  std::uint64_t handed_out_twice = 0;
  std::uint64_t strange = 0;        // a stale address that did not read the new owner's byte
  std::vector<StaleAlias> first;    // the first few of each kind
  std::vector<Deferral> deferrals;  // where asked for
};

class StaleOracle final : public Shootdown, public AllocatorObserver {
 public:
  struct Options {
    std::uint64_t plant_every = 0;  // every n-th range is not flushed; 0: none
    bool deferrals = false;
    PageAccess access{};
    AllocatorObserver* also = nullptr;  // stands in the residual window too
  };
  // A request from its hand-out to its free.
  struct Lease {
    Range pages;
    std::uint64_t stamp = 0;
    std::uint64_t handed_out_ns = 0;
  };
  // geometry: the allocator's, whose space is in the arena, which begins at a multiple of a block.
  // backend revokes. Arena and backend outlive it.
  StaleOracle(const Arena& arena, const Geometry& geometry, Shootdown& backend,
              const Options& options);
  ~StaleOracle() override;

  // Of what map() has just handed out to the caller.
  Lease lease(const Range& pages) const;
  // Around the call of free() or unmap_ram().
  void about_to_free(const Lease& lease);
  void freed(const Lease& lease, const FreeReport& report);
  // A flush of the allocator whose oracle this is, and a look at what it has promised.
  FlushReport unmap_aliases(VmapAllocator& allocator);

  // When no call is running.
  OracleReport report() const;

  // Shootdown
  int flush(std::span<const Range> ranges) override;
  int map(const Range& range) override;
  Gather gather() const override { return backend_.gather(); }
  int settle() override { return backend_.settle(); }
  // AllocatorObserver
  void block_doomed(Address block_start) override;
  void block_unlocked() override;
  void block_left(Address block_start) override;
  void takes_lazy_list() override;

 private:
  using PageState = OraclePage::State;
  struct Freed;
  struct Promise;

  OraclePage& page_at(Address address) const {
    return pages_[(address - arena_.base()) >> kPageShift];
  }
  std::uint64_t block_number(Address address) const {
    return (address - arena_.base()) / geometry_.block_bytes();
  }
  std::uint64_t ns_since_begin() const;
  std::uint64_t next_serial();
  ProbeResult probe(Address page);
  int flush_or_plant(const Range& range);
  void hand_out(Address page, std::uint64_t stamp);
  void make(Promise* promise);
  void take_back(Promise* promise);
  void look(Promise* promise, const FlushDetail& detail, const VmapAllocator& allocator);
  bool look_at(Freed* freed, Promise* promise, const FlushDetail& detail,
               const VmapAllocator& allocator);
  // What a block's last free has drawn, as it was at one moment; 0: nothing yet.
  struct BlockEnd {
    std::uint64_t doomed;
    std::uint64_t left;
  };
  BlockEnd end_of_block(Address page) const;
  AliasKind kind_of(Address page, const BlockEnd& end, Promise* promise,
                    const FlushDetail& detail) const;
  StaleAlias history(const Freed& freed, Address page, const VmapAllocator& allocator) const;
  void count(const StaleAlias& alias);
  Deferral deferral_of(const Freed& freed, bool gone) const;
  void end(const Freed& freed, bool gone);

  const Arena& arena_;
  const Geometry geometry_;
  Shootdown& backend_;
  const Options options_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::unique_ptr<OraclePage[]> pages_;  // of the arena
  // Serial numbers, by block. doomed_: 0 where it is not doomed; left_: valid where above it.
  std::unique_ptr<std::atomic<std::uint64_t>[]> doomed_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> left_;
  std::atomic<std::uint64_t> stamp_{0};
  std::atomic<std::uint64_t> serial_{0};
  std::uint64_t ranges_seen_ = 0;  // by flush(), whose calls do not overlap
  std::atomic<std::uint64_t> probes_{0};
  std::atomic<std::uint64_t> probed_at_reuse_{0};
  std::atomic<std::uint64_t> strange_{0};

  mutable std::mutex mutex_;         // guards what follows
  std::vector<Freed> pending_;       // freed, awaited by no flush yet
  std::vector<Freed> stale_;         // found stale, to be looked at again after each flush
  std::set<std::uint64_t> windows_;  // that were hit, by the serial number of the block's doom
  OracleReport report_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_ORACLE_H_
