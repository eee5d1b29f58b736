// A machine as plain data: what hwloc knows of it, without hwloc. A group number below is hwloc's
// logical number (dense, from 0, neighbours next to each other) unless it says otherwise, and
// kNoGroup where the machine does not tell.
#ifndef FLUSHWALK_TOPOLOGY_DESCRIPTION_H_
#define FLUSHWALK_TOPOLOGY_DESCRIPTION_H_

#include <cstdint>
#include <string>
#include <vector>

namespace flushwalk::topology {

inline constexpr int kNoGroup = -1;

// One processing unit: a hardware thread, which the kernel calls a CPU.
struct Pu {
  int os_index = 0;          // the kernel's number: what every function here calls `cpu`
  int logical_index = 0;     // position in the machine's order, from 0
  int core = 0;              // dense from 0; a machine that tells of no cores has one for each PU
  int l2 = kNoGroup;         // the L2 cache above it
  int l3 = kNoGroup;         // the L3 cache above it
  int numa_node = kNoGroup;  // the kernel's number of the nearest node (the lowest, if several)
  int package = kNoGroup;
  int kind = kNoGroup;  // index in Description::kinds
  int smt_rank = 0;     // position among its core's PUs, from 0
  bool usable = false;  // may this process run there (cpuset and taskset, when it was looked at)?
};

// CPUs that are alike: of a hybrid machine its performance cores, or its efficiency cores.
struct CpuKind {
  int efficiency = kNoGroup;  // rank of performance, from 0, the fastest highest; kNoGroup: unknown
  std::string core_type;      // the system's word for it, for instance "IntelAtom"; may be empty
  std::vector<int> cpus;      // ascending
};

// Caches of one level that are alike. Instruction caches are left out.
struct Cache {
  int level = 0;                 // 1 to 5
  std::uint64_t size_bytes = 0;  // of each; 0 where unknown
  unsigned line_bytes = 0;       // 0 where unknown
  int shared_by = 0;             // PUs under each
  int count = 0;

  bool operator==(const Cache&) const = default;
};

struct Description {
  std::vector<Pu> pus;         // by logical index
  std::vector<Cache> caches;   // from the cores outwards
  std::vector<CpuKind> kinds;  // by efficiency, where known; empty where the machine does not tell
  int packages = 0;
  int numa_nodes = 0;
  int cores = 0;
  bool this_system = false;   // false for a description of another machine
  std::string hwloc_version;  // of the library that looked, for instance "2.9.0"
};

}  // namespace flushwalk::topology

#endif  // FLUSHWALK_TOPOLOGY_DESCRIPTION_H_
