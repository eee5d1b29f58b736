#include "bench/alloc_free/team_counters.h"

#include "bench/support/case_counters.h"

namespace flushwalk {

TeamCounters::TeamCounters(const Counters* counters, std::size_t threads, std::size_t rivals)
    : counters_(counters), threads_(threads), windows_(rivals) {}

void TeamCounters::open(std::size_t thread) {
  if (counters_ != nullptr) {
    threads_[thread].emplace(counters_->plan(), counters_->calls(), windows_.size());
  }
}

void TeamCounters::begin(std::size_t thread, std::size_t rival) {
  if (threads_[thread]) {
    threads_[thread]->begin(counters_->plan().rotation ? repetitions_ : windows_[rival]);
  }
}

void TeamCounters::end(std::size_t thread) {
  if (threads_[thread]) {
    threads_[thread]->end();
  }
}

void TeamCounters::add_to(std::size_t thread, std::size_t rival) {
  if (threads_[thread]) {
    threads_[thread]->add_to(rival);
  }
}

std::vector<CounterRow> TeamCounters::take_rows(std::size_t thread, std::size_t rival,
                                                const CaseWork& work, const MeasurementRow& row) {
  if (!threads_[thread]) {
    return {};
  }
  std::vector<CounterResult> results = threads_[thread]->take(rival);
  for (std::size_t i = 0; i < results.size(); ++i) {
    const PlannedCounter& counter = counters_->plan().counters[i];
    if (counter.event.kind == EventKind::table && counter.countable()) {
      results[i].reason = kNoTables;
    }
  }
  return counter_rows_beside(row, *counters_, results, work);
}

}  // namespace flushwalk
