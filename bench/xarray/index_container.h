// Index containers: pointers by 64-bit index, each behind the same few calls: the suite's xarray
// and what it is compared with.
//
// A call does a whole batch, so that the virtual call, and what it hides from the optimiser, is
// paid once for all of it. Each operation opens its own RCU read-side section where readers need
// one, as each free does in the allocator. What a container owes for being shared is part of its
// time: the xarray takes its lock for each insert and erase, lfht is lock-free. std_map,
// absl_btree_map and judyl have neither lock nor RCU: who shares them between CPUs adds that.
#ifndef FLUSHWALK_BENCH_XARRAY_INDEX_CONTAINER_H_
#define FLUSHWALK_BENCH_XARRAY_INDEX_CONTAINER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace flushwalk {

enum class ContainerKind { xarray, std_map, absl_btree_map, judyl, lfht };
enum class IndexOperation {
  insert,
  load,
  erase,
  iterate,              // xarray: xa_for_each, from the root for each entry
  iterate_cursor_scan,  // xarray: xas_for_each, which looks at each empty slot
  iterate_cursor,       // xarray: xas_for_each by the presence words
  iterate_marked,       // xarray: xas_for_each_marked, 10 % of the entries marked
  set_mark,
};

inline constexpr ContainerKind kContainerKinds[] = {ContainerKind::xarray, ContainerKind::std_map,
                                                    ContainerKind::absl_btree_map,
                                                    ContainerKind::judyl, ContainerKind::lfht};
inline constexpr IndexOperation kIndexOperations[] = {
    IndexOperation::insert,         IndexOperation::load,
    IndexOperation::erase,          IndexOperation::iterate,
    IndexOperation::iterate_cursor, IndexOperation::iterate_cursor_scan,
    IndexOperation::iterate_marked, IndexOperation::set_mark};

std::string_view name_of(ContainerKind kind);
std::string_view name_of(IndexOperation operation);

// The iterate operations.
bool iterates(IndexOperation operation);
// Whether the container has the operation.
bool has_operation(ContainerKind kind, IndexOperation operation);

struct KeyedEntry {
  std::uint64_t key;
  void* entry;
};
using Batch = std::span<const KeyedEntry>;

class IndexContainer {
 public:
  IndexContainer() = default;
  IndexContainer(const IndexContainer&) = delete;
  IndexContainer& operator=(const IndexContainer&) = delete;
  virtual ~IndexContainer() = default;

  // How many were inserted, erased: all whose key was free, taken.
  virtual std::size_t insert(Batch batch) = 0;
  virtual std::size_t erase(Batch batch) = 0;
  // The sum of the entries' addresses: of those found, of all.
  virtual std::uintptr_t load(Batch batch) = 0;
  virtual std::uintptr_t iterate(IndexOperation how) = 0;
  // The entries as iterate() meets them; for tests.
  virtual std::vector<void*> visited(IndexOperation how) = 0;
  // How many were marked, unmarked.
  virtual std::size_t set_mark(Batch /*batch*/) { return 0; }
  virtual std::size_t clear_mark(Batch /*batch*/) { return 0; }

  // Between timed parts: passes a quiescent state, and gives back what waits for a grace period.
  virtual void settle() {}

  // Of the container's own memory, without the entries: what it asked its allocator for.
  virtual std::size_t bytes() = 0;
};

// Why this program was built without it; empty when it is in.
std::string why_absent(ContainerKind kind);

// An empty one. entries: as many as it will hold, for lfht's table. nullptr: absent.
std::unique_ptr<IndexContainer> make_container(ContainerKind kind, std::size_t entries);

// The containers' own makers; those of absent ones are not defined.
std::unique_ptr<IndexContainer> make_xarray_container();
std::unique_ptr<IndexContainer> make_std_map_container();
std::unique_ptr<IndexContainer> make_btree_container();
std::unique_ptr<IndexContainer> make_judyl_container();
std::unique_ptr<IndexContainer> make_lfht_container(std::size_t entries);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_XARRAY_INDEX_CONTAINER_H_
