// Operation proof: of each operation, and each responder, whether the one interrupted the other,
// and what is known where not. Pure functions of recorded times.
//
// Stricter than gap_matching.h, which counts: here each operation is judged, for the times of
// proven and unproven ones are kept apart. A gap proves an operation if it begins while the
// operation runs and ends soon after it: a responder that is preempted just then has a gap of a
// time slice, and whether an interrupt came first cannot be told. A timer's interrupt in the
// operation looks like its own; where the kernel's TLB row counts, it tells how many there were.
#ifndef FLUSHWALK_BENCH_SHOOTDOWN_OPERATION_PROOF_H_
#define FLUSHWALK_BENCH_SHOOTDOWN_OPERATION_PROOF_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bench/support/clock.h"
#include "bench/support/gap_loop.h"
#include "bench/support/gap_matching.h"
#include "bench/support/proof.h"
#include "bench/support/shootdown_mechanism.h"

namespace flushwalk {

enum class Verdict : std::uint8_t {
  proven,
  away,      // its clock stood still already when the operation began
  ran_on,    // its clock ran on: fewer gaps than there should be
  too_long,  // a gap began, and lasted longer than an interrupt's
};

struct ProofLimits {
  Ticks slack;         // how far two CPUs' clocks may be apart
  Ticks longest_rest;  // from the operation's end to that of a gap which proves it
};
// 100 ns, and 0.5 ms: an interrupt is acknowledged before the operation can end, and a hypervisor
// lets the CPU go on some 20 us after it; a time slice is 0.75 ms at least.
ProofLimits proof_limits(const Clock& clock);

// Gaps that an operation of so many calls needs: as many; 99 % of a hundred and more, where a timer
// may hide one.
std::uint64_t gaps_needed(std::uint64_t calls);

// What one responder shows of the operations that should interrupt it.
struct OperationVerdicts {
  std::vector<Verdict> verdicts;  // by operation
  std::uint64_t proven = 0;       // calls seen as a gap, at most all of each operation
  std::uint64_t exact = 0;        // operations with just as many gaps as calls
  // Of proven operations: the longest gap of each, and the rounds after the last one where both are
  // known.
  std::vector<Ticks> stalls;
  std::vector<Ticks> first_rounds;
  std::vector<Ticks> second_rounds;

  std::uint64_t count(Verdict verdict) const;
};

// Both ascending in time; operations do not overlap.
OperationVerdicts judge_operations(std::span<const ShootdownWindow> operations,
                                   std::span<const Gap> gaps, const ProofLimits& limits);

// Of operations that should interrupt nobody: those while which a gap begins.
std::uint64_t count_stray(std::span<const ShootdownWindow> operations, std::span<const Gap> gaps);

// The share of each batch that lies in gaps, percent. Left out are batches with a gap longer than
// `longest` in them: what the responder lost then, another task had, or another guest.
std::vector<double> shares_lost(std::span<const ShootdownWindow> batches, std::span<const Gap> gaps,
                                Ticks longest);

// What is known of one responder's unproven operations, as one line without their number:
// "3 found CPU 1 away (its thread was switched out 2 times against its will), 1 ran on". Empty
// where there are none.
std::string why_unproven(const OperationVerdicts& verdicts, int cpu, const ThreadCounts& counts,
                         ShootdownMechanism mechanism);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SHOOTDOWN_OPERATION_PROOF_H_
