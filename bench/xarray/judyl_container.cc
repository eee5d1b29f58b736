// JudyL: words by word, in radix tree nodes of many shapes. Its bytes are what JudyLMemUsed() says.
#include <Judy.h>

#include "bench/xarray/index_container.h"

namespace flushwalk {
namespace {

class JudyLContainer : public IndexContainer {
 public:
  ~JudyLContainer() override { JudyLFreeArray(&array_, nullptr); }

  std::size_t insert(Batch batch) override {
    std::size_t inserted = 0;
    for (const KeyedEntry& one : batch) {
      PPvoid_t const slot = JudyLIns(&array_, one.key, nullptr);
      // Not the address that stands for "no memory", and a new slot.
      if (reinterpret_cast<Word_t>(slot) != ~Word_t{0} && *slot == nullptr) {
        *slot = one.entry;
        ++inserted;
      }
    }
    return inserted;
  }

  std::size_t erase(Batch batch) override {
    std::size_t erased = 0;
    for (const KeyedEntry& one : batch) {
      erased += JudyLDel(&array_, one.key, nullptr) == 1 ? 1U : 0U;
    }
    return erased;
  }

  std::uintptr_t load(Batch batch) override {
    std::uintptr_t sum = 0;
    for (const KeyedEntry& one : batch) {
      if (PPvoid_t const slot = JudyLGet(array_, one.key, nullptr); slot != nullptr) {
        sum += reinterpret_cast<std::uintptr_t>(*slot);
      }
    }
    return sum;
  }

  std::uintptr_t iterate(IndexOperation /*how*/) override {
    std::uintptr_t sum = 0;
    walk([&sum](void* entry) { sum += reinterpret_cast<std::uintptr_t>(entry); });
    return sum;
  }

  std::vector<void*> visited(IndexOperation /*how*/) override {
    std::vector<void*> entries;
    walk([&entries](void* entry) { entries.push_back(entry); });
    return entries;
  }

  std::size_t bytes() override { return JudyLMemUsed(array_); }

 private:
  template <class Visit>
  void walk(Visit&& visit) const {
    Word_t index = 0;
    for (PPvoid_t slot = JudyLFirst(array_, &index, nullptr); slot != nullptr;
         slot = JudyLNext(array_, &index, nullptr)) {
      visit(*slot);
    }
  }

  Pvoid_t array_ = nullptr;
};

}  // namespace

std::unique_ptr<IndexContainer> make_judyl_container() {
  return std::make_unique<JudyLContainer>();
}

}  // namespace flushwalk
