// What the tests share that run flush_walk_bench as a process.
#ifndef FLUSHWALK_BENCH_FLUSH_WALK_TESTS_SMALL_RUN_H_
#define FLUSHWALK_BENCH_FLUSH_WALK_TESTS_SMALL_RUN_H_

#include "bench/support/tests/result_folder.h"

namespace flushwalk {

inline constexpr const char* kBench = FLUSHWALK_PROGRAM;

// The smallest run there is.
inline const Arguments kSmall = {"--walk=xarray", "--blocks=4", "--full=50", "--samples=3",
                                 "--repetitions=2"};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_FLUSH_WALK_TESTS_SMALL_RUN_H_
