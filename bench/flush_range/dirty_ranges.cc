#include "bench/flush_range/dirty_ranges.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <iterator>

#include "allocator/block.h"

namespace flushwalk {
namespace {

constexpr std::uint64_t kBlockBytes = std::uint64_t{kRangeBlockSlots} << kPageShift;

struct GapUnit {
  char letter;
  std::uint64_t bytes;
};
constexpr GapUnit kGapUnits[] = {{'p', kPageSize},
                                 {'k', std::uint64_t{1} << 10},
                                 {'m', std::uint64_t{1} << 20},
                                 {'g', std::uint64_t{1} << 30}};

// What a request may be long: a run is the slots of several.
template <class Act>
void in_requests(SlotRange slots, Act&& act) {
  for (unsigned slot = slots.start; slot < slots.end; slot += kMaxAllocPages) {
    act(slot, std::min(kMaxAllocPages, slots.end - slot));
  }
}

void free_slots(BlockState* state, SlotRange freed) {
  in_requests({state->handed_out(), freed.end},
              [&](unsigned, unsigned count) { state->serve(count); });
  in_requests(freed, [&](unsigned slot, unsigned count) {
    state->clear_used(slot, count);
    state->mark_dirty(slot, count);
  });
}

}  // namespace

std::vector<Range> lay_out(const RangeShape& shape, Address base) {
  const std::uint64_t bytes = shape.pages * kPageSize;
  std::vector<Range> ranges;
  Address start = base;
  for (unsigned i = 0; i < shape.ranges; ++i) {
    const std::uint64_t left = kBlockBytes - start % kBlockBytes;
    start += bytes > left ? left : 0;
    ranges.push_back({start, start + bytes});
    start += bytes + shape.gap_pages * kPageSize;
  }
  return ranges;
}

std::uint64_t span_of(const RangeShape& shape) { return lay_out(shape, 0).back().end; }

void add_blocks(std::span<const Range> ranges, FlushPlan* plan) {
  const Geometry geometry(0, kRangeBlockSlots);
  alignas(Block) std::byte memory[Block::bytes_for(kRangeBlockSlots)];
  for (std::size_t i = 0; i < ranges.size();) {
    const Address start = geometry.block_start(ranges[i].start);
    Block* const block = Block::create(memory, kRangeBlockSlots, start, 0);
    for (; i < ranges.size() && geometry.block_start(ranges[i].start) == start; ++i) {
      const unsigned slot = geometry.slot(ranges[i].start);
      free_slots(&block->state, {slot, slot + static_cast<unsigned>(ranges[i].pages())});
    }
    plan->add_dirty(*block);
  }
}

std::optional<std::uint64_t> read_gap(std::string_view text) {
  if (text == "block") {
    return kRangeBlockSlots;
  }
  if (text == "0") {
    return 0;
  }
  const auto unit = std::find_if(
      std::begin(kGapUnits), std::end(kGapUnits),
      [&](const GapUnit& each) { return !text.empty() && each.letter == text.back(); });
  if (unit == std::end(kGapUnits)) {
    return std::nullopt;
  }
  std::uint64_t count = 0;
  const char* const end = text.data() + text.size() - 1;
  const auto read = std::from_chars(text.data(), end, count);
  if (read.ec != std::errc() || read.ptr != end ||
      count > kMostGapPages * kPageSize / unit->bytes || count * unit->bytes % kPageSize != 0) {
    return std::nullopt;
  }
  return count * unit->bytes / kPageSize;
}

std::string gap_text(std::uint64_t gap_pages) {
  if (gap_pages == 0) {
    return "0";
  }
  if (gap_pages == kRangeBlockSlots) {
    return "block";
  }
  const std::uint64_t bytes = gap_pages * kPageSize;
  for (const char letter : {'g', 'm'}) {
    const auto unit = std::find_if(std::begin(kGapUnits), std::end(kGapUnits),
                                   [&](const GapUnit& each) { return each.letter == letter; });
    if (bytes % unit->bytes == 0) {
      return fmt::format("{}{}", bytes / unit->bytes, letter);
    }
  }
  return fmt::format("{}p", gap_pages);
}

}  // namespace flushwalk
