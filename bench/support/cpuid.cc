#include "bench/support/cpuid.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace flushwalk {

std::optional<CpuidLeaf> read_cpuid([[maybe_unused]] std::uint32_t leaf,
                                    [[maybe_unused]] std::uint32_t subleaf) {
#if defined(__x86_64__)
  constexpr std::uint32_t kHypervisorRange = 0x40000000;
  CpuidLeaf result;
  // The hypervisor's leaves are not bounded by leaf 0: their own first leaf states the highest one.
  if (leaf >= kHypervisorRange && leaf < kHypervisorRange + 0x10000) {
    const std::uint32_t range = leaf & ~0xffU;
    __cpuid(1, result.eax, result.ebx, result.ecx, result.edx);
    if ((result.ecx & (1U << 31)) == 0) {
      return std::nullopt;
    }
    __cpuid(range, result.eax, result.ebx, result.ecx, result.edx);
    // Old KVM states 0 for its highest leaf and means the next one.
    const std::uint32_t highest = result.eax == 0 && result.ebx != 0 ? range + 1 : result.eax;
    if (leaf != range && leaf > highest) {
      return std::nullopt;
    }
    __cpuid_count(leaf, subleaf, result.eax, result.ebx, result.ecx, result.edx);
    return result;
  }
  if (__get_cpuid_count(leaf, subleaf, &result.eax, &result.ebx, &result.ecx, &result.edx) == 0) {
    return std::nullopt;
  }
  return result;
#else
  return std::nullopt;
#endif
}

}  // namespace flushwalk
