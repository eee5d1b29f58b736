// Walk axes: the cases of flush_walk_bench, from what the command line asks for.
//
// An axis is a flag with a list of values, a part of the benchmark's name and a column of the
// results. Cases that differ in walk and check alone form a group: they share one load, and their
// samples are taken in turn.
#ifndef FLUSHWALK_BENCH_FLUSH_WALK_WALK_AXES_H_
#define FLUSHWALK_BENCH_FLUSH_WALK_WALK_AXES_H_

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "allocator/revision.h"
#include "allocator/shootdown.h"
#include "bench/flush_walk/load.h"
#include "bench/flush_walk/timed_flush.h"
#include "bench/support/bad_input.h"

namespace flushwalk {

// What is common to the cases of a group.
struct GroupAxes {
  LoadShape load;
  ShootdownKind shootdown = ShootdownKind::none;
  unsigned responders = 0;
  // nullopt: the one that the shootdown goes with.
  std::optional<Gather> asked_gather = std::nullopt;

  Gather gather() const { return asked_gather.value_or(gather_for(shootdown)); }

  friend auto operator<=>(const GroupAxes&, const GroupAxes&) = default;
};

struct WalkGroup {
  GroupAxes axes;
  std::vector<Way> walks;
  // Beside whole flushes, in turn with them, the walk alone and the shootdown alone are timed.
  bool parts_alone = false;
};

// The flags' texts: comma separated lists.
struct AxisTexts {
  std::string walk = "free_list,xarray";
  std::string check = "locked";
  std::string index = "kernel";
  std::string blocks = "64,256,1024,4096,16384,65536";
  std::string full = "0,50,90";
  std::string dirty = "10";
  std::string dirty_slots = "1";
  std::string spread = "even";
  std::string descriptors = "in_order";
  std::string queues = "1";
  std::string gather = "auto";  // or a list
  std::string shootdown = "none";
  std::string responders = "0";
  bool parts_alone = false;  // of each flush that has a shootdown
  // A list: of each way there is, beside the plain one, an arm for each delay. Empty: none.
  std::string inject_delay_ns{};
};

// Every combination, loads outermost. A Problem names the flag, the value and what is allowed; a
// gather and a shootdown that do not go together are one.
std::variant<std::vector<WalkGroup>, Problem> make_groups(const AxisTexts& texts);

// "flush_walk/walk:xarray/check:locked/gather:hull/shootdown:none/blocks:64/...".
std::string case_name(const GroupAxes& axes, const Way& way);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_FLUSH_WALK_WALK_AXES_H_
