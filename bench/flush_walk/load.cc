#include "bench/flush_walk/load.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <new>
#include <random>

#include "bench/support/mapping_limit.h"

namespace flushwalk {
namespace {

// What one entry of the page tables' third level covers.
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
// Pages in use that responders read.
constexpr unsigned kLivePages = 16;

std::uint64_t full_blocks(const LoadShape& shape) {
  return shape.blocks * shape.full_percent / 100;
}

// True for `percent` of all i, evenly spread; for the i-th of a class.
bool picked(std::uint64_t i, unsigned percent) {
  return (i + 1) * percent / 100 != i * percent / 100;
}

bool is_dirty(const LoadShape& shape, std::uint64_t block) {
  const std::uint64_t full = full_blocks(shape);
  if (block < full) {
    return shape.spread == Spread::even && picked(block, shape.dirty_percent);
  }
  return picked(block - full, shape.dirty_percent);
}

// The highest dirty block; 0 without any.
std::uint64_t anchor_block(const LoadShape& shape) {
  std::uint64_t anchor = shape.blocks - 1;
  while (anchor != 0 && !is_dirty(shape, anchor)) {
    --anchor;
  }
  return anchor;
}

// How far above a GiB the first block has to lie for the anchor to begin a GiB.
std::uint64_t first_block_offset(const LoadShape& shape, std::uint64_t block_bytes) {
  return (kGiB - anchor_block(shape) * block_bytes % kGiB) % kGiB;
}

}  // namespace

std::string_view name_of(Spread spread) { return spread == Spread::even ? "even" : "listed"; }

std::string_view name_of(Descriptors descriptors) {
  return descriptors == Descriptors::in_order ? "in_order" : "shuffled";
}

std::string why_too_large(const LoadShape& shape, ShootdownKind kind, Gather gather) {
  return why_too_many_ranges(shape.blocks * shape.dirty_percent / 100, kind, gather);
}

std::unique_ptr<Load> Load::build(const LoadShape& shape, ShootdownKind kind, Gather gather,
                                  std::string* error) {
  std::unique_ptr<Load> load(new Load);
  load->gather_ = gather;
  try {
    VmapAllocator::Options options;
    options.geometry = Geometry(options.geometry.base(), kBlockSlots);
    options.space_blocks = shape.blocks;
    options.cpus = PossibleCpus::first(shape.queues);
    options.layout = shape.layout;
    options.keep_marks = true;
    options.keep_full_lists = true;
    options.keep_dirty_lists = true;
    const std::uint64_t block_bytes = options.geometry.block_bytes();
    const Address first_block = options.geometry.first_block();
    load->everything_ = {first_block, first_block + shape.blocks * block_bytes};
    if (kind != ShootdownKind::none) {
      load->arena_ =
          Arena::create(shape.blocks * block_bytes + kGiB, kGiB, error, memory_for(kind));
      if (load->arena_ == nullptr) {
        return nullptr;
      }
      options.geometry =
          Geometry(load->arena_->base() + first_block_offset(shape, block_bytes), kBlockSlots);
      load->everything_ = load->arena_->range();
    }
    load->shootdown_ = make_shootdown(kind, load->arena_.get());
    load->revokes_ = revokes(kind);
    load->allocator_ = std::make_unique<VmapAllocator>(options);
    if (!load->populate(shape, error) || !load->anchor(shape, error)) {
      return nullptr;
    }
  } catch (const std::bad_alloc&) {
    *error = fmt::format("no memory for {} blocks", shape.blocks);
    return nullptr;
  }
  if (const int failed = load->restore_access(); failed != 0) {
    *error = fmt::format("{}: {}", name_of(kind), std::strerror(failed));
    return nullptr;
  }
  return load;
}

bool Load::populate(const LoadShape& shape, std::string* error) {
  const std::uint64_t full = full_blocks(shape);
  listed_blocks_ = shape.blocks - full;
  if (shape.descriptors == Descriptors::shuffled && !shuffle_descriptors(shape)) {
    *error = fmt::format("no memory for {} blocks", shape.blocks);
    return false;
  }
  for (std::uint64_t i = 0; i < shape.blocks; ++i) {
    const auto queue = static_cast<unsigned>(i % shape.queues);
    if (!add_block(shape, queue, i < full, is_dirty(shape, i), error)) {
      return false;
    }
  }
  return true;
}

// Takes a descriptor for each block, and gives each queue as many back, from anywhere.
bool Load::shuffle_descriptors(const LoadShape& shape) {
  SlabPool& pool = allocator_->block_pool();
  const auto slabs_of = [&](std::uint64_t block) -> SlabPool::Slabs& {
    return pool.of_queue(static_cast<unsigned>(block % shape.queues));
  };
  std::vector<void*> descriptors(shape.blocks);
  for (std::uint64_t i = 0; i < shape.blocks; ++i) {
    descriptors[i] = slabs_of(i).take();
  }
  std::shuffle(descriptors.begin(), descriptors.end(), std::mt19937_64(1));
  bool all = true;
  for (std::uint64_t i = 0; i < shape.blocks; ++i) {
    if (descriptors[i] == nullptr) {
      all = false;
    } else {
      slabs_of(i).give_back(descriptors[i]);
    }
  }
  return all;
}

bool Load::add_block(const LoadShape& shape, unsigned queue, bool full, bool dirty,
                     std::string* error) {
  const AllocReport freed = allocator_->alloc_new_block(queue, shape.dirty_slots);
  AllocReport last = freed;
  if (last.error == Error::none) {
    last = allocator_->alloc_in_block(freed.address, 1);
  }
  while (full && last.error == Error::none && last.free != 0) {
    const unsigned pages = std::min(std::bit_floor(last.free), kMaxAllocPages);
    last = allocator_->alloc_in_block(freed.address, pages);
  }
  if (last.error != Error::none) {
    *error = fmt::format("a block could not be allocated: {}", name_of(last.error));
    return false;
  }
  if (dirty) {
    allocator_->free(freed.address, shape.dirty_slots);
    dirty_runs_.push_back({freed.address, freed.address + shape.dirty_slots * kPageSize});
  }
  return true;
}

// Chooses the anchor and touches its pages.
bool Load::anchor(const LoadShape& shape, std::string* error) {
  if (arena_ == nullptr || dirty_runs_.empty()) {
    return true;
  }
  const bool full = anchor_block(shape) < full_blocks(shape);
  const Range& freed = dirty_runs_.back();
  touched_pages_.push_back(freed.start);
  // After the dirty range comes a page in use. In a full block others follow; in another they are
  // handed out now.
  for (unsigned page = 0; page < kLivePages; ++page) {
    const Address live = freed.end + page * kPageSize;
    if (page != 0 && !full) {
      const AllocReport more = allocator_->alloc_in_block(freed.start, 1);
      if (more.error != Error::none || more.address != live) {
        *error = fmt::format("a page in use could not be allocated: {}", name_of(more.error));
        return false;
      }
    }
    *Arena::at(live) = 1;
    live_pages_.push_back(live);
  }
  if (is_array(gather_)) {
    touched_pages_.clear();
    for (const Range& run : dirty_runs_) {
      for (Address page = run.start; page < run.end; page += kPageSize) {
        touched_pages_.push_back(page);
      }
    }
  }
  return true;
}

void Load::make_dirty_again() {
  for (const Range& run : dirty_runs_) {
    allocator_->make_dirty_again(run);
  }
}

int Load::restore_access() {
  if (revokes_) {
    for (const Range& run : dirty_runs_) {
      if (const int failed = shootdown_->map(run); failed != 0) {
        return failed;
      }
    }
  }
  for (const Address page : touched_pages_) {
    *Arena::at(page) = 1;
  }
  return 0;
}

std::uint64_t Load::stale_slots(const FlushPlan& plan) const {
  Ledger ledger;
  for (const Range& run : dirty_runs_) {
    ledger.freed(run);
  }
  for (const Range& range : plan.ranges()) {
    ledger.flushed(range);
  }
  return ledger.stale_pages();
}

}  // namespace flushwalk
