// Proof: what stands beside a time to show that the shootdowns in it took place and that nothing
// else disturbed it: gaps in the responders' clocks, the kernel's TLB row, context switches, page
// faults and migrations. Benches that flush gather it here, and are judged here.
#ifndef FLUSHWALK_BENCH_SUPPORT_PROOF_H_
#define FLUSHWALK_BENCH_SUPPORT_PROOF_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/support/clock.h"
#include "bench/support/gap_matching.h"
#include "bench/support/kernel_tables.h"
#include "bench/support/measurements.h"
#include "bench/support/responders.h"
#include "bench/support/statistics.h"
#include "topology/placement.h"

namespace flushwalk {

// Where CPUs are interrupted, the TLB row is read around batches of this many samples.
inline constexpr unsigned kSamplesPerBatch = 10;
// The least share of the expected shootdowns that must be proven, in percent.
inline constexpr std::uint64_t kLeastProvenPercent = 99;

// What one responder did during the samples of one case.
struct ResponderResult {
  int cpu = 0;
  std::uint64_t proven = 0;  // shootdowns, by its gaps
  std::uint64_t exact = 0;   // flushes in which just as many gaps began as calls were made
  std::vector<Ticks> stalls;
  // Of the loop after flushes (Gap); as many of the one as of the other.
  std::vector<Ticks> first_rounds;
  std::vector<Ticks> second_rounds;
  // Of its CPU; nullopt where the kernel's row says nothing of them (shootdown_mechanism.h).
  std::optional<std::uint64_t> tlb_interrupts;
  ThreadCounts counts;  // of the whole repetition: all cases'
  std::uint64_t lost_gaps = 0;
};

// Of one case in one repetition.
struct Proof {
  std::uint64_t expected = 0;  // shootdowns: interrupting calls x responders
  std::uint64_t untimed = 0;   // those between the timed ones: the TLB row counts them too
  std::uint64_t context_switches = 0;
  std::uint64_t page_faults = 0;
  std::optional<std::uint64_t> migrations;  // of the whole repetition
  std::vector<ResponderResult> responders;
};

// Why the times must not be believed; empty when they may. interrupts: the backend does.
std::string why_invalid(const Proof& proof, bool interrupts);

// The calling thread's switches and faults so far. Cheap: it is read around each sample.
struct Usage {
  std::uint64_t switches;
  std::uint64_t faults;
};
Usage read_usage();

// From its making to end(): how far the TLB row moves on the responders' CPUs.
class TlbBatch {
 public:
  // cpus: the responders'; they outlive it. counting: whether the row says anything of what is
  // flushed.
  TlbBatch(std::span<const int> cpus, bool counting);
  // Sees to it that there is a result for each CPU.
  void end(Proof* proof) const;

 private:
  std::span<const int> cpus_;
  bool counting_;
  InterruptCounts before_;
};

// Gaps that each responder has to keep for a run with that many shootdowns.
std::size_t gaps_to_keep(std::size_t shootdowns);

// After the responders' run: which of the case's windows each of them was interrupted in.
void match_responders(const Responders& responders, std::span<const ShootdownWindow> windows,
                      const Clock& clock, Proof* proof);

std::optional<Summary> summary_in_ns(std::span<Ticks> samples, const Clock& clock);

// The CPUs, the proof's columns and the reason of the initiator's rows.
void put_proof(const Proof& proof, const topology::Placement& placement, bool interrupts,
               MeasurementRow* row);
// Appends a `stall` row for each responder, made from the initiator's. Sorts the stalls.
void add_stall_rows(const MeasurementRow& initiator, const Clock& clock, Proof* proof,
                    std::vector<MeasurementRow>* rows);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_PROOF_H_
