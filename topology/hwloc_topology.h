// The one door to hwloc: whatever asks hwloc anything is in hwloc_topology.cc, and no hwloc type
// leaves it. For this room only; the rest of the suite uses machine.h.
//
// Nothing changes a topology once it is loaded, so all members may be called from several threads.
#ifndef FLUSHWALK_TOPOLOGY_HWLOC_TOPOLOGY_H_
#define FLUSHWALK_TOPOLOGY_HWLOC_TOPOLOGY_H_

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "topology/description.h"
#include "topology/result.h"

namespace flushwalk::topology {

class HwlocTopology {
 public:
  using Loaded = Result<std::shared_ptr<const HwlocTopology>>;

  static Loaded this_system();
  static Loaded synthetic(const std::string& text);
  static Loaded xml(const std::string& text);

  HwlocTopology(const HwlocTopology&) = delete;
  HwlocTopology& operator=(const HwlocTopology&) = delete;
  ~HwlocTopology();

  // `usable` is what the topology allows (the cpuset) and, on this system, the calling thread's
  // affinity mask (taskset) allows as well.
  Result<Description> describe() const;

  // Levels from a PU up to the lowest object that holds both; 0 for a PU and itself. PUs by logical
  // index, which must exist.
  int levels_to_common_ancestor(int pu_a, int pu_b) const;

  // The topology in hwloc's XML, with `usable` as what is allowed. `usable` must not be empty.
  Result<std::string> export_xml(std::span<const int> usable) const;

  // About the calling thread, by CPU. On a topology which is not this system hwloc makes a success
  // of all of them without doing anything: the caller has to know.
  Result<Done> bind_thread(int cpu) const;
  Result<std::vector<int>> bound_cpus() const;
  Result<std::vector<int>> last_cpus() const;
  // Of any thread of this system, by the kernel's number (gettid).
  Result<std::vector<int>> bound_cpus_of(int thread) const;

  // The calling thread's new memory comes from the node (the kernel's number) while it has room; so
  // does that of threads which it starts. What the process has already moves there, as far as the
  // kernel can move it.
  Result<Done> prefer_memory_of(int numa_node) const;
  // The nodes that hold the pages of these addresses, ascending; pages never touched are on none.
  Result<std::vector<int>> nodes_holding(std::span<const void* const> addresses) const;

 private:
  struct Handle;
  explicit HwlocTopology(std::unique_ptr<Handle> handle);
  // `select` tells hwloc what to load, and returns 0 when that went well.
  static Loaded load(const std::string& subject, const std::function<int(Handle&)>& select);

  std::unique_ptr<Handle> handle_;
};

}  // namespace flushwalk::topology

#endif  // FLUSHWALK_TOPOLOGY_HWLOC_TOPOLOGY_H_
