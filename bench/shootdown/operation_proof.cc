#include "bench/shootdown/operation_proof.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <string_view>

namespace flushwalk {
namespace {

constexpr double kSlackNs = 100;
constexpr double kLongestRestNs = 500'000;
constexpr std::uint64_t kFewCalls = 100;

// The gaps that begin in one operation.
struct GapsInside {
  std::uint64_t short_ones = 0;
  std::uint64_t long_ones = 0;
  Ticks longest = 0;          // of the short ones
  const Gap* last = nullptr;  // of the short ones
};

GapsInside look_at(std::span<const Gap> gaps, Ticks latest_end) {
  GapsInside inside;
  for (const Gap& gap : gaps) {
    if (gap.end > latest_end) {
      ++inside.long_ones;
      continue;
    }
    ++inside.short_ones;
    inside.longest = std::max(inside.longest, gap.end - gap.begin);
    inside.last = &gap;
  }
  return inside;
}

Verdict judge(const GapsInside& inside, std::uint64_t calls, bool was_away) {
  if (inside.short_ones >= gaps_needed(calls)) {
    return Verdict::proven;
  }
  if (inside.long_ones != 0) {
    return Verdict::too_long;
  }
  return was_away ? Verdict::away : Verdict::ran_on;
}

void keep(const GapsInside& inside, OperationVerdicts* made) {
  made->stalls.push_back(inside.longest);
  if (inside.last->second_round != 0) {
    made->first_rounds.push_back(inside.last->first_round);
    made->second_rounds.push_back(inside.last->second_round);
  }
}

}  // namespace

ProofLimits proof_limits(const Clock& clock) {
  return {clock.ns_to_ticks(kSlackNs), clock.ns_to_ticks(kLongestRestNs)};
}

std::uint64_t gaps_needed(std::uint64_t calls) {
  return calls < kFewCalls ? calls : (calls * kLeastProvenPercent + 99) / 100;
}

std::uint64_t OperationVerdicts::count(Verdict verdict) const {
  return static_cast<std::uint64_t>(std::count(verdicts.begin(), verdicts.end(), verdict));
}

OperationVerdicts judge_operations(std::span<const ShootdownWindow> operations,
                                   std::span<const Gap> gaps, const ProofLimits& limits) {
  OperationVerdicts made;
  made.verdicts.reserve(operations.size());
  std::size_t next = 0;
  for (const ShootdownWindow& operation : operations) {
    while (next < gaps.size() && gaps[next].begin + limits.slack < operation.begin) {
      ++next;
    }
    const bool was_away = next != 0 && gaps[next - 1].end > operation.begin;
    const std::size_t first = next;
    while (next < gaps.size() && gaps[next].begin <= operation.end + limits.slack) {
      ++next;
    }
    const GapsInside inside =
        look_at(gaps.subspan(first, next - first), operation.end + limits.longest_rest);
    const Verdict verdict = judge(inside, operation.calls, was_away);
    made.verdicts.push_back(verdict);
    made.proven += std::min(inside.short_ones, operation.calls);
    made.exact += inside.short_ones == operation.calls ? 1U : 0U;
    if (verdict == Verdict::proven) {
      keep(inside, &made);
    }
  }
  return made;
}

std::uint64_t count_stray(std::span<const ShootdownWindow> operations, std::span<const Gap> gaps) {
  std::uint64_t strays = 0;
  std::size_t next = 0;
  for (const ShootdownWindow& operation : operations) {
    while (next < gaps.size() && gaps[next].begin < operation.begin) {
      ++next;
    }
    strays += next < gaps.size() && gaps[next].begin <= operation.end ? 1U : 0U;
  }
  return strays;
}

std::vector<double> shares_lost(std::span<const ShootdownWindow> batches, std::span<const Gap> gaps,
                                Ticks longest) {
  std::vector<Gap> long_ones;
  std::copy_if(gaps.begin(), gaps.end(), std::back_inserter(long_ones),
               [=](const Gap& gap) { return gap.end - gap.begin > longest; });
  const std::vector<Ticks> lost = time_in_gaps(batches, gaps);
  const std::vector<Ticks> taken_away = time_in_gaps(batches, long_ones);
  std::vector<double> shares;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    if (taken_away[i] == 0) {
      shares.push_back(100.0 * static_cast<double>(lost[i]) /
                       static_cast<double>(batches[i].end - batches[i].begin));
    }
  }
  return shares;
}

std::string why_unproven(const OperationVerdicts& verdicts, int cpu, const ThreadCounts& counts,
                         ShootdownMechanism mechanism) {
  std::string text;
  const auto add = [&](std::uint64_t number, std::string_view what) {
    if (number != 0) {
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", number, what);
    }
  };
  const std::uint64_t away = verdicts.count(Verdict::away);
  const std::uint64_t ran_on = verdicts.count(Verdict::ran_on);
  const std::uint64_t too_long = verdicts.count(Verdict::too_long);
  add(away, fmt::format("found CPU {} away", cpu));
  add(too_long, fmt::format("stopped CPU {} for longer than an interrupt", cpu));
  if (away + too_long != 0) {
    text += counts.context_switches() != 0
                ? fmt::format(" (its thread was switched out {} times: another ran there)",
                              counts.context_switches())
                : " (its thread was never switched out: an interrupt, or its virtual CPU did not "
                  "run)";
  }
  add(ran_on, fmt::format("did not stop CPU {}", cpu));
  if (ran_on != 0 && mechanism == ShootdownMechanism::paravirtual) {
    text += " (a hypervisor may flush a virtual CPU that does not run, or flush once for several)";
  } else if (ran_on != 0 && mechanism == ShootdownMechanism::broadcast) {
    text += " (the hardware broadcasts flushes here: nothing shows them)";
  }
  return text;
}

}  // namespace flushwalk
