// CPUID: what an x86 CPU says of itself, or its hypervisor says instead.
#ifndef FLUSHWALK_BENCH_SUPPORT_CPUID_H_
#define FLUSHWALK_BENCH_SUPPORT_CPUID_H_

#include <cstdint>
#include <functional>
#include <optional>

namespace flushwalk {

struct CpuidLeaf {
  std::uint32_t eax = 0;
  std::uint32_t ebx = 0;
  std::uint32_t ecx = 0;
  std::uint32_t edx = 0;
};

// A leaf and subleaf (0 where it has none); nullopt where there is none (not x86, or beyond the
// highest of its range).
using CpuidFunction =
    std::function<std::optional<CpuidLeaf>(std::uint32_t leaf, std::uint32_t subleaf)>;
std::optional<CpuidLeaf> read_cpuid(std::uint32_t leaf, std::uint32_t subleaf = 0);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_CPUID_H_
