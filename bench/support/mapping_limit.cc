#include "bench/support/mapping_limit.h"

#include <fmt/core.h>

#include <optional>
#include <string_view>

#include "bench/support/kernel_tables.h"

namespace flushwalk {

std::string why_too_many_ranges(std::uint64_t ranges, ShootdownKind kind, Gather gather) {
  if (!splits_mappings(gather, kind)) {
    return {};
  }
  // Each range in the middle of the arena adds two mappings (the mprotects) or one (munmap).
  constexpr std::uint64_t kElsewhere = 1024;
  const std::string_view what = gather == Gather::runs ? "runs" : "ranges";
  const std::uint64_t needed = ranges * 2 + kElsewhere;
  const auto text = read_kernel_file("/proc/sys/vm/max_map_count");
  const auto limit = text ? parse_unsigned(text->substr(0, text->find('\n'))) : std::nullopt;
  if (limit && needed > *limit) {
    return fmt::format("{} {} need up to {} mappings, vm.max_map_count allows {}", ranges, what,
                       needed, *limit);
  }
  if (kind == ShootdownKind::mprotect_range && ranges > kMostExecutableRanges) {
    return fmt::format("{} {} are more than the {} that it keeps apart", ranges, what,
                       kMostExecutableRanges);
  }
  return {};
}

}  // namespace flushwalk
