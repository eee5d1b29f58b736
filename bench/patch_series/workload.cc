#include "bench/patch_series/workload.h"

#include <algorithm>
#include <random>

namespace flushwalk {
namespace {

// Slots in a block: of a kernel for 16,384 CPUs, the fewest there are, and of a distribution's for
// 8,192.
constexpr unsigned kFewSlots = 128;
constexpr unsigned kSomeSlots = 256;
constexpr std::uint64_t kBlocks = 256;

class SequenceBuilder {
 public:
  // A block of its own with a buffer in it; the others of the block follow with beside().
  std::uint32_t new_block(unsigned queue, unsigned pages) {
    sequence_.prepare.push_back({Action::new_block, queue, pages, sequence_.buffers, 0});
    return sequence_.buffers++;
  }
  std::uint32_t beside(std::uint32_t other, unsigned pages) {
    sequence_.prepare.push_back({Action::same_block, 0, pages, sequence_.buffers, other});
    return sequence_.buffers++;
  }
  void free_before(std::uint32_t buffer) {
    sequence_.prepare.push_back({Action::free, 0, 0, buffer, 0});
  }
  void flush_before() { sequence_.prepare.push_back({Action::unmap_aliases}); }

  std::uint32_t alloc(unsigned queue, unsigned pages) {
    sequence_.timed.push_back({Action::alloc, queue, pages, sequence_.buffers, 0});
    return sequence_.buffers++;
  }
  void free(std::uint32_t buffer) { sequence_.timed.push_back({Action::free, 0, 0, buffer, 0}); }
  void flush() { sequence_.timed.push_back({Action::unmap_aliases}); }

  Sequence take() { return std::move(sequence_); }

 private:
  Sequence sequence_;
};

// p1: every block is fully used, and half of it freed.
Sequence full_blocks(const Workload& workload, const Geometry& /*geometry*/) {
  SequenceBuilder builder;
  for (std::uint64_t i = 0; i < workload.space_blocks; ++i) {
    const std::uint32_t first = builder.new_block(0, 64);
    builder.free_before(builder.beside(first, 64));
  }
  builder.flush();
  return builder.take();
}

// p2: every eighth block is purgeable: nothing in use, and too little left to be kept by p6.
Sequence purgeable_blocks(const Workload& workload, const Geometry& /*geometry*/) {
  SequenceBuilder builder;
  for (std::uint64_t i = 0; i < workload.space_blocks; ++i) {
    const std::uint32_t first = builder.new_block(0, 64);
    const std::uint32_t second = builder.beside(first, 32);
    const std::uint32_t third = builder.beside(first, 16);
    builder.free_before(third);
    if (i % 8 == 0) {
      builder.free_before(first);
      builder.free_before(second);
    }
  }
  builder.flush();
  return builder.take();
}

// p3: every block is dirty, and has been flushed.
Sequence second_flush(const Workload& workload, const Geometry& /*geometry*/) {
  SequenceBuilder builder;
  for (std::uint64_t i = 0; i < workload.space_blocks; ++i) {
    const std::uint32_t first = builder.new_block(0, 32);
    builder.beside(first, 32);
    builder.free_before(first);
  }
  builder.flush_before();
  builder.flush();
  return builder.take();
}

// p4: one slot is left in each block but the last, and two pages are wanted.
Sequence crowded_list(const Workload& workload, const Geometry& /*geometry*/) {
  SequenceBuilder builder;
  for (std::uint64_t i = 0; i + 1 < workload.space_blocks; ++i) {
    const std::uint32_t first = builder.new_block(0, 64);
    for (const unsigned pages : {32U, 16U, 8U, 4U, 2U, 1U}) {
      builder.beside(first, pages);
    }
  }
  builder.new_block(0, 2);
  for (unsigned i = 0; i < 32; ++i) {
    builder.alloc(0, 2);
  }
  return builder.take();
}

// p6: a lone buffer comes and goes, with a flush after each.
Sequence drained_block(const Workload& /*workload*/, const Geometry& /*geometry*/) {
  SequenceBuilder builder;
  // Twelve times eight pages leave the block a quarter of its slots.
  for (unsigned i = 0; i < 12; ++i) {
    builder.free(builder.alloc(0, 8));
    builder.flush();
  }
  return builder.take();
}

// v6.12: as p1, with a CPU that is not possible. The dirty blocks that a hash modulo the number of
// CPUs gives to that CPU lie above the others, where no hull covers them by accident.
Sequence sparse_cpus(const Workload& workload, const Geometry& geometry) {
  const std::uint64_t count = workload.cpus.size();
  SequenceBuilder builder;
  for (std::uint64_t i = 0; i < workload.space_blocks; ++i) {
    const std::uint32_t first =
        builder.new_block(workload.cpus[static_cast<std::size_t>(i % count)], 64);
    const std::uint32_t second = builder.beside(first, 64);
    const Address address = geometry.first_block() + i * geometry.block_bytes();
    const auto hash = static_cast<unsigned>(geometry.hash_input(address) % count);
    const bool lost = !workload.possible_cpus().contains(hash);
    if (lost == (i >= workload.space_blocks / 2)) {
      builder.free_before(second);
    }
  }
  builder.flush();
  return builder.take();
}

// Buffers come and go at random, about `live` of them at a time.
struct Churn {
  unsigned live;
  unsigned operations;
  unsigned frees_per_flush;
};

class Churner {
 public:
  // The generator's sequence is the standard's: the same on every machine.
  Churner(const Workload& workload, const Churn& churn, unsigned seed)
      : workload_(workload), churn_(churn), random_(seed) {}

