// Intel, from Skylake on. A walk that completed is one page table walk of the hardware.
#include "bench/counters/event_sets.h"

namespace flushwalk {
namespace {

constexpr std::array<std::string_view, 9> kPmus = {"skl",     "skx", "clx", "icl", "icx",
                                                   "adl_glc", "spr", "emr", "tgl"};

constexpr std::array kEvents = {
    SetEvent{"walk tlb", "dtlb_load_misses.walk_completed:u", "page table walks for loads"},
    SetEvent{"walk", "dtlb_load_misses.stlb_hit:u", "loads that the second-level TLB served"},
    SetEvent{"tlb", "dtlb_load_misses.walk_completed:k", "page table walks in the kernel"},
    SetEvent{"tlb", "dtlb_store_misses.walk_completed:k", "the same for stores"},
    SetEvent{"tlb", "itlb_misses.walk_completed:k", "the same for instructions"},
    SetEvent{"tlb", "tlb_flush.dtlb_thread:k", "entries flushed from the data TLB, in flushes",
             "spr emr"},
    SetEvent{"tlb", "tlb_flush.stlb_any:k", "flushes of the second-level TLB", "spr emr"},
    SetEvent{"walk memory", "mem_load_retired.l2_miss:u", "loads that missed the L2 cache"},
    SetEvent{"memory", "mem_load_retired.l1_miss:u", "loads that missed the L1 cache"},
    SetEvent{"memory", "mem_load_retired.l3_miss:u", "loads that missed the L3 cache"},
    SetEvent{"memory", "longest_lat_cache.miss:u", "misses of the last level of caches"},
};

constexpr std::array kMetrics = {
    Metric{"walks_per_visited_block", "dtlb_load_misses.walk_completed:u", Divisor::visited_block,
           Side::initiator, "page table walks in user mode a visited block"},
    Metric{"walks_per_shootdown",
           "dtlb_load_misses.walk_completed:k+dtlb_store_misses.walk_completed:k+"
           "itlb_misses.walk_completed:k",
           Divisor::shootdown, Side::either, "page table walks in the kernel a shootdown"},
    Metric{"tlb_flushes_per_shootdown", "tlb_flush.stlb_any:k", Divisor::shootdown, Side::either,
           "flushes of the second-level TLB a shootdown"},
};

}  // namespace

const EventTable kIntelTable{"Intel", kPmus, kEvents, kMetrics};

}  // namespace flushwalk
