// topology/: which CPUs there are (this file), which of them to use (placement.h), and threads that
// stay there (pinned_thread.h). It knows hwloc, and nothing of allocators, benchmarks or counters.
//
// A Machine is a snapshot, taken when it is made and never changed: its CPUs, how near they are to
// each other, and which of them this process may use. What it says holds for this process only when
// is_this_system(); a described machine can be chosen from, but not run on.
#ifndef FLUSHWALK_TOPOLOGY_MACHINE_H_
#define FLUSHWALK_TOPOLOGY_MACHINE_H_

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "topology/description.h"
#include "topology/result.h"

namespace flushwalk::topology {

class HwlocTopology;

// Cheap to copy. All members may be called from several threads.
class Machine {
 public:
  // The machine this process runs on. Usable are the CPUs of the process's cpuset which the calling
  // thread's affinity mask (taskset) has as well: call it before that thread is pinned.
  static Result<Machine> discover();

  // A machine described by hwloc's synthetic text ("package:2 numa:2 core:16 pu:2"), all usable.
  static Result<Machine> from_synthetic(const std::string& text);

  // A machine recorded by xml(), or by lstopo. Usable is what was allowed when it was recorded.
  static Result<Machine> from_xml(const std::string& text);

  // The same machine with fewer usable CPUs: those that are usable here and in `cpus`. An error
  // when none is left or one of them does not exist. A Machine always has a usable CPU.
  Result<Machine> restricted_to(std::span<const int> cpus) const;

  bool is_this_system() const { return description_.this_system; }

  // Every CPU, usable or not, by logical index: those near each other stand near each other.
  std::span<const Pu> pus() const { return description_.pus; }

  // Null for a CPU that does not exist (or is offline).
  const Pu* find(int cpu) const;

  // The same machine without its cpuset and taskset: every CPU usable. For what it could hold.
  Machine unrestricted() const;

  // An error that says whether the CPU does not exist or is outside the cpuset or taskset, and what
  // is allowed.
  Result<Done> check_usable(int cpu) const;

  // Ascending, never empty.
  std::vector<int> usable_cpus() const;

  // How far two CPUs are apart: the number of levels of the topology from a CPU up to the first
  // thing that holds both, be it a core, a cache, a NUMA node, a package or the machine. 0 is the
  // CPU itself; smaller is nearer. Comparable only for distances from one CPU. Both CPUs must exist
  // (asserted).
  int distance(int cpu_a, int cpu_b) const;

  int packages() const { return description_.packages; }
  int numa_nodes() const { return description_.numa_nodes; }
  int cores() const { return description_.cores; }
  std::span<const Cache> caches() const { return description_.caches; }
  std::span<const CpuKind> kinds() const { return description_.kinds; }
  const std::string& hwloc_version() const { return description_.hwloc_version; }

  // One line: "1 package, 1 NUMA node, 2 cores, 2 PUs; usable 0-1", and "; not this system" where
  // so.
  std::string summary() const;

  // hwloc's XML, which from_xml() and lstopo read. What is usable is recorded in it.
  Result<std::string> xml() const;

  // For this room only.
  const HwlocTopology& hwloc() const { return *hwloc_; }

 private:
  Machine(std::shared_ptr<const HwlocTopology> hwloc, Description description);
  static Result<Machine> describe(Result<std::shared_ptr<const HwlocTopology>> loaded);

  std::shared_ptr<const HwlocTopology> hwloc_;
  Description description_;
};

}  // namespace flushwalk::topology

#endif  // FLUSHWALK_TOPOLOGY_MACHINE_H_
