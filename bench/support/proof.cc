#include "bench/support/proof.h"

#include <fmt/core.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>

namespace flushwalk {
namespace {

// Beside the flushes a CPU is interrupted by its timer and by what else runs: a few thousand times
// a second.
constexpr std::size_t kSpareGaps = 1 << 16;

bool enough(std::uint64_t proven, std::uint64_t expected) {
  return proven * 100 >= expected * kLeastProvenPercent;
}

}  // namespace

std::string why_invalid(const Proof& proof, bool interrupts) {
  MeasurementRow reasons;
  const auto add = [&](std::uint64_t count, const char* what) {
    if (count != 0) {
      reasons.add_invalid_reason(fmt::format("{} in the timed part", counted(count, what)));
    }
  };
  add(proof.context_switches, "context switch");
  add(proof.migrations.value_or(0), "migration");
  add(proof.page_faults, "page fault");
  if (!interrupts || proof.responders.empty()) {
    return reasons.invalid_reason;
  }
  const std::uint64_t each = proof.expected / proof.responders.size();
  const std::uint64_t each_in_table = each + proof.untimed / proof.responders.size();
  for (const ResponderResult& responder : proof.responders) {
    if (responder.counts.migrations.value_or(0) != 0) {
      reasons.add_invalid_reason(fmt::format("{} of the responder of CPU {}",
                                             counted(*responder.counts.migrations, "migration"),
                                             responder.cpu));
    }
    if (responder.lost_gaps != 0) {
      reasons.add_invalid_reason(
          fmt::format("{} gaps of CPU {} did not fit", responder.lost_gaps, responder.cpu));
    }
    if (!enough(responder.proven, each)) {
      reasons.add_invalid_reason(fmt::format("{} of {} shootdowns proven by gaps on CPU {}",
                                             responder.proven, each, responder.cpu));
    }
    if (responder.tlb_interrupts && !enough(*responder.tlb_interrupts, each_in_table)) {
      reasons.add_invalid_reason(fmt::format("{} TLB interrupts for {} shootdowns on CPU {}",
                                             *responder.tlb_interrupts, each_in_table,
                                             responder.cpu));
    }
  }
  return reasons.invalid_reason;
}

Usage read_usage() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return {static_cast<std::uint64_t>(usage.ru_nvcsw + usage.ru_nivcsw),
          static_cast<std::uint64_t>(usage.ru_minflt + usage.ru_majflt)};
}

TlbBatch::TlbBatch(std::span<const int> cpus, bool counting) : cpus_(cpus), counting_(counting) {
  if (counting_) {
    before_ = read_interrupts();
  }
}

void TlbBatch::end(Proof* proof) const {
  const InterruptCounts after = counting_ ? read_interrupts() : InterruptCounts{};
  proof->responders.resize(cpus_.size());
  for (std::size_t i = 0; i < cpus_.size(); ++i) {
    ResponderResult& responder = proof->responders[i];
    responder.cpu = cpus_[i];
    const auto moved =
        interrupts_between(before_.tlb, after.tlb, static_cast<unsigned>(responder.cpu));
    if (moved) {
      responder.tlb_interrupts = responder.tlb_interrupts.value_or(0) + *moved;
    }
  }
}

std::size_t gaps_to_keep(std::size_t shootdowns) {
  return std::min(shootdowns, kSpareGaps * 16) + kSpareGaps;
}

void match_responders(const Responders& responders, std::span<const ShootdownWindow> windows,
                      const Clock& clock, Proof* proof) {
  const Ticks slack = clock.ns_to_ticks(kClockSlackNs);
  for (std::size_t i = 0; i < responders.size(); ++i) {
    ResponderResult& responder = proof->responders[i];
    GapMatches matches = match_gaps(windows, responders.gaps(i), slack);
    responder.proven = matches.proven;
    responder.exact = matches.exact;
    responder.stalls = std::move(matches.stalls);
    responder.first_rounds = std::move(matches.first_rounds);
    responder.second_rounds = std::move(matches.second_rounds);
    responder.counts = responders.counts(i);
    responder.lost_gaps = responders.lost_gaps(i);
  }
}

std::optional<Summary> summary_in_ns(std::span<Ticks> samples, const Clock& clock) {
  const std::optional<Summary> summary = summarize(samples);
  return summary ? std::optional(summary->scaled(clock.ns_per_tick())) : std::nullopt;
}

void put_proof(const Proof& proof, const topology::Placement& placement, bool interrupts,
               MeasurementRow* row) {
  row->placement = placement.name;
  row->initiator_cpu = static_cast<unsigned>(placement.initiator);
  for (const int cpu : placement.responders) {
    row->responder_cpus.push_back(static_cast<unsigned>(cpu));
  }
  row->invalid_reason = why_invalid(proof, interrupts);
  row->role = "initiator";
  row->cpu = row->initiator_cpu;
  row->shootdowns_expected = proof.expected;
  for (const ResponderResult& responder : proof.responders) {
    row->shootdowns_proven += responder.proven;
    if (proof.expected != 0) {
      row->exact_flushes = row->exact_flushes.value_or(0) + responder.exact;
    }
    if (responder.tlb_interrupts) {
      row->tlb_interrupts = row->tlb_interrupts.value_or(0) + *responder.tlb_interrupts;
    }
  }
  row->context_switches = proof.context_switches;
  row->migrations = proof.migrations;
  row->page_faults = proof.page_faults;
}

void add_stall_rows(const MeasurementRow& initiator, const Clock& clock, Proof* proof,
                    std::vector<MeasurementRow>* rows) {
  for (ResponderResult& responder : proof->responders) {
    MeasurementRow row = initiator;
    row.role = "responder";
    row.cpu = static_cast<unsigned>(responder.cpu);
    row.metric = "stall";
    row.statistics = summary_in_ns(responder.stalls, clock);
    row.shootdowns_expected = proof->expected / proof->responders.size();
    row.shootdowns_proven = responder.proven;
    if (proof->expected != 0) {
      row.exact_flushes = responder.exact;
    }
    row.tlb_interrupts = responder.tlb_interrupts;
    row.context_switches = responder.counts.context_switches();
    row.migrations = responder.counts.migrations;
    row.page_faults = responder.counts.page_faults();
    rows->push_back(row);
  }
}

}  // namespace flushwalk
