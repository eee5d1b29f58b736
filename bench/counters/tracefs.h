// Tracefs: where the kernel describes its tracepoints.
#ifndef FLUSHWALK_BENCH_COUNTERS_TRACEFS_H_
#define FLUSHWALK_BENCH_COUNTERS_TRACEFS_H_

#include <string>

namespace flushwalk {

// A mount of tracefs that no folder shows, as /proc/self/fd/N: where nobody has mounted it and this
// process may (CAP_SYS_ADMIN, Linux 5.2). Made once, and gone with the process; empty where it
// cannot be had.
const std::string& detached_tracefs();

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_COUNTERS_TRACEFS_H_
