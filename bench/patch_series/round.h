// Round: one round of a workload on an allocator of one revision: prepared, timed, and undone.
#ifndef FLUSHWALK_BENCH_PATCH_SERIES_ROUND_H_
#define FLUSHWALK_BENCH_PATCH_SERIES_ROUND_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "allocator/arena.h"
#include "allocator/flush_plan.h"
#include "allocator/ledger.h"
#include "allocator/revision.h"
#include "allocator/shootdown.h"
#include "allocator/vmap_allocator.h"
#include "bench/patch_series/workload.h"
#include "bench/support/clock.h"
#include "bench/support/gap_matching.h"

namespace flushwalk {

// What the timed part of a round did.
struct RoundCounts {
  std::uint64_t operations = 0;
  std::uint64_t visited = 0;  // by allocations, flushes and purges
  std::uint64_t block_locks = 0;
  std::uint64_t dirty_blocks = 0;
  std::uint64_t purged = 0;
  std::uint64_t created = 0;
  std::uint64_t failed_allocs = 0;
  std::uint64_t flushes = 0;
  std::uint64_t flushed_pages = 0;

  friend bool operator==(const RoundCounts&, const RoundCounts&) = default;
};

struct RoundTimes {
  Ticks round = 0;
  Ticks flush = 0;  // its calls of unmap_aliases
};

// The backend as a round uses it: real while it is armed, which is in the timed part. Each flush is
// noted with its time, and followed by a settle(), so that every flush takes one system call; that
// is no part of the kernel's flush, and excluded() says how long it took.
class RoundShootdown final : public Shootdown {
 public:
  RoundShootdown(const Clock& clock, Shootdown& backend) : clock_(clock), backend_(backend) {}

  // Until disarm(): flushes are appended to *windows, which has room.
  void arm(std::vector<ShootdownWindow>* windows) {
    windows_ = windows;
    excluded_ = 0;
  }
  void disarm() { windows_ = nullptr; }

  int flush(std::span<const Range> ranges) override;
  int map(const Range& /*range*/) override { return 0; }
  Ticks excluded() const { return excluded_; }

 private:
  const Clock& clock_;
  Shootdown& backend_;
  std::vector<ShootdownWindow>* windows_ = nullptr;
  Ticks excluded_ = 0;
};

// The allocator that a workload runs on, at the kernel's addresses, without memory.
VmapAllocator::Options series_options(const Workload& workload, const Behaviors& revision);

class Rounds {
 public:
  // The workload on an empty allocator; first_block: where its addresses begin. shootdown and
  // ledger may be null and outlive it. Sequence and workload outlive it too.
  Rounds(const Workload& workload, const Sequence& sequence, const Behaviors& revision,
         Address first_block, Shootdown* shootdown, Ledger* ledger);

  // The untimed part before. False: an allocation of it failed.
  bool prepare();
  // The timed part; *counts is what it did. excluding: whose excluded() time does not count; may be
  // null. Allocates nothing from the second round on.
  RoundTimes run(const Clock& clock, const RoundShootdown* excluding, RoundCounts* counts);
  // The untimed part after: frees all that is in use and purges what is left.
  void finish();

  // Of the last run(): the errno of a shootdown that failed, or 0; and, with a ledger, the pages
  // that its flushes left stale, added up.
  int system_errno() const { return system_errno_; }
  std::uint64_t stale_pages() const { return stale_pages_; }
  VmapAllocator& allocator() { return allocator_; }
  const VmapAllocator& allocator() const { return allocator_; }

 private:
  struct Buffer {
    Address address;
    unsigned pages;
  };

  void perform(const Operation& operation, RoundCounts* counts);
  void keep(const Operation& operation, const AllocReport& report, RoundCounts* counts);
  void count(const FlushReport& report, RoundCounts* counts);

  const Sequence& sequence_;
  Ledger* ledger_;
  VmapAllocator allocator_;
  FlushPlan plan_{Gather::hull};
  std::vector<Buffer> buffers_;
  int system_errno_ = 0;
  std::uint64_t stale_pages_ = 0;
};

// What there is to know of a workload under a revision before it is timed, from untimed rounds.
struct Survey {
  RoundCounts counts;
  std::uint64_t stale_slots = 0;
  std::vector<Range> ranges;  // that the timed part flushes, in their order
};

// Empty *error: it could be made.
Survey survey(const Workload& workload, const Sequence& sequence, const Behaviors& revision,
              Address first_block, std::string* error);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_PATCH_SERIES_ROUND_H_
