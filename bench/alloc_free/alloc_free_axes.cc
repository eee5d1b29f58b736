#include "bench/alloc_free/alloc_free_axes.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "allocator/geometry.h"
#include "bench/support/axis_reader.h"

namespace flushwalk {

// For AxisReader, which finds it by its argument's namespace.
static std::string_view name_of(const Behaviors* revision) { return revision->name; }

std::string_view name_of(Freeing freeing) {
  return freeing == Freeing::same_cpu ? "same_cpu" : "other_cpu";
}

std::string_view name_of(Flusher flusher) {
  return flusher == Flusher::none ? "none" : "unmap_aliases";
}

namespace {

constexpr Freeing kFreeings[] = {Freeing::same_cpu, Freeing::other_cpu};
constexpr Flusher kFlushers[] = {Flusher::none, Flusher::unmap_aliases};

struct Lists {
  std::vector<unsigned> threads, queues, pages, other_blocks, other_full, flush_every;
  std::vector<std::optional<Walk>> walks;
  std::vector<LastFree> last_frees;
  std::vector<const Behaviors*> revisions;
  std::vector<Freeing> freeings;
  std::vector<Flusher> flushers;
};

std::optional<Problem> read_lists(const AllocFreeTexts& texts, Lists* lists) {
  AxisReader reader;
  std::vector<const Behaviors*> all;
  for (const Behaviors& revision : revisions()) {
    all.push_back(&revision);
  }
  reader.numbers("--threads", texts.threads, 1U, kMostAllocFreeThreads, &lists->threads);
  reader.numbers("--queues", texts.queues, 1U, kMostStripes, &lists->queues);
  reader.numbers("--pages", texts.pages, 1U, kMaxAllocPages, &lists->pages);
  reader.names("--revision", texts.revision, all, &lists->revisions);
  reader.names("--freeing", texts.freeing, kFreeings, &lists->freeings);
  reader.names("--flusher", texts.flusher, kFlushers, &lists->flushers);
  reader.numbers("--other-blocks", texts.other_blocks, 0U, kMostOtherBlocks, &lists->other_blocks);
  reader.numbers("--other-full", texts.other_full, 0U, 100U, &lists->other_full);
  reader.numbers("--flush-every", texts.flush_every, 0U, kMostFlushEvery, &lists->flush_every);
  reader.names("--last-free", texts.last_free, kLastFrees, &lists->last_frees);
  if (texts.walk.empty()) {
    lists->walks = {std::nullopt};
  } else {
    std::vector<Walk> walks;
    reader.names("--walk", texts.walk, kWalks, &walks);
    lists->walks.assign(walks.begin(), walks.end());
  }
  return reader.problem();
}

// Combinations that mean nothing are refused, not left out: who asked for them would look for their
// rows.
std::optional<Problem> why_meaningless(const AllocFreeAxes& axes, const Lists& lists) {
  if (axes.freeing == Freeing::other_cpu && axes.threads < 2) {
    return Problem{"--freeing",
                   "other_cpu needs a second thread; --threads must be 2 or more with it"};
  }
  const unsigned fewest = *std::min_element(lists.queues.begin(), lists.queues.end());
  if (axes.other_blocks != 0 && fewest <= axes.threads) {
    return Problem{"--other-blocks",
                   fmt::format("{} blocks in queues of no thread need more queues than threads; "
                               "--queues must be {} or more with {} of --threads",
                               axes.other_blocks, axes.threads + 1, axes.threads)};
  }
  return std::nullopt;
}

std::optional<Problem> why_meaningless(const AllocFreeRival& rival) {
  if (rival.walk && !can_walk(*rival.revision, *rival.walk)) {
    return Problem{"--walk",
                   fmt::format("{} needs a revision that resets what a flush has collected, p3 or "
                               "later; {} does not",
                               name_of(*rival.walk), rival.revision->name)};
  }
  return std::nullopt;
}

std::vector<AllocFreeAxes> combinations(const Lists& lists) {
  std::vector<AllocFreeAxes> all;
  for (const unsigned threads : lists.threads) {
    for (const unsigned pages : lists.pages) {
      for (const Freeing freeing : lists.freeings) {
        for (const Flusher flusher : lists.flushers) {
          for (const unsigned other_blocks : lists.other_blocks) {
            for (const unsigned other_full : lists.other_full) {
              for (const unsigned flush_every : lists.flush_every) {
                all.push_back(
                    {threads, pages, freeing, flusher, other_blocks, other_full, flush_every});
              }
            }
          }
        }
      }
    }
  }
  return all;
}

}  // namespace

std::variant<std::vector<AllocFreeGroup>, Problem> make_alloc_free_groups(
    const AllocFreeTexts& texts) {
  Lists lists;
  if (const auto problem = read_lists(texts, &lists)) {
    return *problem;
  }
  std::vector<AllocFreeRival> rivals;
  for (const unsigned queues : lists.queues) {
    for (const Behaviors* const revision : lists.revisions) {
      for (const std::optional<Walk> walk : lists.walks) {
        for (const LastFree last_free : lists.last_frees) {
          rivals.push_back({revision, queues, walk, last_free});
          if (const auto problem = why_meaningless(rivals.back())) {
            return *problem;
          }
        }
      }
    }
  }
  std::vector<AllocFreeGroup> groups;
  for (const AllocFreeAxes& axes : combinations(lists)) {
    if (const auto problem = why_meaningless(axes, lists)) {
      return *problem;
    }
    groups.push_back({axes, rivals});
  }
  return groups;
}

// The last four stand in the name only where they are used.
std::string case_name(const AllocFreeAxes& axes, const AllocFreeRival& rival) {
  std::string name = fmt::format(
      "alloc_free/threads:{}/queues:{}/pages:{}/revision:{}/freeing:{}/flusher:{}/other_blocks:{}",
      axes.threads, rival.queues, axes.pages, rival.revision->name, name_of(axes.freeing),
      name_of(axes.flusher), axes.other_blocks);
  if (axes.other_full != 0) {
    name += fmt::format("/other_full:{}", axes.other_full);
  }
  if (axes.flush_every != 0) {
    name += fmt::format("/flush_every:{}", axes.flush_every);
  }
  if (rival.walk) {
    name += fmt::format("/walk:{}", name_of(*rival.walk));
  }
  if (rival.last_free != LastFree::lazy) {
    name += fmt::format("/last_free:{}", name_of(rival.last_free));
  }
  return name;
}

std::string alloc_free_axes_help() {
  return fmt::format(
      "Axes:\n"
      "  --threads       1..{}: threads that allocate and free, each on a CPU of its own\n"
      "  --queues        1..{}: stripes; thread t allocates from queue t mod queues\n"
      "  --pages         1..{}: pages of an allocation\n"
      "  --revision      {}\n"
      "  --freeing       same_cpu: the thread that allocated frees\n"
      "                  other_cpu: the next thread frees (2 threads or more)\n"
      "  --flusher       none\n"
      "                  unmap_aliases: one more thread flushes without a pause (one more CPU)\n"
      "  --other-blocks  0..{}: live blocks in queues of no thread (more queues than threads)\n"
      "  --other-full    0..100: percent of them fully used\n"
      "  --flush-every   0..{}: pairs after which a thread flushes itself; 0: never\n"
      "  --walk          how a flush finds dirty blocks, and what a free keeps up for it:\n"
      "                  {}\n"
      "  --last-free     what a block's last free does with its addresses:\n"
      "                  lazy: the kernel's way, with the residual window\n"
      "                  closed_window: onto the lazy list before it drops the block's lock\n"
      "                  direct_return: UNSAFE, back to the free space if it was flushed before\n"
      "Metrics:\n"
      "  pair_time                 ns, each thread: an alloc and a free, from batches of pairs\n"
      "  alloc_time, free_time     ns, each thread: single calls, the clock's overhead included\n"
      "  throughput                operations/s: pairs of all threads while all of them ran\n"
      "  lock_wait_KIND            ns a pair, all threads: waited for locks of block, queue,\n"
      "                            xarray, memory, address_space\n"
      "  exchange_wait             ns a pair, all threads: waited for the other thread's address\n"
      "  flush_time                ns, the flusher: a flush beside the threads\n"
      "  memory_per_block          bytes: descriptor, area and share of xarray nodes of a block\n"
      "  node_memory_per_block     bytes: the share of xarray nodes alone\n",
      kMostAllocFreeThreads, kMostStripes, kMaxAllocPages, revision_names(), kMostOtherBlocks,
      kMostFlushEvery, walk_names());
}

}  // namespace flushwalk
