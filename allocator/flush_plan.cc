#include "allocator/flush_plan.h"

namespace flushwalk {

std::string_view name_of(Gather gather) {
  switch (gather) {
    case Gather::hull:
      return "hull";
    case Gather::runs:
      return "runs";
  }
  return "unknown";
}

}  // namespace flushwalk
