// RangeSet: a set of addresses kept as disjoint ranges. Neighbours merge.
//
// Nodes come from a pool of its own: once it has been as large as it gets, changing it calls no
// malloc, so a shootdown backend may use it in timed code. Not locked.
#ifndef FLUSHWALK_ALLOCATOR_RANGE_SET_H_
#define FLUSHWALK_ALLOCATOR_RANGE_SET_H_

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory_resource>

#include "allocator/geometry.h"

namespace flushwalk {

class RangeSet {
 public:
  RangeSet() : ranges_(&pool_) {}
  RangeSet(const RangeSet&) = delete;
  RangeSet& operator=(const RangeSet&) = delete;

  void add(const Range& range);
  void remove(const Range& range);
  void clear() {
    ranges_.clear();
    bytes_ = 0;
  }

  std::uint64_t bytes() const { return bytes_; }
  // Disjoint ranges.
  std::size_t size() const { return ranges_.size(); }
  bool contains(Address address) const;
  bool covers(const Range& range) const;
  bool intersects(const Range& range) const;

  // Calls visit(Range) for the part of each member inside `window`, ascending.
  template <class Visit>
  void for_each_in(const Range& window, Visit&& visit) const {
    for (auto it = first_touching(window); it != ranges_.end() && it->first < window.end; ++it) {
      visit(Range{it->first < window.start ? window.start : it->first,
                  it->second > window.end ? window.end : it->second});
    }
  }

 private:
  using Map = std::pmr::map<Address, Address>;  // start -> end

  // The first member that ends above window.start.
  Map::const_iterator first_touching(const Range& window) const {
    auto it = ranges_.upper_bound(window.start);
    if (it != ranges_.begin() && std::prev(it)->second > window.start) {
      --it;
    }
    return it;
  }

  std::pmr::unsynchronized_pool_resource pool_;
  Map ranges_;
  std::uint64_t bytes_ = 0;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_RANGE_SET_H_
