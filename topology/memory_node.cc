#include "topology/memory_node.h"

#include <cassert>

#include "topology/hwloc_topology.h"

namespace flushwalk::topology {

Result<Done> bind_memory_near(const Machine& machine, int cpu) {
  const Pu* pu = machine.find(cpu);
  assert(pu != nullptr);
  if (!machine.is_this_system()) {
    return Error{"can't bind memory on a described machine: it is not this system"};
  }
  if (machine.numa_nodes() < 2 || pu->numa_node == kNoGroup) {
    return Done{};
  }
  return machine.hwloc().prefer_memory_of(pu->numa_node);
}

Result<std::vector<int>> nodes_of_memory(const Machine& machine,
                                         std::span<const void* const> addresses) {
  if (!machine.is_this_system()) {
    return Error{"a described machine holds no memory: it is not this system"};
  }
  if (machine.numa_nodes() == 1) {
    return std::vector<int>{machine.pus().front().numa_node};
  }
  return machine.hwloc().nodes_holding(addresses);
}

}  // namespace flushwalk::topology
