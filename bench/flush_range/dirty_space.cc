#include "bench/flush_range/dirty_space.h"

#include <fmt/core.h>

#include <new>

namespace flushwalk {
namespace {

// What one entry of the page tables' third level covers: the first range begins one.
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

std::uint64_t arena_bytes(const RangeShape& shape) {
  return (span_of(shape) + kGiB - 1) / kGiB * kGiB;
}

}  // namespace

std::unique_ptr<DirtySpace> DirtySpace::build(const RangeShape& shape, ShootdownKind kind,
                                              bool array, std::string* error) {
  std::unique_ptr<DirtySpace> space(new DirtySpace);
  space->arena_ = Arena::create(arena_bytes(shape), kGiB, error, memory_for(kind));
  if (space->arena_ == nullptr) {
    return nullptr;
  }
  space->shootdown_ = make_shootdown(kind, space->arena_.get());
  space->ranges_ = lay_out(shape, space->arena_->base());
  const FlushPlan flushed = space->plan(array ? Gather::runs : Gather::hull);
  for (const Range& range : flushed.ranges()) {
    space->touched_pages_.push_back(range.start);
    if (range.pages() > 1) {
      space->touched_pages_.push_back(range.end - kPageSize);
    }
  }
  space->touch();
  return space;
}

FlushPlan DirtySpace::plan(Gather gather) const {
  FlushPlan plan(gather, ranges_.size(), arena_->range());
  add_blocks(ranges_, &plan);
  return plan;
}

void DirtySpace::touch() const {
  for (const Address page : touched_pages_) {
    *Arena::at(page) = 1;
  }
}

std::string why_too_wide(const RangeShape& shape, ShootdownKind kind, unsigned spaces) {
  const std::uint64_t needed = arena_bytes(shape);
  const std::uint64_t most = Arena::most_bytes(spaces, memory_for(kind));
  if (needed <= most) {
    return {};
  }
  return fmt::format(
      "{} ranges of {} pages with {} GiB between them need {} GiB of address space{}, and {} GiB "
      "fit",
      shape.ranges, shape.pages, shape.gap_pages * kPageSize / kGiB, needed / kGiB,
      spaces == 1 ? "" : ", once for the hull and once for the array", most / kGiB);
}

}  // namespace flushwalk
