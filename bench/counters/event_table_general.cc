// What is counted on every CPU, and what on one that no vendor's table knows.
#include "bench/counters/event_sets.h"

namespace flushwalk {
namespace {

constexpr std::array kEvents = {
    SetEvent{"walk", "cycles:u", "cycles in user mode: the walk and the gather"},
    SetEvent{"walk", "instructions:u", "instructions in user mode"},
    SetEvent{"tlb", "cycles:k", "cycles in the kernel: the shootdown's call, or its interrupt"},
    SetEvent{"tlb", "instructions:k", "instructions in the kernel"},
    SetEvent{"memory software", "page-faults", "minor and major"},
    SetEvent{"software", "context-switches", "0 in a valid row"},
    SetEvent{"software", "cpu-migrations", "0 of a pinned thread"},
    SetEvent{"tlb software", "tlb:tlb_flush/reason==1/", "flushes that another CPU asked for"},
    SetEvent{"tlb software", "tlb:tlb_flush/reason==3/", "flushes of the own CPU's TLB"},
    SetEvent{"tlb software", "tlb:tlb_flush/reason==4/", "flushes that other CPUs were asked for"},
    SetEvent{"tlb software", "/proc/interrupts:TLB", "shootdown interrupts that the CPU took"},
    SetEvent{"tlb software", "/proc/interrupts:CAL", "function call interrupts that the CPU took"},
    SetEvent{"tlb software", "/proc/vmstat:nr_tlb_*",
             "the machine's TLB flushes (kernels with CONFIG_DEBUG_TLBFLUSH)"},
};

constexpr std::array kMetrics = {
    Metric{"cycles_per_visited_block", "cycles:u", Divisor::visited_block, Side::initiator,
           "cycles in user mode a visited block"},
    Metric{"instructions_per_visited_block", "instructions:u", Divisor::visited_block,
           Side::initiator, "instructions in user mode a visited block"},
    Metric{"cycles_per_shootdown", "cycles:k", Divisor::shootdown, Side::either,
           "cycles in the kernel a shootdown, of the thread's own side"},
    Metric{"remote_flushes_per_shootdown", "tlb:tlb_flush/reason==1/", Divisor::shootdown,
           Side::responder, "flushes received a shootdown: 1 where an interrupt carries it"},
};

constexpr std::array kUnknownCpuEvents = {
    SetEvent{"walk tlb", "dTLB-load-misses:u", "loads that missed the TLB"},
    SetEvent{"tlb", "dTLB-load-misses:k", "the same in the kernel"},
    SetEvent{"tlb", "iTLB-load-misses:k", "instruction fetches that missed the TLB"},
    SetEvent{"memory", "cache-references:u", "accesses to the last level of caches"},
    SetEvent{"memory walk", "cache-misses:u", "of these the misses"},
};

}  // namespace

const EventTable kGeneralTable{"any", {}, kEvents, kMetrics};
const EventTable kUnknownCpuTable{"unknown", {}, kUnknownCpuEvents, {}};

}  // namespace flushwalk
