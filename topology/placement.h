// Which CPUs a measurement uses: one for the initiator (it flushes), and one for each responder (it
// is interrupted). A placement is what was asked for or a refusal which says what is missing; never
// quietly another one.
//
// The named placements take usable CPUs of one kind alone, the most performant there is: on a
// hybrid machine figures by placement would else be figures by kind of core. A taskset without
// those CPUs asks for another kind, and cpus:LIST for any mixture.
#ifndef FLUSHWALK_TOPOLOGY_PLACEMENT_H_
#define FLUSHWALK_TOPOLOGY_PLACEMENT_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "topology/machine.h"
#include "topology/result.h"

namespace flushwalk::topology {

struct Placement {
  std::string name;  // as results say it: "compact", or "cpus:" and the list
  int initiator = 0;
  std::vector<int> responders;  // in the order in which more responders would take them
};

struct PlacementFacts {
  std::string_view name;
  std::string_view meaning;  // which CPUs the responders get
};

// The named placements; each has one way to choose CPUs (the table in placement.cc).
std::span<const PlacementFacts> named_placements();

inline constexpr std::string_view kCompact = "compact";
// What a list of CPUs begins with.
inline constexpr std::string_view kListed = "cpus:";

// The placement for as many responders, from 0. `name` is that of a named placement, or "cpus:" and
// a list ("cpus:0,4,8", cpu_list.h): its first CPU is the initiator's, those after it the
// responders', two on one core if so written; all must be usable, also those left over.
//
// The CPUs for n responders are the first of those for n + 1, so that figures by number of
// responders have the same initiator. Where all responders of a placement share something with the
// initiator (smt, same_*) or are apart from it (cross_*), all are equally far, and the initiator is
// where most of them find room. Such a placement is refused also for no responder where it has room
// for none: its name would say what is not so.
Result<Placement> choose_placement(const Machine& machine, std::string_view name, int responders);

// The placement with as many responders as it has room for.
Result<Placement> widest_placement(const Machine& machine, std::string_view name);

}  // namespace flushwalk::topology

#endif  // FLUSHWALK_TOPOLOGY_PLACEMENT_H_
