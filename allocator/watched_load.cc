#include "allocator/watched_load.h"

#include <chrono>
#include <deque>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "allocator/rcu.h"
#include "allocator/spin_lock.h"

namespace flushwalk {
namespace {

using Lease = WatchedAllocator::Lease;

// Small, so that it is exhausted now and then; before patch 2 never (watched_allocator.h).
constexpr std::uint64_t kSpaceBlocks = 96;
constexpr std::uint64_t kLargeSpaceBlocks = 2048;
constexpr std::size_t kMostHeld = 24;  // requests by one thread
// Operations between two looks at the time, and two releases of what waits for a grace period.
constexpr std::uint64_t kOperationsPerLook = 64;
constexpr std::uint64_t kOperationsPerRelease = 512;

class Budget {
 public:
  Budget(const WatchedLoad& load, const std::atomic<bool>* stop)
      : operations_(load.operations), timed_(load.seconds != 0), stop_(stop) {
    end_ = std::chrono::steady_clock::now() +
           std::chrono::duration_cast<std::chrono::steady_clock::duration>(
               std::chrono::duration<double>(load.seconds));
  }
  bool spent(std::uint64_t operations) const {
    if (operations_ != 0 && operations >= operations_) {
      return true;
    }
    if (operations % kOperationsPerLook != 0) {
      return false;
    }
    return (stop_ != nullptr && stop_->load(std::memory_order_relaxed)) ||
           (timed_ && std::chrono::steady_clock::now() >= end_);
  }

 private:
  std::uint64_t operations_;
  bool timed_;
  const std::atomic<bool>* stop_;
  std::chrono::steady_clock::time_point end_;
};

struct Counts {
  std::uint64_t allocs = 0;
  std::uint64_t failed_allocs = 0;
  std::uint64_t frees = 0;
  std::uint64_t last_frees = 0;
};

// What the threads of a load share.
class Shared {
 public:
  explicit Shared(std::unique_ptr<WatchedAllocator> allocator) : allocator_(std::move(allocator)) {}

  WatchedAllocator& allocator() { return *allocator_; }

  void give_away(const Lease& lease) {
    const std::lock_guard guard(mutex_);
    given_.push_back(lease);
  }
  std::optional<Lease> take_given() {
    const std::lock_guard guard(mutex_);
    if (given_.empty()) {
      return std::nullopt;
    }
    const Lease lease = given_.front();
    given_.pop_front();
    return lease;
  }
  void add(const Counts& counts) {
    const std::lock_guard guard(mutex_);
    total_.allocs += counts.allocs;
    total_.failed_allocs += counts.failed_allocs;
    total_.frees += counts.frees;
    total_.last_frees += counts.last_frees;
  }
  void unmap(const Lease& lease, Counts* counts) {
    const FreeReport report = allocator_->unmap(lease);
    ++counts->frees;
    counts->last_frees += report.block_freed ? 1 : 0;
    if (report.drain) {
      allocator_->drain();
    }
  }

  template <class Work>
  void run(const WatchedLoad& load, Work&& work) {
    std::vector<std::thread> team;
    for (unsigned i = 0; i < load.threads; ++i) {
      team.emplace_back([&work, &load, i] {
        if (load.begin_thread) {
          load.begin_thread(i);
        }
        work(i);
      });
    }
    const rcu::Offline waiting;
    for (std::thread& thread : team) {
      thread.join();
    }
  }

  // The end of a load, by one thread: all is free, and has been flushed. What was still stale
  // before counts as a deferral without an end.
  WatchedOutcome finish() {
    std::vector<Deferral> deferrals = allocator_->oracle().report().deferrals;
    for (const Lease& lease : std::exchange(held_, {})) {
      unmap(lease, &total_);
    }
    for (const Lease& lease : std::exchange(given_, {})) {
      unmap(lease, &total_);
    }
    allocator_->unmap_aliases();
    allocator_->reclaim();
    allocator_->unmap_aliases();
    allocator_->allocator().release_retired();
    WatchedOutcome outcome{.oracle = allocator_->oracle().report(),
                           .allocs = total_.allocs,
                           .failed_allocs = total_.failed_allocs,
                           .frees = total_.frees,
                           .last_frees = total_.last_frees,
                           .lost_live_pages = allocator_->lost_live_pages(),
                           .system_errno = allocator_->system_errno()};
    outcome.oracle.deferrals = std::move(deferrals);
    return outcome;
  }
  // Left by a thread for finish().
  void leave(const std::vector<Lease>& leases) {
    const std::lock_guard guard(mutex_);
    held_.insert(held_.end(), leases.begin(), leases.end());
  }

 private:
  std::unique_ptr<WatchedAllocator> allocator_;
  SpinLock mutex_;
  std::deque<Lease> given_;
  std::vector<Lease> held_;
  Counts total_;
};

std::unique_ptr<WatchedAllocator> make_allocator(const WatchedLoad& load, std::string* error) {
  VmapAllocator::Options options = load.allocator;
  options.space_blocks = options.revision->purge_in_walk ? kSpaceBlocks : kLargeSpaceBlocks;
  options.lazy_max_pages = std::uint64_t{8} * options.geometry.slots();
  options.cpus = PossibleCpus::first(std::max(load.threads, options.cpus.count()));
  return WatchedAllocator::create(options, load.backend, load.watch, error);
}

// One thread of the mixed load.
class Mixer {
 public:
  Mixer(const WatchedLoad& load, unsigned thread, Shared& shared)
      : load_(load), queue_(thread), shared_(shared), random_(load.seed * 1000 + thread) {}

