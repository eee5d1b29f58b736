// Which NUMA node memory is on. A flush walks descriptors and changes page tables: from another
// node's memory it takes longer, so a result says where its memory was.
//
// Memory is bound by policy, not only touched first by the pinned initiator: it then lies there
// also where the process was started under another policy (numactl --interleave), and the kernel's
// NUMA balancing leaves it alone, which would else take translations away in a timed part. What
// counts is where it is found afterwards.
#ifndef FLUSHWALK_TOPOLOGY_MEMORY_NODE_H_
#define FLUSHWALK_TOPOLOGY_MEMORY_NODE_H_

#include <span>
#include <vector>

#include "topology/machine.h"
#include "topology/result.h"

namespace flushwalk::topology {

// New memory of the calling thread, and of threads that it starts, comes from the NUMA node of
// `cpu` as long as that has room; what there is moves there. `cpu` must exist (asserted). An error
// where the kernel does not let it (in many containers): then the node of the CPU that first
// touches a page remains. Does nothing on a machine of one node.
Result<Done> bind_memory_near(const Machine& machine, int cpu);

// The NUMA nodes (the kernel's numbers) that hold the pages of these addresses, ascending; of a
// machine with one node, that one. An error where the kernel does not tell.
Result<std::vector<int>> nodes_of_memory(const Machine& machine,
                                         std::span<const void* const> addresses);

}  // namespace flushwalk::topology

#endif  // FLUSHWALK_TOPOLOGY_MEMORY_NODE_H_
