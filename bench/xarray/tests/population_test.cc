#include "bench/xarray/population.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

namespace flushwalk {
namespace {

using ::testing::ElementsAre;

std::vector<std::uint64_t> keys_of(Batch batch) {
  std::vector<std::uint64_t> keys;
  for (const KeyedEntry& one : batch) {
    keys.push_back(one.key);
  }
  return keys;
}

class EveryKeySet : public ::testing::TestWithParam<KeySet> {};

TEST_P(EveryKeySet, HasAsManyDistinctKeysInOrder) {
  for (const std::size_t entries : {16UL, 1000UL, 5000UL}) {
    const Population population(GetParam(), entries);
    const std::vector<std::uint64_t> keys = keys_of(population.in_key_order());
    EXPECT_EQ(keys.size(), entries);
    EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
    EXPECT_EQ(std::set(keys.begin(), keys.end()).size(), entries);
  }
}

TEST_P(EveryKeySet, TheWindowsTakeEachKeyAtMostOnceAndKeepItsEntry) {
  const Population population(GetParam(), 5000);
  std::map<std::uint64_t, void*> entry_of;
  for (const KeyedEntry& one : population.in_key_order()) {
    entry_of[one.key] = one.entry;
  }
  std::set<std::uint64_t> seen;
  ASSERT_EQ(population.windows(), 4U);
  for (std::size_t i = 0; i < population.windows(); ++i) {
    EXPECT_EQ(population.window(i).size(), 1024U);
    for (const KeyedEntry& one : population.window(i)) {
      EXPECT_TRUE(seen.insert(one.key).second);
      EXPECT_EQ(entry_of.at(one.key), one.entry);
    }
  }
  EXPECT_EQ(keys_of(population.window(5)), keys_of(population.window(1)));
}

TEST_P(EveryKeySet, IsTheSameEachTime) {
  EXPECT_EQ(keys_of(Population(GetParam(), 100).window(0)),
            keys_of(Population(GetParam(), 100).window(0)));
}

INSTANTIATE_TEST_SUITE_P(KeySets, EveryKeySet, ::testing::ValuesIn(kKeySets),
                         [](const auto& keys) { return std::string(name_of(keys.param)); });

TEST(Population, KeysAreThoseOfTheirSet) {
  const std::vector<std::uint64_t> dense = keys_of(Population(KeySet::dense, 100).in_key_order());
  const std::vector<std::uint64_t> sparse =
      keys_of(Population(KeySet::every_64th, 100).in_key_order());
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(dense[i], i);
    EXPECT_EQ(sparse[i], 64 * i);
  }
  const std::vector<std::uint64_t> random =
      keys_of(Population(KeySet::random, 4096).in_key_order());
  EXPECT_LT(random.back(), std::uint64_t{1} << 32);
  // Spread evenly: each sixteenth of the range has about 256 of them.
  for (std::uint64_t part = 0; part < 16; ++part) {
    const auto count = std::count_if(random.begin(), random.end(),
                                     [&](std::uint64_t key) { return key >> 28 == part; });
    EXPECT_GT(count, 180);
    EXPECT_LT(count, 340);
  }
}

TEST(Population, TheOrderOfUseIsNotThatOfTheKeys) {
  const Population population(KeySet::dense, 1000);
  const std::vector<std::uint64_t> used = keys_of(population.window(0));
  std::size_t rises = 0;
  for (std::size_t i = 1; i < used.size(); ++i) {
    rises += used[i] > used[i - 1] ? 1U : 0U;
  }
  EXPECT_GT(rises, 400U);
  EXPECT_LT(rises, 600U);
}

TEST(Population, EntriesLie256BytesApart) {
  const Population population(KeySet::random, 50);
  const Batch all = population.in_key_order();
  for (std::size_t i = 1; i < all.size(); ++i) {
    EXPECT_EQ(static_cast<std::byte*>(all[i].entry) - static_cast<std::byte*>(all[i - 1].entry),
              256);
  }
}

TEST(Population, AWindowIsAllOfAFewKeysAndATenthIsMarked) {
  EXPECT_EQ(Population(KeySet::dense, 16).window(0).size(), 16U);
  EXPECT_EQ(Population(KeySet::dense, 16).windows(), 1U);
  EXPECT_EQ(Population(KeySet::dense, 1024).windows(), 1U);
  EXPECT_EQ(Population(KeySet::dense, 1025).windows(), 1U);
  EXPECT_EQ(Population(KeySet::dense, 2048).windows(), 2U);
  EXPECT_EQ(Population(KeySet::dense, 4096).marked().size(), 409U);
  EXPECT_EQ(Population(KeySet::dense, kLeastEntries).marked().size(), 1U);
}

}  // namespace
}  // namespace flushwalk
