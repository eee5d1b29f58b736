// Operations: what shootdown_bench times, and what it holds them against: names and facts, no code.
#ifndef FLUSHWALK_BENCH_SHOOTDOWN_OPERATIONS_H_
#define FLUSHWALK_BENCH_SHOOTDOWN_OPERATIONS_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "allocator/geometry.h"

namespace flushwalk {

// A system call, or a loop of them, on pages of private memory. target.h makes them.
enum class Operation {
  none,               // the clock alone
  noop,               // mprotect to the permissions that are there
  none_to_rw,         // mprotect that gives access: nothing can be stale
  membarrier,         // an interrupt, and no TLB work
  mprotect_range,     // mprotect that toggles exec
  cold_range,         // madvise(COLD)
  mprotect,           // to no access
  munmap,             // a part of a mapping
  munmap_whole,       // all of a mapping
  mremap,             // all of a mapping, to another address
  guard,              // madvise(GUARD_INSTALL)
  dontneed,           // madvise(DONTNEED)
  dontneed_loop,      // the same of every other page, a call a page
  dontneed_vectored,  // those pages in one process_madvise
};

inline constexpr Operation kOperations[] = {
    Operation::none,           Operation::noop,
    Operation::none_to_rw,     Operation::membarrier,
    Operation::mprotect_range, Operation::cold_range,
    Operation::mprotect,       Operation::munmap,
    Operation::munmap_whole,   Operation::mremap,
    Operation::guard,          Operation::dontneed,
    Operation::dontneed_loop,  Operation::dontneed_vectored};

std::string_view name_of(Operation operation);
// The system call, for messages: "mprotect(NONE)". Empty of none.
std::string_view call_of(Operation operation);

// True where touched pages make it a TLB flush on other CPUs.
bool flushes_tlb(Operation operation);
// True where it interrupts the other CPUs that run this process: those, and membarrier.
bool interrupts(Operation operation);
// True where undoing it, between timed operations, is a TLB flush.
bool undone_by_flush(Operation operation);
// True where its pages are every other one, so that each is a range.
bool takes_every_other_page(Operation operation);

// What stands in the arm's place in its case's turn.
enum class Arm {
  operation,        // the operation as it is
  untouched,        // the same calls on pages that nobody has touched
  single_threaded,  // the operation in a process of one thread, on the same CPU
  membarrier,       // these three: another operation, on the same pages
  noop,
  none,
};
inline constexpr Arm kArms[] = {Arm::operation,  Arm::untouched, Arm::single_threaded,
                                Arm::membarrier, Arm::noop,      Arm::none};
std::string_view name_of(Arm arm);

// What the arm makes of the operation.
Operation operation_of(Operation operation, Arm arm);
// Whether it interrupts the threads of this process on other CPUs.
bool interrupts(Operation operation, Arm arm);
// Why the two do not go together, as one line; empty where they do.
std::string why_senseless(Operation operation, Arm arm);

enum class PageSize {
  small,  // kPageSize
  huge,   // 2 MiB, transparent
};
inline constexpr PageSize kPageSizes[] = {PageSize::small, PageSize::huge};
std::string_view name_of(PageSize size);  // "4k", "2m"
constexpr std::size_t bytes_of(PageSize size) {
  return size == PageSize::small ? std::size_t{kPageSize} : std::size_t{2} << 20;
}

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SHOOTDOWN_OPERATIONS_H_