  void work(const Budget& budget) {
    for (std::uint64_t i = 1; !budget.spent(i); ++i) {
      if (random_() % 2 == 0) {
        alloc();
      } else {
        free();
      }
      if (random_() % 512 == 0) {
        something_rare();
      }
      if (queue_ == 0 && i % kOperationsPerRelease == 0) {
        shared_.allocator().allocator().release_retired();
      }
    }
    shared_.leave(held_);
    shared_.add(counts_);
  }

 private:
  void alloc() {
    if (held_.size() >= kMostHeld) {
      return;
    }
    std::uint64_t pages = load_.pages;
    if (pages == 0) {
      // Small, any that a block serves, or more than that.
      const std::uint64_t kind = random_() % 32;
      pages = kind < 16 ? 1 + random_() % 4 : kind < 31 ? 1 + random_() % 64 : 65 + random_() % 64;
    }
    if (const auto lease = shared_.allocator().map(queue_, pages)) {
      held_.push_back(*lease);
      ++counts_.allocs;
    } else {
      ++counts_.failed_allocs;
    }
  }

  void free() {
    if (const auto given = shared_.take_given()) {
      shared_.unmap(*given, &counts_);
    } else if (!held_.empty()) {
      std::swap(held_[random_() % held_.size()], held_.back());
      const Lease lease = held_.back();
      held_.pop_back();
      if (random_() % 8 == 0) {
        shared_.give_away(lease);
        return;
      }
      shared_.unmap(lease, &counts_);
    } else {
      return;
    }
    if (random_() % load_.flush_every == 0) {
      shared_.allocator().unmap_aliases();
    }
  }

  void something_rare() {
    WatchedAllocator& allocator = shared_.allocator();
    switch (random_() % 3) {
      case 0:
        allocator.purge(queue_);
        break;
      case 1:
        allocator.drain();
        break;
      default:
        allocator.reclaim();
        break;
    }
  }

  const WatchedLoad& load_;
  const unsigned queue_;
  Shared& shared_;
  std::mt19937_64 random_;
  std::vector<Lease> held_;
  Counts counts_;
};

// Fills a block with X and Y and frees Y: a page that any flush from now on must cover. Then, at a
// random moment of the flush that has promised it, X: the block's last free.
class LastFreer {
 public:
  LastFreer(const WatchedLoad& load, unsigned thread, Shared& shared,
            const std::atomic<std::uint64_t>& flushes, const std::atomic<bool>& flushing)
      : queue_(thread),
        shared_(shared),
        flushes_(flushes),
        flushing_(flushing),
        random_(load.seed * 1000 + thread),
        half_(load.allocator.geometry.slots() / 2) {}

  void work(const Budget& budget) {
    for (std::uint64_t i = 1; !budget.spent(i * kOperationsPerLook); ++i) {
      const auto x = shared_.allocator().map(queue_, half_);
      const auto y = shared_.allocator().map(queue_, half_);
      wait_for_a_flush();
      if (!x || !y) {
        counts_.failed_allocs += 1;
        continue;
      }
      counts_.allocs += 2;
      shared_.unmap(*y, &counts_);
      for (std::uint64_t spins = random_() % kMostSpins; spins != 0; --spins) {
        cpu_relax();
      }
      shared_.unmap(*x, &counts_);
      wait_for_a_flush();
      wait_for_a_flush();
      // Seldom: a grace period can take 10 ms.
      if (queue_ == 0 && i % kOperationsPerRelease == 0) {
        shared_.allocator().allocator().release_retired();
      }
    }
    shared_.add(counts_);
  }

 private:
  static constexpr std::uint64_t kMostSpins = 64;

  void wait_for_a_flush() const {
    const rcu::Offline waiting;
    const std::uint64_t before = flushes_;
    while (flushes_ == before && flushing_) {
      sched_yield();
    }
  }

  const unsigned queue_;
  Shared& shared_;
  const std::atomic<std::uint64_t>& flushes_;
  const std::atomic<bool>& flushing_;
  std::mt19937_64 random_;
  const std::uint64_t half_;
  Counts counts_;
};

}  // namespace

std::optional<WatchedOutcome> run_mixed_load(const WatchedLoad& load, const std::atomic<bool>* stop,
                                             std::string* error) {
  auto allocator = make_allocator(load, error);
  if (allocator == nullptr) {
    return std::nullopt;
  }
  Shared shared(std::move(allocator));
  const Budget budget(load, stop);
  shared.run(load, [&](unsigned thread) { Mixer(load, thread, shared).work(budget); });
  return shared.finish();
}

std::optional<WatchedOutcome> provoke_window(const WatchedLoad& load, const std::atomic<bool>* stop,
                                             std::string* error) {
  auto allocator = make_allocator(load, error);
  if (allocator == nullptr) {
    return std::nullopt;
  }
  Shared shared(std::move(allocator));
  const Budget budget(load, stop);
  std::atomic<std::uint64_t> flushes{0};
  std::atomic<bool> flushing{true};
  std::atomic<unsigned> freeing{load.threads - 1};
  shared.run(load, [&](unsigned thread) {
    if (thread + 1 < load.threads) {
      LastFreer(load, thread, shared, flushes, flushing).work(budget);
      --freeing;
      return;
    }
    while (freeing != 0) {
      shared.allocator().unmap_aliases();
      ++flushes;
    }
    flushing = false;
  });
  return shared.finish();
}

bool is_complete(const WatchedOutcome& outcome, LastFree last_free) {
  const OracleReport& seen = outcome.oracle;
  return seen.missed == 0 && seen.reused_unflushed == 0 && seen.handed_out_twice == 0 &&
         seen.strange == 0 && seen.planted_found == seen.planted && outcome.lost_live_pages == 0 &&
         outcome.system_errno == 0 && (last_free != LastFree::closed_window || seen.window == 0);
}

}  // namespace flushwalk
