#include "bench/xarray/population.h"

#include <algorithm>
#include <random>

namespace flushwalk {
namespace {

// One to one, so that distinct numbers give distinct keys.
std::uint32_t scramble(std::uint32_t value) {
  value = (value ^ (value >> 16)) * 0x85ebca6bU;
  value = (value ^ (value >> 13)) * 0xc2b2ae35U;
  return value ^ (value >> 16);
}

std::uint64_t key_of(KeySet keys, std::size_t i) {
  switch (keys) {
    case KeySet::dense:
      return i;
    case KeySet::every_64th:
      return i * 64;
    case KeySet::random:
      return scramble(static_cast<std::uint32_t>(i + 1));
  }
  return 0;
}

}  // namespace

std::string_view name_of(KeySet keys) {
  switch (keys) {
    case KeySet::dense:
      return "dense";
    case KeySet::every_64th:
      return "every_64th";
    case KeySet::random:
      return "random";
  }
  return "";
}

Population::Population(KeySet keys, std::size_t entries)
    : memory_(new std::byte[entries * kEntryBytes]), window_(std::min(entries, kMostInWindow)) {
  std::vector<std::uint64_t> all(entries);
  for (std::size_t i = 0; i < entries; ++i) {
    all[i] = key_of(keys, i);
  }
  std::sort(all.begin(), all.end());
  sorted_.reserve(entries);
  for (std::size_t i = 0; i < entries; ++i) {
    sorted_.push_back({all[i], memory_.get() + i * kEntryBytes});
  }
  shuffled_ = sorted_;
  std::shuffle(shuffled_.begin(), shuffled_.end(), std::mt19937_64(entries));
}

}  // namespace flushwalk
