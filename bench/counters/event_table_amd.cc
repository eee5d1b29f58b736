// AMD, from Zen 2 on. A reload of the first-level TLB that missed the second level is a page table
// walk; its page sizes are unit masks of one event, which are counted together.
#include "bench/counters/event_sets.h"

namespace flushwalk {
namespace {

constexpr std::array<std::string_view, 3> kPmus = {"amd64_fam17h_zen2", "amd64_fam19h_zen3",
                                                   "amd64_fam19h_zen4"};

constexpr std::array kEvents = {
    SetEvent{"walk tlb", "l1_dtlb_miss.tlb_reload_4k_l2_miss.tlb_reload_coalesced_page_miss:u",
             "page table walks for loads and stores, of small pages"},
    SetEvent{"walk", "l1_dtlb_miss.tlb_reload_2m_l2_miss.tlb_reload_1g_l2_miss:u",
             "the same of large pages"},
    SetEvent{"walk", "l1_dtlb_miss.tlb_reload_4k_l2_hit.tlb_reload_coalesced_page_hit:u",
             "misses that the second-level TLB served, of small pages"},
    SetEvent{"tlb", "l1_dtlb_miss.tlb_reload_4k_l2_miss.tlb_reload_coalesced_page_miss:k",
             "page table walks in the kernel, of small pages"},
    SetEvent{"tlb", "l1_itlb_miss_l2_itlb_miss.if4k:k",
             "page table walks for instructions, of small pages"},
    SetEvent{"tlb", "tlb_flushes.all:k", "flushes of the whole TLB or of its entries"},
    SetEvent{"walk memory", "core_to_l2_cacheable_request_access_status.ls_rd_blk_c:u",
             "loads that missed the L2 cache"},
    SetEvent{"memory", "any_data_cache_fills_from_system.lcl_l2:u",
             "lines that the L1 cache took from the L2", "amd64_fam17h_zen2"},
};

constexpr std::array kMetrics = {
    Metric{"walks_per_visited_block",
           "l1_dtlb_miss.tlb_reload_4k_l2_miss.tlb_reload_coalesced_page_miss:u+"
           "l1_dtlb_miss.tlb_reload_2m_l2_miss.tlb_reload_1g_l2_miss:u",
           Divisor::visited_block, Side::initiator,
           "page table walks in user mode a visited block"},
    Metric{"walks_per_shootdown",
           "l1_dtlb_miss.tlb_reload_4k_l2_miss.tlb_reload_coalesced_page_miss:k+"
           "l1_itlb_miss_l2_itlb_miss.if4k:k",
           Divisor::shootdown, Side::either, "page table walks in the kernel a shootdown"},
    Metric{"tlb_flushes_per_shootdown", "tlb_flushes.all:k", Divisor::shootdown, Side::either,
           "flushes of the TLB a shootdown"},
};

}  // namespace

const EventTable kAmdTable{"AMD", kPmus, kEvents, kMetrics};

}  // namespace flushwalk
