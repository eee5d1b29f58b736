#include "bench/shootdown/own_pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string>
#include <vector>

#include "bench/support/kernel_tables.h"

namespace flushwalk {
namespace {

constexpr int kPopulateWrite = 23;  // MADV_POPULATE_WRITE, for older headers
// Larger ones are reservations (an arena, a sanitizer's shadow).
constexpr std::uint64_t kLargestMapping = std::uint64_t{1} << 30;

// What is not there stays away: only runs of present pages are asked for.
void take_back(const Range& mapping) {
  std::vector<unsigned char> present(mapping.pages());
  if (mincore(pointer(mapping.start), mapping.end - mapping.start, present.data()) != 0) {
    return;
  }
  const auto is_present = [](unsigned char page) { return (page & 1) != 0; };
  for (auto first = present.begin(); first != present.end();) {
    first = std::find_if(first, present.end(), is_present);
    const auto end = std::find_if_not(first, present.end(), is_present);
    if (first != end) {
      const auto at = mapping.start + static_cast<Address>(first - present.begin()) * kPageSize;
      madvise(pointer(at), static_cast<std::size_t>(end - first) * kPageSize, kPopulateWrite);
    }
    first = end;
  }
}

}  // namespace

std::optional<Range> mapping_of(std::string_view line) {
  const char* const end = line.data() + line.size();
  Range range{};
  const auto first = std::from_chars(line.data(), end, range.start, 16);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '-') {
    return std::nullopt;
  }
  const auto second = std::from_chars(first.ptr + 1, end, range.end, 16);
  return second.ec == std::errc() && second.ptr != end && *second.ptr == ' ' ? std::optional(range)
                                                                             : std::nullopt;
}

void take_pages_back() {
  const std::optional<std::string> maps = read_kernel_file("/proc/self/maps");
  std::string_view rest = maps ? std::string_view(*maps) : std::string_view();
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const auto mapping = mapping_of(line);
    const bool writable = line.find(" rw-p ") != std::string_view::npos;
    if (mapping && writable && mapping->end - mapping->start <= kLargestMapping) {
      take_back(*mapping);
    }
  }
}

}  // namespace flushwalk
