#include "allocator/flush_plan.h"

namespace flushwalk {

std::string_view name_of(Gather gather) {
  switch (gather) {
    case Gather::hull:
      return "hull";
    case Gather::per_block:
      return "per_block";
    case Gather::runs:
      return "runs";
    case Gather::full:
      return "full";
  }
  return "unknown";
}

}  // namespace flushwalk
