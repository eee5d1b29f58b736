// Map containers: ordered maps with the standard's interface. Their bytes are those of their nodes,
// as they ask for them: what malloc adds is not counted.
#ifndef FLUSHWALK_BENCH_XARRAY_MAP_CONTAINER_H_
#define FLUSHWALK_BENCH_XARRAY_MAP_CONTAINER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "bench/xarray/index_container.h"

namespace flushwalk {

template <class T>
class CountingAllocator {
 public:
  using value_type = T;

  explicit CountingAllocator(std::size_t* bytes) : bytes_(bytes) {}
  template <class U>
  CountingAllocator(const CountingAllocator<U>& other) : bytes_(other.bytes()) {}  // NOLINT

  T* allocate(std::size_t count) {
    *bytes_ += count * sizeof(T);
    return std::allocator<T>().allocate(count);
  }
  void deallocate(T* memory, std::size_t count) {
    *bytes_ -= count * sizeof(T);
    std::allocator<T>().deallocate(memory, count);
  }

  std::size_t* bytes() const { return bytes_; }
  template <class U>
  bool operator==(const CountingAllocator<U>& other) const {
    return bytes_ == other.bytes();
  }

 private:
  std::size_t* bytes_;
};

template <template <class...> class Map>
class MapContainer : public IndexContainer {
 public:
  std::size_t insert(Batch batch) override {
    std::size_t inserted = 0;
    for (const KeyedEntry& one : batch) {
      inserted += map_.try_emplace(one.key, one.entry).second ? 1U : 0U;
    }
    return inserted;
  }

  // By the iterator: erase() of a key looks for a range.
  std::size_t erase(Batch batch) override {
    std::size_t erased = 0;
    for (const KeyedEntry& one : batch) {
      if (const auto found = map_.find(one.key); found != map_.end()) {
        map_.erase(found);
        ++erased;
      }
    }
    return erased;
  }

  std::uintptr_t load(Batch batch) override {
    std::uintptr_t sum = 0;
    for (const KeyedEntry& one : batch) {
      if (const auto found = map_.find(one.key); found != map_.end()) {
        sum += reinterpret_cast<std::uintptr_t>(found->second);
      }
    }
    return sum;
  }

  std::uintptr_t iterate(IndexOperation /*how*/) override {
    std::uintptr_t sum = 0;
    for (const auto& [key, entry] : map_) {
      sum += reinterpret_cast<std::uintptr_t>(entry);
    }
    return sum;
  }

  std::vector<void*> visited(IndexOperation /*how*/) override {
    std::vector<void*> entries;
    for (const auto& [key, entry] : map_) {
      entries.push_back(entry);
    }
    return entries;
  }

  std::size_t bytes() override { return bytes_; }

 private:
  using Allocator = CountingAllocator<std::pair<const std::uint64_t, void*>>;

  std::size_t bytes_ = 0;
  Map<std::uint64_t, void*, std::less<std::uint64_t>, Allocator> map_{Allocator(&bytes_)};
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_XARRAY_MAP_CONTAINER_H_
