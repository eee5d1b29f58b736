#include "bench/thread_answers/rcu_walk.h"

#include <sched.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <random>
#include <thread>

#include "allocator/call_scope.h"
#include "allocator/rcu.h"
#include "allocator/slab_pool.h"
#include "allocator/xarray.h"

namespace flushwalk {
namespace {

constexpr std::uint64_t kIndices = 256;

struct Entry {
  rcu::RetireNode node;  // first
  std::atomic<bool> dead{false};
};

void poison(rcu::RetireNode* node, void* /*context*/) {
  reinterpret_cast<Entry*>(node)->dead.store(true, std::memory_order_relaxed);
}

class WalkBesideWriter {
 public:
  ~WalkBesideWriter() {
    for (std::uint64_t index = 0; index < kIndices; ++index) {
      array_.erase(index);
    }
  }

  RcuWalk run(bool read_section, double seconds) {
    for (std::uint64_t index = 0; index < kIndices; ++index) {
      insert(index);
    }
    std::thread reader([&] { read(read_section); });
    const std::uint64_t erased = write(read_section, seconds);
    stop_ = true;
    const rcu::Offline waiting;
    reader.join();
    seen_.erased = erased;
    return seen_;
  }

 private:
  void insert(std::uint64_t index) { array_.insert(index, &entries_.emplace_back()); }

  void read(bool read_section) {
    while (!stop_) {
      if (read_section) {
        const CallScope scope;
        walk();
      } else {
        // No grace period waits for this thread: it counts as outside of every section.
        const rcu::Offline outside;
        walk();
      }
      ++seen_.walks;
    }
  }
  void walk() {
    array_.for_each([this](std::uint64_t, void* found) {
      sched_yield();  // as an interrupt might: the writer gets its chance on one CPU too
      ++seen_.visited;
      if (static_cast<const Entry*>(found)->dead.load(std::memory_order_relaxed)) {
        ++seen_.dead;
        failed_ = true;
      }
    });
  }

  std::uint64_t write(bool read_section, double seconds) {
    using Clock = std::chrono::steady_clock;
    const auto after = [begin = Clock::now()](double limit) {
      return std::chrono::duration<double>(Clock::now() - begin).count() > limit;
    };
    std::mt19937_64 random(1);
    std::uint64_t erased = 0;
    while (!after(seconds) || (!read_section && !failed_ && !after(seconds + 5))) {
      const std::uint64_t index = random() % kIndices;
      // One entry in each leaf stays, so that entries are retired and never a node.
      if (index % XArray::kSlots != 0) {
        auto* const entry = static_cast<Entry*>(array_.erase(index));
        retired_.add(&entry->node, poison, nullptr);
        insert(index);
        ++erased;
      }
      retired_.release();
      sched_yield();
    }
    return erased;
  }

  SlabPool nodes_{XArray::kNodeBytes};
  rcu::RetireList retired_;
  XArray array_{nodes_.of_queue(0), retired_};
  std::deque<Entry> entries_;  // never freed: a poisoned one can be looked at
  std::atomic<bool> stop_{false};
  std::atomic<bool> failed_{false};
  RcuWalk seen_;  // the reader's, until it has ended
};

}  // namespace

RcuWalk walk_beside_writer(bool read_section, double seconds) {
  return WalkBesideWriter().run(read_section, seconds);
}

}  // namespace flushwalk
