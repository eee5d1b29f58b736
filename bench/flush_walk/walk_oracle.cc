#include "bench/flush_walk/walk_oracle.h"

#include <fmt/core.h>

#include <cstring>
#include <utility>

#include "allocator/fault_probe.h"
#include "allocator/watched_allocator.h"
#include "bench/support/kernel_tables.h"

namespace flushwalk {
namespace {

constexpr std::uint8_t kNextOwner = 0xa5;

// All freed pages are touched: half of what is available may go there.
std::string why_too_much(const LoadShape& shape) {
  const std::uint64_t pages = shape.blocks * shape.dirty_percent / 100 * shape.dirty_slots;
  const auto text = read_kernel_file("/proc/meminfo");
  const auto line = text ? keyed_value(*text, "MemAvailable") : std::nullopt;
  const auto kib = line ? parse_unsigned(line->substr(0, line->find(' '))) : std::nullopt;
  if (!kib || pages * (kPageSize >> 10) <= *kib / 2) {
    return {};
  }
  return fmt::format("--oracle: {} freed pages need {} MiB, half of what is available is {} MiB",
                     pages, pages * kPageSize >> 20, *kib >> 11);
}

}  // namespace

std::unique_ptr<WalkOracle> WalkOracle::build(const LoadShape& shape, std::string* error) {
  const ShootdownKind kind = watching_backend();
  *error = why_too_much(shape);
  if (error->empty()) {
    *error = why_too_large(shape, kind, Gather::runs);
  }
  if (!error->empty()) {
    return nullptr;
  }
  auto load = Load::build(shape, kind, Gather::runs, error);
  return load == nullptr ? nullptr : std::unique_ptr<WalkOracle>(new WalkOracle(std::move(load)));
}

std::optional<OracleCounts> WalkOracle::look(const Way& way, std::string* error) {
  load_->make_dirty_again();
  FlushPlan plan = load_->make_plan();
  int failed = load_->restore_access();
  if (failed == 0) {
    load_->allocator().collect(way.walk, way.check, plan);
    failed = load_->shootdown().flush(plan.ranges());
  }
  if (failed != 0) {
    *error = fmt::format("--oracle: {}: {}", name_of(watching_backend()), std::strerror(failed));
    return std::nullopt;
  }
  OracleCounts counts;
  for (const Range& run : load_->dirty_runs()) {
    for (Address page = run.start; page < run.end; page += kPageSize) {
      *load_->arena().next_owner(page) = kNextOwner;
      ++counts.probed;
      counts.stale += probe_read(page).faulted ? 0U : 1U;
    }
  }
  return counts;
}

}  // namespace flushwalk
