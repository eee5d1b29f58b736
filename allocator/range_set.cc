#include "allocator/range_set.h"

#include <algorithm>

namespace flushwalk {

void RangeSet::add(const Range& range) {
  if (range.empty()) {
    return;
  }
  Range merged = range;
  // From the first member that touches the range or ends where it begins.
  auto it = ranges_.upper_bound(range.start);
  if (it != ranges_.begin() && std::prev(it)->second >= range.start) {
    --it;
  }
  while (it != ranges_.end() && it->first <= range.end) {
    merged.start = std::min(merged.start, it->first);
    merged.end = std::max(merged.end, it->second);
    bytes_ -= it->second - it->first;
    it = ranges_.erase(it);
  }
  ranges_.emplace_hint(it, merged.start, merged.end);
  bytes_ += merged.end - merged.start;
}

void RangeSet::remove(const Range& range) {
  if (range.empty()) {
    return;
  }
  auto it = first_touching(range);
  while (it != ranges_.end() && it->first < range.end) {
    const Range member{it->first, it->second};
    bytes_ -= member.end - member.start;
    it = ranges_.erase(it);
    if (member.start < range.start) {
      ranges_.emplace_hint(it, member.start, range.start);
      bytes_ += range.start - member.start;
    }
    if (member.end > range.end) {
      it = ranges_.emplace_hint(it, range.end, member.end);
      bytes_ += member.end - range.end;
    }
  }
}

bool RangeSet::contains(Address address) const {
  auto it = ranges_.upper_bound(address);
  return it != ranges_.begin() && address < std::prev(it)->second;
}

bool RangeSet::covers(const Range& range) const {
  auto it = ranges_.upper_bound(range.start);
  return it != ranges_.begin() && range.end <= std::prev(it)->second;
}

bool RangeSet::intersects(const Range& range) const {
  const auto it = first_touching(range);
  return it != ranges_.end() && it->first < range.end;
}

}  // namespace flushwalk
