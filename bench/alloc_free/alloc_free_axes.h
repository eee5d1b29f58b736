// Alloc-free axes: the cases of alloc_free_bench, from what the command line asks for.
//
// Cases that differ in revision, walk, last free or number of queues form a group: each of these
// rivals has an allocator of its own, and their samples are taken in turn. What differs between
// groups is what the threads do. The revisions need the turns because they differ by percents; the
// queues are in the same group because what striping buys is the question, and a ratio within pairs
// answers it on a machine that drifts.
#ifndef FLUSHWALK_BENCH_ALLOC_FREE_ALLOC_FREE_AXES_H_
#define FLUSHWALK_BENCH_ALLOC_FREE_ALLOC_FREE_AXES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "allocator/revision.h"
#include "bench/support/bad_input.h"

namespace flushwalk {

enum class Freeing {
  same_cpu,   // the thread that allocated
  other_cpu,  // the next thread, which has a CPU of its own
};
enum class Flusher {
  none,
  unmap_aliases,  // one further thread flushes without a pause
};

std::string_view name_of(Freeing freeing);
std::string_view name_of(Flusher flusher);

inline constexpr unsigned kMostAllocFreeThreads = 1024;
inline constexpr unsigned kMostStripes = 1024;
inline constexpr unsigned kMostOtherBlocks = 1 << 20;
inline constexpr unsigned kMostFlushEvery = 1 << 20;

// What is common to the cases of a group.
struct AllocFreeAxes {
  unsigned threads = 1;
  unsigned pages = 1;
  Freeing freeing = Freeing::same_cpu;
  Flusher flusher = Flusher::none;
  unsigned other_blocks = 0;  // live, in queues that no thread allocates from
  unsigned other_full = 0;    // percent of them fully used
  unsigned flush_every = 0;   // pairs of a thread, after which it flushes itself; 0: never

  // CPUs beside the first thread's.
  unsigned other_cpus() const { return threads - 1 + (flusher == Flusher::none ? 0 : 1); }
};

struct AllocFreeRival {
  const Behaviors* revision;
  unsigned queues;
  std::optional<Walk> walk{};  // unset: the revision's
  LastFree last_free = LastFree::lazy;
};

struct AllocFreeGroup {
  AllocFreeAxes axes;
  std::vector<AllocFreeRival> rivals;
};

// The flags' texts: comma separated lists.
struct AllocFreeTexts {
  std::string threads = "1";
  std::string queues = "1,2,4,8,16,32,64,128,256,512,1024";
  std::string pages = "1,4,16,64";
  std::string revision = "v6.12";
  std::string freeing = "same_cpu";
  std::string flusher = "none";
  std::string other_blocks = "0";
  std::string other_full = "0";
  std::string flush_every = "0";
  std::string walk;  // empty: the revision's
  std::string last_free = "lazy";
};

// Every combination. A Problem names the flag, the value and what is allowed.
std::variant<std::vector<AllocFreeGroup>, Problem> make_alloc_free_groups(
    const AllocFreeTexts& texts);

// "alloc_free/threads:2/queues:1/pages:1/...".
std::string case_name(const AllocFreeAxes& axes, const AllocFreeRival& rival);

// Each axis with its values, and each metric: what --list-axes prints.
std::string alloc_free_axes_help();

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_ALLOC_FREE_ALLOC_FREE_AXES_H_
