// Shootdown mechanism: how a TLB flush reaches another CPU here, found out by trying. What proves a
// shootdown (proof.h) depends on it.
//
// On bare x86 the kernel interrupts the other CPU, and its TLB row in /proc/interrupts counts that.
// A guest may ask its hypervisor to flush for it: the CPU is taken away from the guest for a while,
// which its clock shows, and no row of the guest's moves. AMD's INVLPGB, Arm's TLBI and Intel's RAR
// reach other CPUs without interrupting the program there: neither shows anything.
#ifndef FLUSHWALK_BENCH_SUPPORT_SHOOTDOWN_MECHANISM_H_
#define FLUSHWALK_BENCH_SUPPORT_SHOOTDOWN_MECHANISM_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bench/support/clock.h"
#include "topology/machine.h"

namespace flushwalk {

enum class ShootdownMechanism {
  ipi,          // an interrupt, which the kernel's TLB row counts
  paravirtual,  // the CPU stops, and the row does not move: the hypervisor flushes
  broadcast,    // the CPU does not even stop: the hardware flushes
  unknown,      // one CPU alone, or too busy to tell
};
// "ipi", "paravirtual", "broadcast", "unknown".
std::string_view name_of(ShootdownMechanism mechanism);

// Whether the TLB row says anything of the shootdowns here. Where the mechanism is unknown it is
// taken for evidence: rather a row of results too few.
constexpr bool tlb_row_counts(ShootdownMechanism mechanism) {
  return mechanism == ShootdownMechanism::ipi || mechanism == ShootdownMechanism::unknown;
}

// What was seen on one other CPU, which ran this process, in one round.
struct MechanismRound {
  std::uint64_t shootdowns = 0;  // mprotect calls that take a permission from a touched page
  std::uint64_t gaps = 0;        // of the other CPU's clock, which begin in one of these calls
  std::uint64_t controls = 0;    // mprotect calls that change nothing
  std::uint64_t control_gaps = 0;
  Ticks in_calls = 0;                           // time in the calls that flush, all added up
  Ticks stopped = 0;                            // of that, while the other CPU was in a gap
  std::optional<std::uint64_t> tlb_interrupts;  // nullopt where the kernel has no such row
};

// What one round shows; unknown where it does not decide.
ShootdownMechanism mechanism_of(const MechanismRound& round);

struct MechanismFinding {
  ShootdownMechanism mechanism = ShootdownMechanism::unknown;
  std::string how;  // the figures behind it, or why there are none
};

// Flushes from the calling thread, which is pinned elsewhere, to a thread on `cpu`; in rounds of
// some 15 ms, until one decides. A busy machine takes up to 0.6 s.
MechanismFinding find_shootdown_mechanism(const topology::Machine& machine, int cpu,
                                          const Clock& clock);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_SHOOTDOWN_MECHANISM_H_
