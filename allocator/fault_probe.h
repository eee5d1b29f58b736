// FaultProbe: an access that may fault, and is told about instead of ending the process: how a
// stale alias is proven. A real load or store at the old address either works (the alias is stale)
// or raises SIGSEGV (it is gone).
#ifndef FLUSHWALK_ALLOCATOR_FAULT_PROBE_H_
#define FLUSHWALK_ALLOCATOR_FAULT_PROBE_H_

#include <cstdint>
#include <string_view>

#include "allocator/geometry.h"

namespace flushwalk {

struct ProbeResult {
  bool faulted = false;
  int signal_code =
      0;  // si_code of the fault: SEGV_ACCERR (no permission), SEGV_MAPERR (no mapping)
  std::uint8_t value = 0;  // what was read
};

// One byte at `address`. Any thread, also several at once. The first call installs a handler for
// SIGSEGV and SIGBUS, which passes on to the earlier one whatever is not a probe's.
ProbeResult probe_read(Address address);
ProbeResult probe_write(Address address, std::uint8_t value);

// "SEGV_ACCERR", "SEGV_MAPERR", or "fault".
std::string_view fault_name(int signal_code);

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_FAULT_PROBE_H_
