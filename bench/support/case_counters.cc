#include "bench/support/case_counters.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace flushwalk {
namespace {

bool is_context_switches(const PlannedCounter& counter) {
  const perf_event_attr& attr = counter.event.attr;
  return counter.event.kind == EventKind::software && attr.config == PERF_COUNT_SW_CONTEXT_SWITCHES;
}

}  // namespace

CaseCounters::CaseCounters(const Counters* counters, Responders* responders, std::size_t rivals)
    : counters_(counters), responders_(responders), samples_(rivals) {
  if (counters_ != nullptr) {
    own_.emplace(counters_->plan(), counters_->calls(), rivals);
    tables_.emplace(counters_->plan());
  }
}

void CaseCounters::begin_repetition() {
  // From 0: the first one begins with the first group.
  repetition_ = started_ ? repetition_ + 1 : 0;
  started_ = true;
}

// Rivals take their turns each for itself: with a common number two of them, taken alternately,
// would have a group each.
unsigned CaseCounters::turn(std::size_t rival) const {
  return counters_->plan().rotation ? repetition_ : samples_[rival];
}

void CaseCounters::begin_batch(bool interrupts) {
  in_tables_ = interrupts && counters_ != nullptr;
  if (in_tables_) {
    tables_->begin();
  }
}

void CaseCounters::end_batch(std::size_t rival) {
  if (counters_ == nullptr) {
    return;
  }
  if (in_tables_) {
    tables_->end(rival);
  }
  own_->add_to(rival);
  if (responders_ != nullptr) {
    responders_->add_counts_to(rival);
  }
}

void CaseCounters::drop_counts() {
  if (counters_ != nullptr) {
    own_->drop();
  }
}

void CaseCounters::begin_responders(std::size_t rival) {
  if (counters_ != nullptr && responders_ != nullptr) {
    responders_->count(turn(rival));
  }
}

void CaseCounters::begin(std::size_t rival) {
  if (counters_ != nullptr) {
    const unsigned now = turn(rival);
    ++samples_[rival];
    own_->begin(now);
  }
}

void CaseCounters::end() {
  if (counters_ != nullptr) {
    own_->end();
  }
}

void CaseCounters::end_responders() {
  if (counters_ != nullptr && responders_ != nullptr) {
    responders_->stop_counting();
  }
}

std::vector<CounterResult> CaseCounters::with_tables(std::vector<CounterResult> results,
                                                     std::size_t rival, bool initiator,
                                                     unsigned cpu) const {
  for (std::size_t i = 0; i < results.size(); ++i) {
    const PlannedCounter& counter = counters_->plan().counters[i];
    if (counter.event.kind != EventKind::table || !counter.countable()) {
      continue;
    }
    const bool per_cpu = counter.event.name.event == kInterruptsTable;
    if (const auto moved = tables_->moved(rival, i, cpu); moved && (per_cpu || initiator)) {
      results[i] = {CounterStatus::counted, *moved, {}, {}, {}};
    } else if (moved) {
      results[i].reason = "the machine's count stands in the initiator's row";
    } else {
      results[i].reason = kNoTables;
    }
  }
  return results;
}

std::vector<CounterRow> CaseCounters::take_rows(std::size_t rival, const CaseWork& work,
                                                const std::vector<MeasurementRow>& rows) {
  std::vector<CounterRow> made;
  if (counters_ == nullptr || rows.empty()) {
    return made;
  }
  const auto append = [&](const MeasurementRow& row, std::vector<CounterResult> results) {
    results = with_tables(std::move(results), rival, row.role != "responder", row.cpu);
    const auto more = counter_rows_beside(row, *counters_, results, work);
    made.insert(made.end(), more.begin(), more.end());
  };
  append(rows.front(), own_->take(rival));
  for (std::size_t i = 0; responders_ != nullptr && i < responders_->size(); ++i) {
    const auto cpu = static_cast<unsigned>(responders_->cpu(i));
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const MeasurementRow& one) {
      return one.role == "responder" && one.cpu == cpu;
    });
    std::vector<CounterResult> results = responders_->take_counts(i, rival);
    if (row != rows.end()) {
      append(*row, std::move(results));
    }
  }
  tables_->forget(rival);
  return made;
}

std::vector<CounterRow> counter_rows_beside(const MeasurementRow& row, const Counters& counters,
                                            const std::vector<CounterResult>& results,
                                            const CaseWork& work) {
  CounterRow like;
  like.bench = row.bench;
  like.case_name = row.case_name;
  like.repetition = row.repetition;
  like.role = row.role;
  like.cpu = row.cpu;
  like.shootdowns_expected = row.shootdowns_expected;
  like.shootdowns_proven = row.shootdowns_proven;
  MeasurementRow judged = row;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (is_context_switches(counters.plan().counters[i]) && results[i].counted() &&
        results[i].raw != 0) {
      judged.add_invalid_reason(
          fmt::format("{} counted in the timed part", counted(results[i].raw, "context switch")));
    }
  }
  like.invalid_reason = judged.invalid_reason;
  return make_counter_rows(counters, results, work, like);
}

}  // namespace flushwalk
