// CPU lists as people and the kernel write them ("0-3,8"). CPUs are the operating system's numbers
// everywhere in this room: those of /proc/cpuinfo and taskset.
#ifndef FLUSHWALK_TOPOLOGY_CPU_LIST_H_
#define FLUSHWALK_TOPOLOGY_CPU_LIST_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "topology/result.h"

namespace flushwalk::topology {

// The highest CPU number that is read from text; far above what any kernel can have.
inline constexpr int kMaxCpuNumber = 65'535;

// Sorted, neighbours drawn together: {8, 0, 1, 2} is "0-2,8". Empty for no CPU.
std::string format_cpu_list(std::span<const int> cpus);

// "CPU 3" or "CPUs 0-2,8"; "no CPU" for none. For messages.
std::string describe_cpus(std::span<const int> cpus);

// Reads "0,4,8" or "0-3" or both mixed, in the order written. Refuses empty text and entries,
// anything that is neither digits nor lowest-highest (blanks and signs too), a range that runs
// backwards, a CPU that is listed twice, and numbers over kMaxCpuNumber.
Result<std::vector<int>> parse_cpu_list(std::string_view text);

}  // namespace flushwalk::topology

#endif  // FLUSHWALK_TOPOLOGY_CPU_LIST_H_
