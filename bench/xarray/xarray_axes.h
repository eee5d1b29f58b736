// Xarray axes: the cases of xarray_bench, from what the command line asks for.
//
// Cases of the same entries and keys that do the same form a group and are sampled in turn: the
// containers of one operation, and all iterate operations together, so that the xarray's cursor
// meets another container's iteration in pairs.
#ifndef FLUSHWALK_BENCH_XARRAY_XARRAY_AXES_H_
#define FLUSHWALK_BENCH_XARRAY_XARRAY_AXES_H_

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "bench/support/bad_input.h"
#include "bench/xarray/index_container.h"
#include "bench/xarray/population.h"

namespace flushwalk {

// What is common to the cases of a group.
struct XArrayAxes {
  KeySet keys = KeySet::dense;
  std::size_t entries = 0;
};

struct XArrayRival {
  ContainerKind container;
  IndexOperation operation;

  friend bool operator==(const XArrayRival&, const XArrayRival&) = default;
};

struct XArrayGroup {
  XArrayAxes axes;
  std::vector<XArrayRival> rivals;  // not empty
};

// The value of --container that stands for all that this program was built with.
inline constexpr const char* kAvailable = "available";

// The flags' texts: comma separated lists.
struct XArrayTexts {
  std::string container = kAvailable;
  std::string operation = "insert,load,erase,iterate,iterate_cursor";
  std::string entries = "16,256,4096,65536";
  std::string keys = "dense,every_64th,random";
};

// Every combination, but those of an operation that the container does not have. A Problem names
// the flag, the value and what is allowed.
std::variant<std::vector<XArrayGroup>, Problem> make_xarray_groups(const XArrayTexts& texts);

// "xarray/container:xarray/operation:load/entries:64/keys:dense".
std::string case_name(const XArrayAxes& axes, const XArrayRival& rival);

// What --list-containers prints: each container, and whether it is in or why not.
std::string container_list();

// The names of the containers that are not in, with commas between; empty: all are.
std::string absent_containers();

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_XARRAY_XARRAY_AXES_H_
