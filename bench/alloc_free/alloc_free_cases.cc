#include "bench/alloc_free/alloc_free_cases.h"

#include <fmt/core.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "allocator/watched_load.h"
#include "bench/alloc_free/alloc_free_measurement.h"
#include "bench/alloc_free/alloc_free_rows.h"
#include "topology/pinned_thread.h"

namespace flushwalk {
namespace {

CaseOutcome make_outcome(const AllocFreeRowContext& context, std::size_t rival, unsigned repetition,
                         AllocFreeResult* result) {
  CaseOutcome outcome;
  outcome.rows = make_rows(context, rival, repetition, result);
  const double pairs = pairs_per_batch(context.group.axes.pages);
  for (const BatchTimes& batch : result->workers.front().batches.values()) {
    outcome.times_ns.push_back(context.clock.ticks_to_ns(batch.end - batch.begin) / pairs);
  }
  outcome.counters = {{"valid", outcome.rows.front().valid() ? 1 : 0}};
  for (const MeasurementRow& row : outcome.rows) {
    if (row.metric == "throughput" && row.statistics) {
      outcome.counters.emplace_back("pairs/s", row.statistics->p50);
    }
  }
  return outcome;
}

class PreparedAllocFree : public Measurement {
 public:
  PreparedAllocFree(const AllocFreeGroup& group, const MeasuringContext& context,
                    std::unique_ptr<AllocFreeMeasurement> measurement)
      : group_(group), context_(context), measurement_(std::move(measurement)) {}

  std::vector<CaseOutcome> measure(unsigned repetition, std::string* error) override {
    std::vector<AllocFreeResult> results = measurement_->measure(error);
    const AllocFreeRowContext context{group_, context_.placement, context_.clock};
    if (context_.oracle && !look(&results, error)) {
      return {};
    }
    std::vector<CaseOutcome> outcomes;
    for (std::size_t rival = 0; rival < results.size(); ++rival) {
      outcomes.push_back(make_outcome(context, rival, repetition, &results[rival]));
      CaseOutcome& made = outcomes.back();
      made.counter_rows = measurement_->take_counter_rows(rival, results[rival], made.rows);
    }
    return outcomes;
  }
  MemorySample memory() const override { return measurement_->memory(); }

 private:
  // --oracle: the same threads on the same CPUs, requests of the same size, on real memory. The
  // flusher is one more thread; all of them flush now and then.
  bool look(std::vector<AllocFreeResult>* results, std::string* error) const {
    const AllocFreeAxes& axes = group_.axes;
    for (std::size_t i = 0; i < results->size(); ++i) {
      const AllocFreeRival& rival = group_.rivals[i];
      std::atomic<int> unpinned{-1};
      WatchedLoad load;
      load.allocator.geometry = Geometry(load.allocator.geometry.base(), kWatchedSlots);
      load.allocator.cpus = PossibleCpus::first(rival.queues);
      load.allocator.revision = rival.revision;
      load.allocator.walk = rival.walk;
      load.allocator.last_free = rival.last_free;
      load.backend = watching_backend();
      load.threads = axes.other_cpus() + 1;
      load.pages = axes.pages;
      load.operations = std::max(kLeastWatched, kWatchedPages / axes.pages);
      load.begin_thread = [this, &unpinned](unsigned thread) {
        const std::vector<int>& others = context_.placement.responders;
        const int cpu = thread == 0 ? context_.placement.initiator : others[thread - 1];
        if (!topology::pin_this_thread(context_.machine, cpu).ok()) {
          unpinned.store(cpu, std::memory_order_relaxed);
        }
      };
      const auto seen = run_mixed_load(load, &context_.stop, error);
      if (!seen) {
        return false;
      }
      if (unpinned >= 0) {
        *error = fmt::format("--oracle: a thread could not be pinned to CPU {}", unpinned.load());
        return false;
      }
      const OracleReport& report = seen->oracle;
      if (seen->system_errno != 0 || seen->lost_live_pages != 0) {
        *error = fmt::format("--oracle: {} pages in use were lost (errno {})",
                             seen->lost_live_pages, seen->system_errno);
        return false;
      }
      (*results)[i].oracle = {report.freed_pages, report.missed + report.reused_unflushed,
                              report.window};
    }
    return true;
  }

  // Small blocks come and go in a short time.
  static constexpr unsigned kWatchedSlots = 128;
  static constexpr std::uint64_t kWatchedPages = 2048;  // handed out or freed by a thread
  static constexpr std::uint64_t kLeastWatched = 128;   // operations of a thread

  const AllocFreeGroup& group_;
  MeasuringContext context_;
  std::unique_ptr<AllocFreeMeasurement> measurement_;
};

// 0 where the kernel does not tell: more CPUs than fit in the mask.
unsigned usable_cpus() {
  cpu_set_t mask;
  return sched_getaffinity(0, sizeof(mask), &mask) == 0 ? static_cast<unsigned>(CPU_COUNT(&mask))
                                                        : 0;
}

class AllocFreeCases : public CaseGroup {
 public:
  explicit AllocFreeCases(AllocFreeGroup group) : group_(std::move(group)) {}

  std::vector<std::string> case_names() const override {
    std::vector<std::string> names;
    for (const AllocFreeRival& rival : group_.rivals) {
      names.push_back(case_name(group_.axes, rival));
    }
    return names;
  }
  void drop_case(std::size_t i) override {
    group_.rivals.erase(group_.rivals.begin() + static_cast<std::ptrdiff_t>(i));
  }

  unsigned responders() const override { return group_.axes.other_cpus(); }
  const char* responders_flag() const override { return "--threads"; }
  std::optional<Problem> why_impossible() const override {
    const unsigned cpus = usable_cpus();
    return cpus == 0 ? std::nullopt : why_too_few_cpus(group_.axes, cpus);
  }

  std::unique_ptr<Measurement> prepare(const MeasuringContext& context,
                                       std::string* error) const override {
    auto measurement = AllocFreeMeasurement::prepare(group_, context, error);
    return measurement == nullptr
               ? nullptr
               : std::make_unique<PreparedAllocFree>(group_, context, std::move(measurement));
  }

 private:
  AllocFreeGroup group_;
};

}  // namespace

std::optional<Problem> why_too_few_cpus(const AllocFreeAxes& axes, unsigned cpus) {
  if (axes.threads > cpus) {
    return Problem{"--threads", fmt::format("{} threads need {} CPUs; this process may use {}",
                                            axes.threads, axes.threads, cpus)};
  }
  if (axes.other_cpus() >= cpus) {
    return Problem{"--flusher",
                   fmt::format("{} beside {} {} needs {} CPUs; this process may use {}",
                               name_of(axes.flusher), axes.threads,
                               axes.threads == 1 ? "thread" : "threads", axes.threads + 1, cpus)};
  }
  return std::nullopt;
}

std::variant<CaseGroups, Problem> make_alloc_free_cases(const AllocFreeTexts& texts) {
  auto made = make_alloc_free_groups(texts);
  if (const Problem* const problem = std::get_if<Problem>(&made)) {
    return *problem;
  }
  CaseGroups groups;
  for (AllocFreeGroup& group : std::get<std::vector<AllocFreeGroup>>(made)) {
    groups.push_back(std::make_unique<AllocFreeCases>(std::move(group)));
  }
  return groups;
}

}  // namespace flushwalk
