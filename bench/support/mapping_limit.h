// Mapping limit: whether as many ranges can be flushed apart as a load has. Where a backend splits
// mappings (splits_mappings), each range becomes one of its own, and the kernel allows a process
// vm.max_map_count of them.
#ifndef FLUSHWALK_BENCH_SUPPORT_MAPPING_LIMIT_H_
#define FLUSHWALK_BENCH_SUPPORT_MAPPING_LIMIT_H_

#include <cstdint>
#include <string>

#include "allocator/flush_plan.h"
#include "allocator/shootdown.h"

namespace flushwalk {

// Why a flush of that many ranges cannot be had, with the numbers; empty when it can.
std::string why_too_many_ranges(std::uint64_t ranges, ShootdownKind kind, Gather gather);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_MAPPING_LIMIT_H_
