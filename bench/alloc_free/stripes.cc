#include "bench/alloc_free/stripes.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>

#include "allocator/area_tree.h"
#include "allocator/slab_pool.h"

namespace flushwalk {
namespace {

// Threads may drift apart by this many pairs, some 10 us, before one waits for the other.
constexpr unsigned kHandedOverAhead = 128;
constexpr std::size_t kRingCapacity = 4 * kHandedOverAhead;

// More than all threads use up between two settlings, so that no allocation has to reclaim.
constexpr std::uint64_t kSpaceBlocks = std::uint64_t{1} << 20;

VmapAllocator::Options options_of(const AllocFreeAxes& axes, const AllocFreeRival& rival) {
  VmapAllocator::Options options;
  options.space_blocks = kSpaceBlocks + axes.other_blocks;
  options.cpus = PossibleCpus::first(rival.queues);
  options.revision = rival.revision;
  options.walk = rival.walk;
  options.last_free = rival.last_free;
  options.lazy_max_pages = kernel_lazy_max_pages(axes.threads);
  return options;
}

}  // namespace

Stripes::Stripes(const AllocFreeAxes& axes, const AllocFreeRival& rival, const Clock& clock)
    : allocator_(options_of(axes, rival)) {
  const bool exchange = axes.freeing == Freeing::other_cpu;
  for (unsigned t = 0; exchange && t < axes.threads; ++t) {
    rings_.push_back(std::make_unique<ExchangeRing>(kRingCapacity));
  }
  // Thread t hands over to t + 1; with two threads each is the other's.
  for (unsigned t = 0; t < axes.threads; ++t) {
    ExchangeRing* const to = exchange ? rings_[t].get() : nullptr;
    ExchangeRing* const from =
        exchange ? rings_[(t + axes.threads - 1) % axes.threads].get() : nullptr;
    loops_.emplace_back(clock, allocator_, t % rival.queues, axes.pages, to, from,
                        axes.flush_every);
  }
}

std::unique_ptr<Stripes> Stripes::build(const AllocFreeAxes& axes, const AllocFreeRival& rival,
                                        const Clock& clock, std::string* error) {
  std::unique_ptr<Stripes> made(new Stripes(axes, rival, clock));
  if (!made->add_other_blocks(axes, rival.queues, error)) {
    return nullptr;
  }
  for (PairLoop& loop : made->loops_) {
    loop.hand_over_ahead(kHandedOverAhead);
  }
  return made;
}

// All of a full block or one page of another is in use, so that no flush purges them.
bool Stripes::add_other_blocks(const AllocFreeAxes& axes, unsigned queues, std::string* error) {
  if (axes.other_blocks == 0) {
    return true;
  }
  const unsigned others = queues - axes.threads;
  for (unsigned i = 0; i < axes.other_blocks; ++i) {
    AllocReport report = allocator_.alloc_new_block(axes.threads + i % others, 1);
    const bool full = (i + 1) * axes.other_full / 100 != i * axes.other_full / 100;
    while (full && report.error == Error::none && report.free != 0) {
      const unsigned pages = std::min(std::bit_floor(report.free), kMaxAllocPages);
      report = allocator_.alloc_in_block(report.address, pages);
    }
    if (report.error != Error::none) {
      *error = fmt::format("no memory for {} blocks", axes.other_blocks);
      return false;
    }
  }
  const auto bytes = [](const SlabPool& pool) {
    return static_cast<double>(pool.in_use() * pool.object_bytes());
  };
  const SlabPool areas(sizeof(VmapArea));  // as the address space takes them, one for each block
  memory_.nodes = bytes(allocator_.node_pool()) / axes.other_blocks;
  memory_.all = memory_.nodes + bytes(allocator_.block_pool()) / axes.other_blocks +
                static_cast<double>(areas.object_bytes());
  return true;
}

void Stripes::give_back() {
  for (PairLoop& loop : loops_) {
    loop.free_exchanged();
  }
  settle();
}

}  // namespace flushwalk
