// Placed cases: the axis --placement, for every bench: a group of cases on CPUs chosen in a named
// way (topology/placement.h).
//
// The cases' names have the placement at their end where it is not compact, and so have their rows.
// Beside that the rows get what depends on the place: the NUMA node of the memory, and whether the
// threads stayed on their CPUs. A pin that was lost (taskset -p, a changed cpuset, a CPU that went
// offline) makes the rows of that repetition invalid and ends the group; a later one pins anew.
#ifndef FLUSHWALK_BENCH_SUPPORT_PLACED_CASES_H_
#define FLUSHWALK_BENCH_SUPPORT_PLACED_CASES_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "bench/support/bad_input.h"
#include "bench/support/case_group.h"
#include "topology/machine.h"

namespace flushwalk {

// Reads "compact,cpus:0,4,8,smt": what begins with a digit goes on a list of CPUs. Empty parts and
// repeated ones are Problems; whether a name is one of a placement is told when CPUs are chosen.
std::variant<std::vector<std::string>, Problem> read_placements(const std::string& text);

// The groups that make_groups(placement) gives, as many of each, on their placements: all
// placements of one group, then those of the next.
std::variant<CaseGroups, Problem> place_cases(
    const std::vector<std::string>& placements,
    const std::function<std::variant<CaseGroups, Problem>(const std::string&)>& make_groups);

// A flag with numbers of threads, one of which may be "all".
struct ThreadNumbers {
  const char* flag;
  std::string* text;    // what the bench reads; outlives the run
  bool with_initiator;  // the initiator is among them
};
// Has each text say in place of "all" how many threads that placement has room for. A Problem where
// it has none for anybody, or where the list has that number, too.
std::optional<Problem> count_all(const topology::Machine& machine, const std::string& placement,
                                 const std::vector<ThreadNumbers>& lists);

// Where the memory of a measurement is: `nodes`, ascending.
struct MemoryPlace {
  std::optional<std::uint64_t> node;  // nullopt: on several, or it cannot be told
  std::string why_invalid;            // elsewhere than on the initiator's node; or empty
};
// nodes: none where it cannot be told; initiators: nullopt where the machine does not tell.
MemoryPlace memory_place(std::span<const int> nodes, std::optional<int> initiators);

// Each placement, what it means, and the CPUs that it gives here or why it has no room.
void list_placements(const topology::Machine& machine, std::ostream& out);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_PLACED_CASES_H_
