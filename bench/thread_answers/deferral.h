// Deferral: "deferred, not missed", by the ledger: how many flushes return before a freed page of a
// full block is covered by one. A workload of patch_series_bench on an allocator without memory,
// one thread, the kernel's hull: the same figures in each run.
//
// The hull covers some stale pages of full blocks by accident. With exactly the runs that a walk
// finds (the oracle's loads, allocator/oracle.h) they wait longer.
#ifndef FLUSHWALK_BENCH_THREAD_ANSWERS_DEFERRAL_H_
#define FLUSHWALK_BENCH_THREAD_ANSWERS_DEFERRAL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "allocator/oracle.h"
#include "allocator/revision.h"
#include "bench/patch_series/workload.h"

namespace flushwalk {

struct Deferrals {
  std::uint64_t freed_pages = 0;  // in the round, before its end
  // One for each request that was freed in a full block, while others of the block were in use, or
  // in one that was full before the next flush, which then missed it. Without times: nothing is
  // timed here.
  std::vector<Deferral> of_full_blocks;
};

Deferrals count_deferrals(const Workload& workload, const Behaviors& revision);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_THREAD_ANSWERS_DEFERRAL_H_
