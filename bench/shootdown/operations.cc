#include "bench/shootdown/operations.h"

#include <fmt/core.h>

namespace flushwalk {
namespace {

struct Facts {
  const char* name;
  const char* call;
  bool flushes_tlb;
};

Facts facts_of(Operation operation) {
  switch (operation) {
    case Operation::none:
      return {"none", "", false};
    case Operation::noop:
      return {"noop", "mprotect(READ|WRITE)", false};
    case Operation::none_to_rw:
      return {"none_to_rw", "mprotect(READ|WRITE)", false};
    case Operation::membarrier:
      return {"membarrier", "membarrier(PRIVATE_EXPEDITED)", false};
    case Operation::mprotect_range:
      return {"mprotect_range", "mprotect(READ|WRITE|EXEC)", true};
    case Operation::cold_range:
      return {"cold_range", "madvise(COLD)", true};
    case Operation::mprotect:
      return {"mprotect", "mprotect(NONE)", true};
    case Operation::munmap:
      return {"munmap", "munmap", true};
    case Operation::munmap_whole:
      return {"munmap_whole", "munmap", true};
    case Operation::mremap:
      return {"mremap", "mremap(MAYMOVE|FIXED)", true};
    case Operation::guard:
      return {"guard", "madvise(GUARD_INSTALL)", true};
    case Operation::dontneed:
      return {"dontneed", "madvise(DONTNEED)", true};
    case Operation::dontneed_loop:
      return {"dontneed_loop", "madvise(DONTNEED)", true};
    case Operation::dontneed_vectored:
      return {"dontneed_vectored", "process_madvise(DONTNEED)", true};
  }
  return {"unknown", "", false};
}

bool has_pages(Operation operation) {
  return operation != Operation::none && operation != Operation::membarrier;
}

}  // namespace

std::string_view name_of(Operation operation) { return facts_of(operation).name; }
std::string_view call_of(Operation operation) { return facts_of(operation).call; }
bool flushes_tlb(Operation operation) { return facts_of(operation).flushes_tlb; }

bool interrupts(Operation operation) {
  return flushes_tlb(operation) || operation == Operation::membarrier;
}

bool undone_by_flush(Operation operation) { return operation == Operation::none_to_rw; }

bool takes_every_other_page(Operation operation) {
  return operation == Operation::dontneed_loop || operation == Operation::dontneed_vectored;
}

std::string_view name_of(Arm arm) {
  switch (arm) {
    case Arm::operation:
      return "operation";
    case Arm::untouched:
      return "untouched";
    case Arm::single_threaded:
      return "single_threaded";
    case Arm::membarrier:
      return "membarrier";
    case Arm::noop:
      return "noop";
    case Arm::none:
      return "none";
  }
  return "unknown";
}

Operation operation_of(Operation operation, Arm arm) {
  switch (arm) {
    case Arm::operation:
    case Arm::untouched:
    case Arm::single_threaded:
      break;
    case Arm::membarrier:
      return Operation::membarrier;
    case Arm::noop:
      return Operation::noop;
    case Arm::none:
      return Operation::none;
  }
  return operation;
}

bool interrupts(Operation operation, Arm arm) {
  return arm != Arm::untouched && arm != Arm::single_threaded &&
         interrupts(operation_of(operation, arm));
}

std::string why_senseless(Operation operation, Arm arm) {
  if (arm == Arm::untouched && !has_pages(operation)) {
    return fmt::format("{} works on no pages that could be untouched", name_of(operation));
  }
  if (arm == Arm::single_threaded && operation == Operation::membarrier) {
    return "membarrier does nothing in a process of one thread";
  }
  if (arm != Arm::operation && name_of(arm) == name_of(operation)) {
    return fmt::format("{} is the operation itself", name_of(arm));
  }
  return {};
}

std::string_view name_of(PageSize size) { return size == PageSize::small ? "4k" : "2m"; }

}  // namespace flushwalk
