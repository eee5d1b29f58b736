// This machine, as machine.json describes it: what a program finds out about where it runs, beside
// what only that program knows (its arguments, its counters).
#ifndef FLUSHWALK_BENCH_SUPPORT_THIS_MACHINE_H_
#define FLUSHWALK_BENCH_SUPPORT_THIS_MACHINE_H_

#include "bench/support/clock.h"
#include "bench/support/machine_description.h"
#include "topology/machine.h"

namespace flushwalk {

// Topology, clock, the time of day and the flush ceiling, which is measured here where the kernel
// does not let it be read: 0.05 s, on a busy machine 0.2. The calling thread is pinned.
MachineInputs inputs_of(const topology::Machine& machine, const Clock& clock);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_THIS_MACHINE_H_
