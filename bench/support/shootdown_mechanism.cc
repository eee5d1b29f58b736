#include "bench/support/shootdown_mechanism.h"

#include <fmt/core.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "allocator/geometry.h"
#include "bench/support/gap_matching.h"
#include "bench/support/kernel_tables.h"
#include "bench/support/responders.h"

namespace flushwalk {
namespace {

constexpr std::uint64_t kCalls = 50;
constexpr int kMostRounds = 40;
// Something seen is certain, nothing seen is not: on a busy guest single rounds show no gap though
// the hypervisor flushes.
constexpr int kBroadcastRounds = 10;
// Between calls: a hypervisor lets the CPU go on some 20 us after the call has returned, and merges
// what it is asked for meanwhile.
constexpr double kRestNs = 100'000;
constexpr std::size_t kGapsToKeep = 1 << 14;

// Nine of ten: something else may run for a moment. One of ten: timers interrupt too.
bool nearly_all(std::uint64_t count, std::uint64_t all) { return count * 10 >= all * 9; }
bool hardly_any(std::uint64_t count, std::uint64_t all) { return count * 10 <= all; }

// A page of memory that shootdowns take a permission from.
class Page {
 public:
  Page()
      : address_(
            mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {}
  ~Page() {
    if (address_ != MAP_FAILED) {
      munmap(address_, kPageSize);
    }
  }
  Page(const Page&) = delete;
  Page& operator=(const Page&) = delete;

  bool mapped() const { return address_ != MAP_FAILED; }
  void touch() { *static_cast<volatile char*>(address_) = 1; }
  // 0 or errno.
  int protect(int permissions) {
    return mprotect(address_, kPageSize, permissions) == 0 ? 0 : errno;
  }

 private:
  void* address_;
};

class Prober {
 public:
  Prober(Responders& responders, const Clock& clock, Page& page)
      : responders_(responders), clock_(clock), page_(page) {}

  // nullopt: a call failed; failed() says why.
  std::optional<MechanismRound> round() {
    const std::optional<Calls> controls = make_calls(PROT_READ | PROT_WRITE);
    const InterruptCounts before = read_interrupts();
    const std::optional<Calls> flushes = controls ? make_calls(PROT_READ) : std::nullopt;
    if (!flushes) {
      return std::nullopt;
    }
    MechanismRound seen;
    seen.shootdowns = seen.controls = kCalls;
    seen.gaps = flushes->gaps;
    seen.control_gaps = controls->gaps;
    seen.in_calls = flushes->time;
    seen.stopped = flushes->stopped;
    seen.tlb_interrupts = interrupts_between(before.tlb, read_interrupts().tlb,
                                             static_cast<unsigned>(responders_.cpu(0)));
    return seen;
  }
  int failed() const { return failed_; }  // an errno, or 0

 private:
  struct Calls {
    std::uint64_t gaps = 0;
    Ticks time = 0;
    Ticks stopped = 0;
  };

  std::optional<Calls> make_calls(int permissions) {
    std::vector<ShootdownWindow> windows;
    windows.reserve(kCalls);
    responders_.run();
    for (std::uint64_t i = 0; failed_ == 0 && i < kCalls; ++i) {
      page_.touch();
      const Ticks begin = clock_.now_begin();
      failed_ = page_.protect(permissions);
      windows.push_back({begin, clock_.now_end(), 1});
      failed_ = failed_ == 0 ? page_.protect(PROT_READ | PROT_WRITE) : failed_;
      const Ticks rested = clock_.now() + clock_.ns_to_ticks(kRestNs);
      while (clock_.now() < rested) {
      }
    }
    responders_.pause();
    if (failed_ != 0) {
      return std::nullopt;
    }
    Calls made;
    made.gaps = match_gaps(windows, responders_.gaps(0), clock_.ns_to_ticks(kClockSlackNs)).proven;
    for (const ShootdownWindow& window : windows) {
      made.time += window.end - window.begin;
    }
    for (const Ticks stopped : time_in_gaps(windows, responders_.gaps(0))) {
      made.stopped += stopped;
    }
    return made;
  }

  Responders& responders_;
  const Clock& clock_;
  Page& page_;
  int failed_ = 0;
};

std::string in_words(const MechanismRound& round, int cpu) {
  const std::string row =
      round.tlb_interrupts
          ? fmt::format("its TLB row in /proc/interrupts moved by {}", *round.tlb_interrupts)
          : "the kernel has no TLB row in /proc/interrupts";
  return fmt::format(
      "CPU {} stopped in {} of {} mprotect calls that flush, in {} of {} that do not; {}", cpu,
      round.gaps, round.shootdowns, round.control_gaps, round.controls, row);
}

}  // namespace

std::string_view name_of(ShootdownMechanism mechanism) {
  switch (mechanism) {
    case ShootdownMechanism::ipi:
      return "ipi";
    case ShootdownMechanism::paravirtual:
      return "paravirtual";
    case ShootdownMechanism::broadcast:
      return "broadcast";
    case ShootdownMechanism::unknown:
      return "unknown";
  }
  return "unknown";
}

ShootdownMechanism mechanism_of(const MechanismRound& round) {
  if (round.shootdowns == 0 || !hardly_any(round.control_gaps, round.controls)) {
    return ShootdownMechanism::unknown;
  }
  const std::uint64_t counted = round.tlb_interrupts.value_or(0);
  if (nearly_all(round.gaps, round.shootdowns) && nearly_all(counted, round.shootdowns)) {
    return ShootdownMechanism::ipi;
  }
  if (!hardly_any(counted, round.shootdowns)) {
    return ShootdownMechanism::unknown;
  }
  if (nearly_all(round.gaps, round.shootdowns)) {
    return ShootdownMechanism::paravirtual;
  }
  // A CPU that ran something else has no gaps in the calls either, but long ones around them.
  const bool ran = hardly_any(round.stopped, round.in_calls);
  return ran && hardly_any(round.gaps, round.shootdowns) ? ShootdownMechanism::broadcast
                                                         : ShootdownMechanism::unknown;
}

MechanismFinding find_shootdown_mechanism(const topology::Machine& machine, int cpu,
                                          const Clock& clock) {
  Page page;
  if (!page.mapped()) {
    return {ShootdownMechanism::unknown, fmt::format("mmap: {}", std::strerror(errno))};
  }
  std::string error;
  const auto responders = Responders::start(machine, {cpu}, clock, {}, kGapsToKeep, &error);
  if (responders == nullptr) {
    return {ShootdownMechanism::unknown, error};
  }
  Prober prober(*responders, clock, page);
  MechanismFinding finding;
  int broadcasts = 0;
  for (int i = 0; i < kMostRounds && finding.mechanism == ShootdownMechanism::unknown; ++i) {
    const std::optional<MechanismRound> round = prober.round();
    if (!round) {
      return {ShootdownMechanism::unknown,
              fmt::format("mprotect: {}", std::strerror(prober.failed()))};
    }
    ShootdownMechanism found = mechanism_of(*round);
    if (found == ShootdownMechanism::broadcast && ++broadcasts < kBroadcastRounds) {
      found = ShootdownMechanism::unknown;
    }
    finding = {found, in_words(*round, cpu)};
  }
  return finding;
}

}  // namespace flushwalk