  Sequence make() {
    for (unsigned i = 0; i < churn_.live; ++i) {
      add(&sequence_.prepare);
    }
    unsigned frees = 0;
    for (unsigned i = 0; i < churn_.operations; ++i) {
      // Back to `live` from either side.
      if (below(2 * churn_.live) >= live_.size()) {
        add(&sequence_.timed);
        continue;
      }
      std::swap(live_[below(static_cast<unsigned>(live_.size()))], live_.back());
      sequence_.timed.push_back({Action::free, 0, 0, live_.back(), 0});
      live_.pop_back();
      if (++frees % churn_.frees_per_flush == 0) {
        sequence_.timed.push_back({Action::unmap_aliases});
      }
    }
    sequence_.timed.push_back({Action::unmap_aliases});
    return std::move(sequence_);
  }

 private:
  unsigned below(unsigned bound) { return static_cast<unsigned>(random_() % bound); }

  void add(std::vector<Operation>* operations) {
    const unsigned queue = workload_.cpus[below(static_cast<unsigned>(workload_.cpus.size()))];
    const unsigned pages = below(2) == 0 ? 1 : 16;
    operations->push_back({Action::alloc, queue, pages, sequence_.buffers, 0});
    live_.push_back(sequence_.buffers++);
  }

  const Workload& workload_;
  const Churn churn_;
  std::mt19937_64 random_;
  Sequence sequence_;
  std::vector<std::uint32_t> live_;
};

Sequence churn(const Workload& workload, const Geometry& /*geometry*/) {
  return Churner(workload, {256, 2048, 64}, 1).make();
}

Sequence nearly_full(const Workload& workload, const Geometry& /*geometry*/) {
  return Churner(workload, {48, 2048, 32}, 2).make();
}

Sequence many_cpus(const Workload& workload, const Geometry& /*geometry*/) {
  return Churner(workload, {64, 2048, 64}, 3).make();
}

std::vector<unsigned> first_cpus(unsigned count) { return PossibleCpus::first(count).list(); }

std::vector<Workload> make_workloads() {
  return {
      {"full_blocks",
       "p1: 256 blocks fully used, half of each freed; one flush. The free lists hold none of them",
       kFewSlots,
       kBlocks,
       {0},
       0,
       full_blocks},
      {"purgeable_blocks",
       "p2: 256 dirty blocks on the free list, every eighth purgeable; one flush. Two walks, or "
       "one",
       kFewSlots,
       kBlocks,
       {0},
       0,
       purgeable_blocks},
      {"second_flush",
       "p3: 256 blocks which are dirty and were flushed just now; one more flush",
       kFewSlots,
       kBlocks,
       {0},
       0,
       second_flush},
      {"crowded_list",
       "p4: 63 blocks with one slot left stand before one with room; 32 times two pages",
       kFewSlots,
       64,
       {0},
       2,
       crowded_list},
      {"drained_block",
       "p6: 12 times: eight pages, freed, and a flush. The block is purged each time, or kept",
       kFewSlots,
       16,
       {0},
       8,
       drained_block},
      {"sparse_cpus",
       "v6.12: 256 blocks fully used, some freed, on a machine without a CPU 1; one flush",
       kFewSlots,
       kBlocks,
       {0, 2, 3},
       0,
       sparse_cpus},
      {"churn",
       "2,048 times a buffer of 1 or 16 pages comes or goes, about 256 live; 64 frees, a flush",
       kSomeSlots,
       256,
       {0},
       0,
       churn},
      {"nearly_full",
       "as churn over 16 queues in an address space of 20 blocks: it reclaims, and may fail",
       kSomeSlots, 20, first_cpus(16), 0, nearly_full},
      {"many_cpus",
       "as churn, about 64 live, each on one of 64 queues at random; a block is often drained",
       kSomeSlots, 1024, first_cpus(64), 0, many_cpus},
  };
}

}  // namespace

bool has_flushes(const Sequence& sequence) {
  return std::any_of(sequence.timed.begin(), sequence.timed.end(), [](const Operation& operation) {
    return operation.action == Action::unmap_aliases;
  });
}

std::span<const Workload> workloads() {
  static const std::vector<Workload> all = make_workloads();
  return all;
}

const Workload* find_workload(std::string_view name) {
  const auto all = workloads();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Workload& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace flushwalk
