#include "bench/counters/marker.h"

#include <fmt/core.h>
#include <sched.h>

#include <ostream>
#include <utility>

namespace flushwalk {

SectionCounters::SectionCounters(std::unique_ptr<Counters> counters)
    : counters_(std::move(counters)),
      thread_(counters_->plan(), counters_->calls(), 1),
      tables_(counters_->plan()) {}

std::variant<std::unique_ptr<SectionCounters>, Problem> SectionCounters::open(
    const std::string& events, PerfCalls& calls) {
  auto made = Counters::make({.events = events}, calls);
  if (const Problem* const problem = std::get_if<Problem>(&made)) {
    return *problem;
  }
  auto counters = std::move(std::get<std::unique_ptr<Counters>>(made));
  if (counters == nullptr) {
    return Problem{"--counters", fmt::format("{} leaves nothing to count", events)};
  }
  return std::unique_ptr<SectionCounters>(new SectionCounters(std::move(counters)));
}

void SectionCounters::begin() {
  tables_.begin();
  thread_.begin(static_cast<unsigned>(passes_));
}

void SectionCounters::end() {
  thread_.end();
  thread_.add_to(0);
  tables_.end(0);
  ++passes_;
}

std::vector<SectionCounters::Count> SectionCounters::take() {
  std::vector<CounterResult> results = thread_.take(0);
  const auto cpu = static_cast<unsigned>(sched_getcpu());
  std::vector<Count> counts;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (const auto moved = tables_.moved(0, i, cpu)) {
      results[i] = {CounterStatus::counted, *moved, {}, {}, {}};
    }
    counts.push_back({counters_->plan().counters[i].event.name.text, std::move(results[i])});
  }
  tables_.forget(0);
  taken_ = passes_;
  return counts;
}

void SectionCounters::print(std::ostream& out) {
  const auto passes = static_cast<double>(passes_ - taken_);
  for (const Count& count : take()) {
    const auto scaled = count.result.scaled();
    out << fmt::format("{:<28} ", count.name)
        << (scaled ? fmt::format("{:>16.0f} {:>14.3f} a pass  {}", *scaled,
                                 passes == 0 ? 0 : *scaled / passes, name_of(count.result.status))
                   : fmt::format("{}: {}", name_of(count.result.status), count.result.reason))
        << '\n';
  }
}

}  // namespace flushwalk
