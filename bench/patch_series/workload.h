// Workload: what patch_series_bench does in one round, as a list of operations that is the same for
// every revision.
//
// A round is an untimed part that builds a state, a timed part, and an untimed end after which the
// allocator is empty again: so every round of a case does the same work. For each patch that
// changes something there is the smallest workload that shows it, made large enough to be timed;
// the others mix everything.
#ifndef FLUSHWALK_BENCH_PATCH_SERIES_WORKLOAD_H_
#define FLUSHWALK_BENCH_PATCH_SERIES_WORKLOAD_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "allocator/geometry.h"

namespace flushwalk {

enum class Action : std::uint8_t {
  alloc,          // `pages` for `buffer`, on `queue`
  new_block,      // the same, from a block of its own
  same_block,     // the same, from the block of the buffer `beside`
  free,           // `buffer`; nothing where its allocation has failed
  unmap_aliases,  // a flush
};

struct Operation {
  Action action;
  unsigned queue = 0;
  unsigned pages = 0;
  std::uint32_t buffer = 0;
  std::uint32_t beside = 0;
};

struct Sequence {
  std::vector<Operation> prepare;  // untimed
  std::vector<Operation> timed;
  std::uint32_t buffers = 0;
};

// Whether the timed part calls unmap_aliases.
bool has_flushes(const Sequence& sequence);

struct Workload {
  std::string_view name;
  std::string_view sentence;  // what a round does, and what it shows
  unsigned block_slots;
  std::uint64_t space_blocks;
  std::vector<unsigned> cpus;  // the possible ones
  // pages of each allocation in the timed part; 0: several sizes, or no allocation
  unsigned pages;
  Sequence (*make)(const Workload& workload, const Geometry& geometry);

  PossibleCpus possible_cpus() const { return PossibleCpus(cpus); }
};

// All of them, in the order of the patches; the mixed ones last.
std::span<const Workload> workloads();
// nullptr where there is none of that name.
const Workload* find_workload(std::string_view name);

inline std::string_view name_of(const Workload* workload) { return workload->name; }

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_PATCH_SERIES_WORKLOAD_H_
