// Population: the keys of one case, an entry for each, and the order in which they are used.
#ifndef FLUSHWALK_BENCH_XARRAY_POPULATION_H_
#define FLUSHWALK_BENCH_XARRAY_POPULATION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "bench/xarray/index_container.h"

namespace flushwalk {

enum class KeySet {
  dense,       // 0, 1, 2, ...: one queue's blocks
  every_64th,  // 0, 64, 128, ...: the blocks of one queue of 64, with the kernel's key
  random,      // distinct ones below 2^32
};
inline constexpr KeySet kKeySets[] = {KeySet::dense, KeySet::every_64th, KeySet::random};

std::string_view name_of(KeySet keys);

inline constexpr std::size_t kLeastEntries = 16;
inline constexpr std::size_t kMostEntries = std::size_t{1} << 20;

class Population {
 public:
  // Keys that one sample of insert, load, erase or set_mark uses, at most.
  static constexpr std::size_t kMostInWindow = 1024;

  Population(KeySet keys, std::size_t entries);

  Batch in_key_order() const { return sorted_; }
  // All of it in a random order, always the same, cut into windows; what does not fill one is never
  // used.
  std::size_t windows() const { return shuffled_.size() / window_; }
  Batch window(std::size_t which) const {
    return Batch(shuffled_).subspan(which % windows() * window_, window_);
  }
  // What the entries lie in.
  const void* memory() const { return memory_.get(); }
  // A tenth of the entries, at random.
  Batch marked() const { return Batch(shuffled_).first(shuffled_.size() / 10); }

 private:
  // As far apart as the allocator's descriptors. Nobody reads them: what is measured is the
  // container alone.
  static constexpr std::size_t kEntryBytes = 256;

  std::unique_ptr<std::byte[]> memory_;
  std::vector<KeyedEntry> sorted_;
  std::vector<KeyedEntry> shuffled_;
  std::size_t window_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_XARRAY_POPULATION_H_
