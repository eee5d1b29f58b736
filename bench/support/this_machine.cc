#include "bench/support/this_machine.h"

#include <gnu/libc-version.h>

#include <ctime>

#include "bench/support/flush_ceiling.h"
#include "topology/cpu_list.h"

namespace flushwalk {
namespace {

TopologyFacts topology_facts(const topology::Machine& machine) {
  TopologyFacts facts;
  facts.packages = static_cast<unsigned>(machine.packages());
  facts.numa_nodes = static_cast<unsigned>(machine.numa_nodes());
  facts.cores = static_cast<unsigned>(machine.cores());
  facts.pus = static_cast<unsigned>(machine.pus().size());
  facts.usable_cpus = topology::format_cpu_list(machine.usable_cpus());
  facts.this_system = machine.is_this_system();
  facts.hwloc_version = machine.hwloc_version();
  facts.summary = machine.summary();
  return facts;
}

}  // namespace

MachineInputs inputs_of(const topology::Machine& machine, const Clock& clock) {
  MachineInputs inputs;
  inputs.created = std::time(nullptr);
  inputs.topology = topology_facts(machine);
  inputs.clock = clock.description();
  inputs.libraries = {{"glibc", gnu_get_libc_version()}};
  inputs.ceiling = measure_flush_ceiling(clock);
  return inputs;
}

}  // namespace flushwalk
