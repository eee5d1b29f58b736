// Every container of this build beside std::map as the model, through the same operations.
#include "bench/xarray/index_container.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "bench/xarray/population.h"

namespace flushwalk {
namespace {

using ::testing::Each;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAreArray;

using Model = std::map<std::uint64_t, void*>;

std::vector<void*> entries_of(const Model& model) {
  std::vector<void*> entries;
  for (const auto& [key, entry] : model) {
    entries.push_back(entry);
  }
  return entries;
}

std::uintptr_t sum_of(const std::vector<void*>& entries) {
  std::uintptr_t sum = 0;
  for (void* const entry : entries) {
    sum += reinterpret_cast<std::uintptr_t>(entry);
  }
  return sum;
}

std::vector<ContainerKind> available() {
  std::vector<ContainerKind> kinds;
  for (const ContainerKind kind : kContainerKinds) {
    if (why_absent(kind).empty()) {
      kinds.push_back(kind);
    }
  }
  return kinds;
}

void expect_equal(IndexContainer& container, ContainerKind kind, const Model& model) {
  const std::vector<void*> wanted = entries_of(model);
  for (const IndexOperation how : {IndexOperation::iterate, IndexOperation::iterate_cursor,
                                   IndexOperation::iterate_cursor_scan}) {
    if (!has_operation(kind, how)) {
      continue;
    }
    if (kind == ContainerKind::lfht) {
      EXPECT_THAT(container.visited(how), UnorderedElementsAreArray(wanted));
    } else {
      EXPECT_THAT(container.visited(how), ElementsAreArray(wanted)) << name_of(how);
    }
    EXPECT_EQ(container.iterate(how), sum_of(wanted)) << name_of(how);
  }
}

class EveryContainer : public ::testing::TestWithParam<ContainerKind> {
 protected:
  std::unique_ptr<IndexContainer> make(std::size_t entries) const {
    return make_container(GetParam(), entries);
  }
};

TEST_P(EveryContainer, DoesWhatAMapDoes) {
  constexpr std::size_t kEntries = 200;
  for (const KeySet keys : kKeySets) {
    const Population population(keys, kEntries);
    const Batch all = population.in_key_order();
    const auto container = make(kEntries);
    Model model;
    std::mt19937 random(7);
    // Batches of random keys: some are there already, some are named twice.
    for (int round = 0; round < 60; ++round) {
      std::vector<KeyedEntry> batch;
      for (int i = 0; i < 12; ++i) {
        batch.push_back(all[random() % kEntries]);
      }
      std::size_t wanted = 0;
      std::uintptr_t wanted_sum = 0;
      switch (random() % 4) {
        case 0:
        case 1:
          for (const KeyedEntry& one : batch) {
            wanted += model.emplace(one.key, one.entry).second ? 1U : 0U;
          }
          EXPECT_EQ(container->insert(batch), wanted);
          break;
        case 2:
          for (const KeyedEntry& one : batch) {
            wanted += model.erase(one.key);
          }
          EXPECT_EQ(container->erase(batch), wanted);
          break;
        default:
          for (const KeyedEntry& one : batch) {
            const auto found = model.find(one.key);
            wanted_sum +=
                found == model.end() ? 0 : reinterpret_cast<std::uintptr_t>(found->second);
          }
          EXPECT_EQ(container->load(batch), wanted_sum);
      }
      if (round % 3 == 0) {
        container->settle();
      }
      if (round % 10 == 9) {
        expect_equal(*container, GetParam(), model);
      }
    }
  }
}

TEST_P(EveryContainer, AnInsertReplacesNothing) {
  const auto container = make(16);
  const Population population(KeySet::dense, 16);
  const KeyedEntry first{5, population.in_key_order()[1].entry};
  const KeyedEntry second{5, population.in_key_order()[2].entry};
  EXPECT_EQ(container->insert({&first, 1}), 1U);
  EXPECT_EQ(container->insert({&second, 1}), 0U);
  EXPECT_EQ(container->load({&second, 1}), reinterpret_cast<std::uintptr_t>(first.entry));
}

TEST_P(EveryContainer, KeysAreOf64Bits) {
  const Population population(KeySet::dense, 16);
  std::vector<KeyedEntry> batch;
  for (unsigned bit = 0; bit < 64; bit += 7) {
    batch.push_back({std::uint64_t{1} << bit, population.in_key_order()[bit / 7].entry});
  }
  const auto container = make(16);
  Model model;
  for (const KeyedEntry& one : batch) {
    model.emplace(one.key, one.entry);
  }
  EXPECT_EQ(container->insert(batch), batch.size());
  expect_equal(*container, GetParam(), model);
  EXPECT_EQ(container->load(batch), sum_of(entries_of(model)));
  EXPECT_EQ(container->erase(batch), batch.size());
  expect_equal(*container, GetParam(), {});
}

TEST_P(EveryContainer, CountsItsBytes) {
  constexpr std::size_t kEntries = 640;
  const Population population(KeySet::dense, kEntries);
  const auto container = make(kEntries);
  const std::size_t empty = container->bytes();
  EXPECT_EQ(container->insert(population.in_key_order()), kEntries);
  const std::size_t full = container->bytes();
  switch (GetParam()) {
    case ContainerKind::xarray:
      EXPECT_EQ(full, (kEntries / 64 + 1) * 576);  // the leaves and their root
      break;
    case ContainerKind::std_map:
      EXPECT_EQ(full, kEntries * 48);  // three links and a colour, key, value
      break;
    case ContainerKind::lfht:
      EXPECT_EQ(full, kEntries * 32 + 1024 * 16);
      break;
    default:  // key and value at least for the tree, the value for Judy; not three times as much
      EXPECT_GE(full, kEntries * 8);
      EXPECT_LE(full, kEntries * 48);
  }
  EXPECT_EQ(container->erase(population.in_key_order()), kEntries);
  EXPECT_EQ(container->bytes(), empty);
}

INSTANTIATE_TEST_SUITE_P(Containers, EveryContainer, ::testing::ValuesIn(available()),
                         [](const auto& kind) { return std::string(name_of(kind.param)); });

TEST(XArrayContainer, MarksAndWalksTheMarked) {
  const Population population(KeySet::every_64th, 100);
  const auto container = make_container(ContainerKind::xarray, 100);
  container->insert(population.in_key_order());
  EXPECT_THAT(container->visited(IndexOperation::iterate_marked), IsEmpty());
  EXPECT_EQ(container->set_mark(population.marked()), 10U);
  std::vector<KeyedEntry> marked(population.marked().begin(), population.marked().end());
  std::sort(marked.begin(), marked.end(),
            [](const KeyedEntry& a, const KeyedEntry& b) { return a.key < b.key; });
  std::vector<void*> wanted;
  for (const KeyedEntry& one : marked) {
    wanted.push_back(one.entry);
  }
  EXPECT_THAT(container->visited(IndexOperation::iterate_marked), ElementsAreArray(wanted));
  EXPECT_EQ(container->iterate(IndexOperation::iterate_marked), sum_of(wanted));
  EXPECT_EQ(container->clear_mark(population.in_key_order()), 10U);
  EXPECT_THAT(container->visited(IndexOperation::iterate_marked), IsEmpty());
}

TEST(IndexContainer, OnlyTheXArrayHasMarksAndCursors) {
  for (const IndexOperation operation : kIndexOperations) {
    const bool common = std::set<std::string_view>{"insert", "load", "erase", "iterate"}.contains(
        name_of(operation));
    for (const ContainerKind kind : kContainerKinds) {
      EXPECT_EQ(has_operation(kind, operation), common || kind == ContainerKind::xarray)
          << name_of(kind) << " " << name_of(operation);
    }
  }
}

TEST(IndexContainer, TheXArrayAndTheMapAreAlwaysIn) {
  EXPECT_EQ(why_absent(ContainerKind::xarray), "");
  EXPECT_EQ(why_absent(ContainerKind::std_map), "");
  for (const ContainerKind kind : kContainerKinds) {
    EXPECT_EQ(make_container(kind, 16) == nullptr, !why_absent(kind).empty()) << name_of(kind);
  }
}

}  // namespace
}  // namespace flushwalk
