// Which CPUs a measurement uses: one for the initiator (it flushes), and one for each responder (it
// is interrupted). A placement is what was asked for or a refusal which says what is missing; never
// quietly another one.
#ifndef FLUSHWALK_TOPOLOGY_PLACEMENT_H_
#define FLUSHWALK_TOPOLOGY_PLACEMENT_H_

#include <string>
#include <string_view>
#include <vector>

#include "topology/machine.h"
#include "topology/result.h"

namespace flushwalk::topology {

struct Placement {
  std::string name;  // how it was chosen, as results say it: "compact", or "cpus:" and the list
  int initiator = 0;
  std::vector<int> responders;  // in the order in which more responders would take them
};

// One usable CPU (the first) of each core but that of `cpu`, those nearest to `cpu` first: by
// Machine::distance, then in the machine's order. `cpu` must exist (asserted).
std::vector<int> nearest_first(const Machine& machine, int cpu);

// The initiator on the machine's first usable CPU, each responder on a core of its own,
// nearest_first(). The CPUs for n responders are the first of those for n + 1, so that figures by
// number of responders have the same initiator. `responders` from 0.
Result<Placement> choose_compact(const Machine& machine, int responders);

// The first CPU of `list` ("0,4,8" or "0-3", cpu_list.h) is the initiator, those after it are the
// responders, in the order written; CPUs that are left over stay unused. Two on one core are
// allowed: they were asked for. Every CPU of the list must be usable, also those left over.
Result<Placement> choose_listed(const Machine& machine, std::string_view list, int responders);

}  // namespace flushwalk::topology

#endif  // FLUSHWALK_TOPOLOGY_PLACEMENT_H_
