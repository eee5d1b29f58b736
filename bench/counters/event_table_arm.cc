// Arm Neoverse. The architecture's common events; another CPU's TLBI is carried out by the
// hardware, and none of them counts it.
#include "bench/counters/event_sets.h"

namespace flushwalk {
namespace {

constexpr std::array<std::string_view, 4> kPmus = {"arm_n1", "arm_n2", "arm_v1", "arm_v2"};

constexpr std::array kEvents = {
    SetEvent{"walk tlb", "dtlb_walk:u", "page table walks for loads and stores"},
    SetEvent{"tlb", "dtlb_walk:k", "page table walks in the kernel"},
    SetEvent{"tlb", "itlb_walk:k", "page table walks for instructions, in the kernel"},
    SetEvent{"walk", "l1d_tlb_refill:u", "misses of the first-level data TLB"},
    SetEvent{"walk memory", "l2d_cache_refill:u", "lines that the L2 cache took from further away"},
    SetEvent{"memory", "l1d_cache_refill:u", "lines that the L1 cache took from further away"},
};

constexpr std::array kMetrics = {
    Metric{"walks_per_visited_block", "dtlb_walk:u", Divisor::visited_block, Side::initiator,
           "page table walks in user mode a visited block"},
    Metric{"walks_per_shootdown", "dtlb_walk:k+itlb_walk:k", Divisor::shootdown, Side::either,
           "page table walks in the kernel a shootdown"},
};

}  // namespace

const EventTable kArmTable{"Arm", kPmus, kEvents, kMetrics};

}  // namespace flushwalk
