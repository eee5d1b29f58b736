// The suite's xarray. Its bytes are those of its nodes: 576 each.
#include "allocator/rcu.h"
#include "allocator/slab_pool.h"
#include "allocator/xarray.h"
#include "bench/xarray/index_container.h"

namespace flushwalk {
namespace {

class XArrayContainer : public IndexContainer {
 public:
  ~XArrayContainer() override { rcu::quiescent(); }

  std::size_t insert(Batch batch) override {
    std::size_t inserted = 0;
    for (const KeyedEntry& one : batch) {
      inserted += array_.insert(one.key, one.entry) == Error::none ? 1U : 0U;
    }
    return inserted;
  }

  std::size_t erase(Batch batch) override {
    std::size_t erased = 0;
    for (const KeyedEntry& one : batch) {
      erased += array_.erase(one.key) != nullptr ? 1U : 0U;
    }
    return erased;
  }

  std::uintptr_t load(Batch batch) override {
    std::uintptr_t sum = 0;
    for (const KeyedEntry& one : batch) {
      const rcu::ReadSection section;
      sum += reinterpret_cast<std::uintptr_t>(array_.load(one.key));
    }
    return sum;
  }

  std::uintptr_t iterate(IndexOperation how) override {
    std::uintptr_t sum = 0;
    walk(how,
         [&sum](std::uint64_t, void* entry) { sum += reinterpret_cast<std::uintptr_t>(entry); });
    return sum;
  }

  std::vector<void*> visited(IndexOperation how) override {
    std::vector<void*> entries;
    walk(how, [&entries](std::uint64_t, void* entry) { entries.push_back(entry); });
    return entries;
  }

  std::size_t set_mark(Batch batch) override {
    std::size_t marked = 0;
    for (const KeyedEntry& one : batch) {
      const rcu::ReadSection section;
      marked += array_.set_mark(one.key) ? 1U : 0U;
    }
    return marked;
  }

  std::size_t clear_mark(Batch batch) override {
    std::size_t cleared = 0;
    for (const KeyedEntry& one : batch) {
      const rcu::ReadSection section;
      cleared += array_.clear_mark(one.key) ? 1U : 0U;
    }
    return cleared;
  }

  void settle() override {
    rcu::quiescent();
    retired_.release();
  }

  std::size_t bytes() override {
    settle();
    return nodes_.in_use() * XArray::kNodeBytes;
  }

 private:
  template <class Visit>
  void walk(IndexOperation how, Visit&& visit) const {
    const rcu::ReadSection section;
    switch (how) {
      case IndexOperation::iterate_cursor_scan:
        array_.for_each_cursor<EmptySlots::scan>(visit);
        return;
      case IndexOperation::iterate_cursor:
        array_.for_each_cursor<EmptySlots::skip>(visit);
        return;
      case IndexOperation::iterate_marked:
        array_.for_each_marked(visit);
        return;
      default:
        array_.for_each(visit);
    }
  }

  SlabPool nodes_{XArray::kNodeBytes};
  rcu::RetireList retired_;
  XArray array_{nodes_.of_queue(0), retired_};
};

}  // namespace

std::unique_ptr<IndexContainer> make_xarray_container() {
  return std::make_unique<XArrayContainer>();
}

}  // namespace flushwalk
