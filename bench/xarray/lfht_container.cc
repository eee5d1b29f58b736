// liburcu's lock-free hash table, with the QSBR flavour that the suite uses throughout. A hash
// table has no order: it is met in the order of the hashes' bits.
//
// The table has a bucket for each entry that it will hold, and is not resized: resizing is work of
// a thread of its own, on the measured CPUs. Its bytes are those of the nodes (32 each: link, key,
// entry) and of the buckets (a link each, a power of two of them); the table's head of some hundred
// bytes is not counted.
#include <urcu/urcu-qsbr.h>  // before the table's header: it picks the flavour
// clang-format off
#include <urcu/rculfhash.h>
// clang-format on

#include <bit>

#include "allocator/rcu.h"
#include "bench/xarray/index_container.h"

namespace flushwalk {
namespace {

struct Node {
  cds_lfht_node link;  // first: a link's address is its node's
  std::uint64_t key;
  void* entry;
};

const Node* node_of(const cds_lfht_node* link) { return reinterpret_cast<const Node*>(link); }

// The finaliser of MurmurHash3: every bit of the key reaches every bit of the hash.
unsigned long hash_of(std::uint64_t key) {
  key = (key ^ (key >> 33)) * 0xff51afd7ed558ccdU;
  key = (key ^ (key >> 33)) * 0xc4ceb9fe1a85ec53U;
  return key ^ (key >> 33);
}

int has_key(cds_lfht_node* link, const void* key) {
  return node_of(link)->key == *static_cast<const std::uint64_t*>(key) ? 1 : 0;
}

class LfhtContainer : public IndexContainer {
 public:
  explicit LfhtContainer(std::size_t entries)
      : buckets_(std::bit_ceil(entries)),
        table_(cds_lfht_new_flavor(buckets_, buckets_, buckets_, 0, &urcu_qsbr_flavor, nullptr)) {}

  ~LfhtContainer() override {
    walk([this](Node* node) {
      cds_lfht_del(table_, &node->link);
      unlinked_.push_back(node);
    });
    settle();
    cds_lfht_destroy(table_, nullptr);
  }

  std::size_t insert(Batch batch) override {
    std::size_t inserted = 0;
    for (const KeyedEntry& one : batch) {
      const rcu::ReadSection section;
      Node* const node = new Node{{}, one.key, one.entry};
      cds_lfht_node_init(&node->link);
      if (cds_lfht_add_unique(table_, hash_of(one.key), has_key, &one.key, &node->link) ==
          &node->link) {
        ++inserted;
      } else {
        delete node;
      }
    }
    nodes_ += inserted;
    return inserted;
  }

  std::size_t erase(Batch batch) override {
    std::size_t erased = 0;
    for (const KeyedEntry& one : batch) {
      const rcu::ReadSection section;
      cds_lfht_node* const link = find(one.key);
      if (link != nullptr && cds_lfht_del(table_, link) == 0) {
        unlinked_.push_back(reinterpret_cast<Node*>(link));
        ++erased;
      }
    }
    nodes_ -= erased;
    return erased;
  }

  std::uintptr_t load(Batch batch) override {
    std::uintptr_t sum = 0;
    for (const KeyedEntry& one : batch) {
      const rcu::ReadSection section;
      if (const cds_lfht_node* const link = find(one.key); link != nullptr) {
        sum += reinterpret_cast<std::uintptr_t>(node_of(link)->entry);
      }
    }
    return sum;
  }

  std::uintptr_t iterate(IndexOperation /*how*/) override {
    std::uintptr_t sum = 0;
    walk([&sum](const Node* node) { sum += reinterpret_cast<std::uintptr_t>(node->entry); });
    return sum;
  }

  std::vector<void*> visited(IndexOperation /*how*/) override {
    std::vector<void*> entries;
    walk([&entries](const Node* node) { entries.push_back(node->entry); });
    return entries;
  }

  void settle() override {
    rcu::quiescent();
    if (!unlinked_.empty()) {
      urcu_qsbr_synchronize_rcu();
      for (Node* const node : unlinked_) {
        delete node;
      }
      unlinked_.clear();
    }
  }

  std::size_t bytes() override { return nodes_ * sizeof(Node) + buckets_ * sizeof(cds_lfht_node); }

 private:
  cds_lfht_node* find(const std::uint64_t& key) const {
    cds_lfht_iter at{};
    cds_lfht_lookup(table_, hash_of(key), has_key, &key, &at);
    return cds_lfht_iter_get_node(&at);
  }

  template <class Visit>
  void walk(Visit&& visit) const {
    const rcu::ReadSection section;
    cds_lfht_iter at{};
    for (cds_lfht_first(table_, &at); cds_lfht_iter_get_node(&at) != nullptr;
         cds_lfht_next(table_, &at)) {
      visit(reinterpret_cast<Node*>(cds_lfht_iter_get_node(&at)));
    }
  }

  std::size_t buckets_;
  cds_lfht* table_;
  std::size_t nodes_ = 0;
  std::vector<Node*> unlinked_;  // wait for a grace period
};

}  // namespace

std::unique_ptr<IndexContainer> make_lfht_container(std::size_t entries) {
  return std::make_unique<LfhtContainer>(entries);
}

}  // namespace flushwalk
