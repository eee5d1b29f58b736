// Replay: performs a trace on an allocator of one revision and answers each operation with one JSON
// object: what the allocator did, in the form of the recorded answers of the kernel. Page numbers
// are relative to the first block.
#ifndef FLUSHWALK_ALLOCATOR_REPLAY_H_
#define FLUSHWALK_ALLOCATOR_REPLAY_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "allocator/ledger.h"
#include "allocator/trace.h"
#include "allocator/vmap_allocator.h"

namespace flushwalk {

// What a whole trace came to, in one revision.
struct ReplaySummary {
  std::uint64_t visited = 0;      // blocks looked at: by allocs, flush walks and purges
  std::uint64_t block_locks = 0;  // taken by the same
  std::uint64_t ranges = 0;       // dirty ranges collected
  std::uint64_t flushes = 0;
  std::uint64_t flushed_pages = 0;
  std::uint64_t purged = 0;    // blocks
  std::uint64_t created = 0;   // blocks
  std::uint64_t failures = 0;  // allocs
  std::uint64_t unmap_aliases = 0;
  std::uint64_t incomplete = 0;        // calls of unmap_aliases that left something stale
  std::uint64_t stale_pages_left = 0;  // by those, added up
};

// What a replay may have that no kernel has.
struct ReplayVariation {
  std::optional<Walk> walk{};  // unset: the revision's
  Check check = Check::locked;
  IndexLayout layout = IndexLayout::kernel;
};

class Replay : private AllocatorObserver {
 public:
  using Json = nlohmann::ordered_json;

  // A walk that needs more than the revision does must not be asked of it (VmapAllocator::Options).
  Replay(const TraceSetup& setup, const Behaviors& revision, const ReplayVariation& variation = {});

  // Performs one operation. `reader` tells where it stands, for errors: a double free, a free of a
  // name that was never allocated, an alloc of a name in use, a free_racing that is not its block's
  // last free throw TraceError.
  Json perform(const TraceOperation& operation, const TraceReader& reader);

  const ReplaySummary& summary() const { return summary_; }
  VmapAllocator& allocator() { return allocator_; }

 private:
  struct Allocation {
    Address address;
    unsigned pages;
  };

  void block_unlocked() override;
  Json alloc(const TraceOperation& operation, const TraceReader& reader);
  Json free(const TraceOperation& operation, const TraceReader& reader);
  Json unmap_aliases(const TraceOperation& operation);
  Json purge(const TraceOperation& operation);
  Json reclaim();
  Json drain();
  Json state();

  void count(const FlushReport& report);
  void add_purge(Json* answer, const FlushDetail& detail) const;
  Json lazy(const FlushDetail& detail) const;
  Json flushes(const FlushDetail& detail) const;
  std::int64_t page(Address address) const;
  std::uint64_t slot(Address block_start) const;

  Ledger ledger_;
  VmapAllocator allocator_;
  std::unordered_map<std::string, Allocation> live_;
  std::unordered_set<std::string> failed_;  // names whose alloc failed, until they are freed
  std::uint64_t performed_ = 0;
  ReplaySummary summary_;
  const Allocation* racing_ = nullptr;  // being freed, with an unmap_aliases in the residual window
  Json race_;                           // what that one saw
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_REPLAY_H_
