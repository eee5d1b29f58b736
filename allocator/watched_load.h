// Watched loads: threads that use a watched allocator until a time or a number of operations is
// over: what the oracle looks at.
//
//   run_mixed_load   everything at random from all threads: requests of 1 to 64 pages and larger
//                    ones, frees, also of what another thread allocated, flushes, purges, drains
//   provoke_window   the residual window: threads fill blocks and free them, each block's last free
//                    at a random moment while one thread flushes without a pause
#ifndef FLUSHWALK_ALLOCATOR_WATCHED_LOAD_H_
#define FLUSHWALK_ALLOCATOR_WATCHED_LOAD_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "allocator/watched_allocator.h"

namespace flushwalk {

struct WatchedLoad {
  // What the allocator is; slots are the geometry's, the address space is the load's own choice.
  VmapAllocator::Options allocator;
  ShootdownKind backend = ShootdownKind::guard;
  StaleOracle::Options watch;
  unsigned threads = 2;  // each with a queue of its own; provoke_window: 2 or more
  // Whichever is over first; 0: no such bound (one of them must be there).
  double seconds = 0;
  std::uint64_t operations = 0;  // of each thread
  std::uint64_t seed = 1;
  unsigned pages = 0;                            // of each request; 0: several sizes
  std::function<void(unsigned)> begin_thread{};  // called first by each thread, with its number
  unsigned flush_every = 48;                     // frees of a thread, on average
};

struct WatchedOutcome {
  OracleReport oracle;
  std::uint64_t allocs = 0;
  std::uint64_t failed_allocs = 0;  // no address space
  std::uint64_t frees = 0;
  std::uint64_t last_frees = 0;  // of a block
  std::uint64_t lost_live_pages = 0;
  int system_errno = 0;
};

// nullopt, with one line in *error, where the allocator cannot be made. stop: ends it early; may be
// null.
std::optional<WatchedOutcome> run_mixed_load(const WatchedLoad& load, const std::atomic<bool>* stop,
                                             std::string* error);
std::optional<WatchedOutcome> provoke_window(const WatchedLoad& load, const std::atomic<bool>* stop,
                                             std::string* error);

// Whether what is promised was kept: no page missed or handed out unflushed, none in use lost, all
// that was planted found, and no page left by a closed window.
bool is_complete(const WatchedOutcome& outcome, LastFree last_free);

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_WATCHED_LOAD_H_
