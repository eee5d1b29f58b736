// Case groups: what a bench measures, as the session (session.h) sees it.
//
// A case is one benchmark: a value for each axis. A group holds the cases that are to be compared
// and are therefore sampled in turn in the same repetition. The group is a description, cheap to
// keep by the thousand; its Measurement holds what the cases work on, and only one is in memory at
// a time.
#ifndef FLUSHWALK_BENCH_SUPPORT_CASE_GROUP_H_
#define FLUSHWALK_BENCH_SUPPORT_CASE_GROUP_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "allocator/vmap_allocator.h"
#include "bench/counters/counter_rows.h"
#include "bench/counters/counters.h"
#include "bench/support/bad_input.h"
#include "bench/support/clock.h"
#include "bench/support/measurements.h"
#include "bench/support/shootdown_mechanism.h"
#include "topology/machine.h"
#include "topology/placement.h"

namespace flushwalk {

// What measuring needs. The calling thread is the initiator, pinned already, its memory bound to
// the CPU's NUMA node (placed_cases.h). Everything outlives the measurement.
struct MeasuringContext {
  const Clock& clock;
  const topology::Machine& machine;
  const topology::Placement& placement;  // as many responders as the group wants
  unsigned samples;                      // of each case in a repetition
  const std::atomic<bool>& stop;         // ends a repetition at the next sample
  ShootdownMechanism mechanism = ShootdownMechanism::unknown;  // of shootdowns to the responders
  const Counters* counters = nullptr;                          // null: nothing is counted
  bool oracle = false;     // stale aliases are looked for, too, untimed
  std::uint32_t seed = 1;  // of the order of turns (turn_order.h)
};

// One case in one repetition.
struct CaseOutcome {
  std::vector<MeasurementRow> rows;
  std::vector<CounterRow> counter_rows{};
  // What Google Benchmark shows: as many times as there are samples, and named figures.
  std::vector<double> times_ns;
  std::vector<std::pair<std::string, double>> counters;
};

// Some addresses of pages that were touched: of blocks' descriptors and the xarrays' nodes, and of
// frames.
class MemorySample {
 public:
  void add(const void* address) { addresses_.push_back(address); }
  void add(std::span<const Address> pages) {
    for (const Address page : pages) {
      addresses_.push_back(reinterpret_cast<const void*>(page));
    }
  }
  void add(const VmapAllocator& allocator) {
    for (const SlabPool* pool : {&allocator.block_pool(), &allocator.node_pool()}) {
      for (const void* chunk : pool->chunks()) {
        add(chunk);
      }
    }
  }
  std::span<const void* const> addresses() const { return addresses_; }

 private:
  std::vector<const void*> addresses_;
};

class Measurement {
 public:
  Measurement() = default;
  Measurement(const Measurement&) = delete;
  Measurement& operator=(const Measurement&) = delete;
  virtual ~Measurement() = default;

  // The next repetition of all the group's cases, in their order. Empty, with one line in *error,
  // when one could not be measured or stop was set.
  virtual std::vector<CaseOutcome> measure(unsigned repetition, std::string* error) = 0;

  // Where it lies, the memory of the cases is said to be; empty: nothing is said.
  virtual MemorySample memory() const { return {}; }
};

class CaseGroup {
 public:
  CaseGroup() = default;
  CaseGroup(const CaseGroup&) = delete;
  CaseGroup& operator=(const CaseGroup&) = delete;
  virtual ~CaseGroup() = default;

  // The cases' names, every axis in them as /name:value.
  virtual std::vector<std::string> case_names() const = 0;
  // Leaves the i-th case out.
  virtual void drop_case(std::size_t i) = 0;

  // How CPUs are chosen: a name of topology/placement.h.
  virtual std::string_view placement() const { return topology::kCompact; }
  // Threads with a CPU of their own that it wants beside the initiator.
  virtual unsigned responders() const = 0;
  // The flag that asks for them.
  virtual const char* responders_flag() const { return "--responders"; }
  // Why it cannot be measured here, as far as that can be told without trying; it is asked once for
  // each group.
  virtual std::optional<Problem> why_impossible() const { return std::nullopt; }

  // Builds what the cases work on. nullptr, with one line in *error.
  virtual std::unique_ptr<Measurement> prepare(const MeasuringContext& context,
                                               std::string* error) const = 0;
};

using CaseGroups = std::vector<std::unique_ptr<CaseGroup>>;

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_CASE_GROUP_H_
