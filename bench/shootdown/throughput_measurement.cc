#include "bench/shootdown/throughput_measurement.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "bench/shootdown/throughput_rows.h"
#include "bench/support/kernel_tables.h"

namespace flushwalk {
namespace {

// a + b, where the kernel tells.
void add(const ThreadCounts& more, ThreadCounts* sum) {
  sum->voluntary_switches += more.voluntary_switches;
  sum->involuntary_switches += more.involuntary_switches;
  sum->minor_faults += more.minor_faults;
  sum->major_faults += more.major_faults;
  if (more.migrations) {
    sum->migrations = sum->migrations.value_or(0) + *more.migrations;
  }
}

}  // namespace

std::optional<double> throughput_of(std::span<const ThreadWindow> threads, const Clock& clock) {
  Ticks begin = 0;
  Ticks end = std::numeric_limits<Ticks>::max();
  for (const ThreadWindow& thread : threads) {
    begin = std::max(begin, thread.begin);
    end = std::min(end, thread.operations.empty() ? 0 : thread.operations.back().end);
  }
  if (begin >= end) {
    return std::nullopt;
  }
  std::uint64_t done = 0;
  for (const ThreadWindow& thread : threads) {
    for (const OperationTimes& operation : thread.operations) {
      done += operation.begin >= begin && operation.end <= end ? 1U : 0U;
    }
  }
  return static_cast<double>(done) * 1e9 / clock.ticks_to_ns(end - begin);
}

ThroughputMeasurement::ThroughputMeasurement(const ShootdownGroup& group,
                                             const MeasuringContext& context)
    : group_(group),
      context_(context),
      cpus_{context.placement.initiator},
      order_(context.seed, group.arms.size()) {
  const std::vector<int>& others = context.placement.responders;
  cpus_.insert(cpus_.end(), others.begin(), others.end());
}

std::unique_ptr<ThroughputMeasurement> ThroughputMeasurement::prepare(
    const ShootdownGroup& group, const MeasuringContext& context, std::string* error) {
  std::unique_ptr<ThroughputMeasurement> made(new ThroughputMeasurement(group, context));
  try {
    if (!made->make_workers(error)) {
      return nullptr;
    }
  } catch (const std::bad_alloc&) {
    *error = fmt::format("no memory for {} initiators", group.initiators);
    return nullptr;
  }
  made->team_ = WorkerTeam::start(context.machine, context.placement.responders, error);
  return made->team_ != nullptr ? std::move(made) : nullptr;
}

bool ThroughputMeasurement::make_workers(std::string* error) {
  for (std::size_t i = 0; i < cpus_.size(); ++i) {
    Worker& worker = *workers_.emplace_back(std::make_unique<Worker>());
    for (const Arm arm : group_.arms) {
      worker.targets.push_back(Target::build(group_.target(arm), error));
      if (worker.targets.back() == nullptr) {
        return false;
      }
    }
  }
  return true;
}

std::vector<ThroughputResult> ThroughputMeasurement::sample(std::string* error) {
  std::vector<ThroughputResult> results(group_.arms.size());
  for (std::size_t arm = 0; arm < results.size(); ++arm) {
    results[arm].times.resize(workers_.size());
    results[arm].counts.resize(workers_.size());
    results[arm].calls = workers_.front()->targets[arm]->calls();
  }
  for (unsigned taken = 0; taken < context_.samples;
       taken += kOperationsPerWindow, order_.next_turn()) {
    const unsigned operations = std::min(kOperationsPerWindow, context_.samples - taken);
    for (std::size_t i = 0; i < results.size(); ++i) {
      const std::size_t arm = order_[i];
      if (!take_window(arm, operations, &results[arm], error)) {
        return {};
      }
    }
  }
  return results;
}

bool ThroughputMeasurement::take_window(std::size_t arm, unsigned operations,
                                        ThroughputResult* result, std::string* error) {
  if (context_.stop.load(std::memory_order_relaxed)) {
    *error = "interrupted";
    return false;
  }
  const Operation operation = operation_of(group_.operation, group_.arms[arm]);
  StartLine line(team_->size());
  const TlbBatch tlb(cpus_, tlb_row_counts(context_.mechanism) &&
                                operation != Operation::membarrier && cpus_.size() > 1);
  team_->run([&](unsigned i) { work(arm, operations, workers_[i].get(), &line); });
  tlb.end(result);
  for (const auto& worker : workers_) {
    if (worker->failed != 0) {
      *error = fmt::format("{}: {}: {}", name_of(operation), call_of(operation),
                           std::strerror(worker->failed));
      return false;
    }
  }
  keep(result);
  return true;
}

// In each thread. One loop before the others: what it touches is its own CPU's then.
void ThroughputMeasurement::work(std::size_t arm, unsigned operations, Worker* worker,
                                 StartLine* line) const {
  Target& target = *worker->targets[arm];
  worker->operations.clear();
  worker->failed = target.make_ready();
  worker->failed = worker->failed != 0 ? worker->failed : target.operate();
  line->arrive_and_wait();
  const ThreadCounts before = thread_counts_before();
  worker->begin = context_.clock.now();
  for (unsigned i = 0; worker->failed == 0 && i < operations; ++i) {
    worker->failed = target.make_ready();
    if (worker->failed == 0) {
      worker->operations.push(timed_operation(context_.clock, target, &worker->failed));
    }
  }
  worker->counts = thread_counts_after() - before;
}

void ThroughputMeasurement::keep(ThroughputResult* result) const {
  std::vector<ThreadWindow> threads;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    const Worker& worker = *workers_[i];
    threads.push_back({worker.begin, worker.operations.values()});
    for (const OperationTimes& operation : worker.operations.values()) {
      result->times[i].push_back(operation.end - operation.begin);
    }
    add(worker.counts, &result->counts[i]);
  }
  if (const auto throughput = throughput_of(threads, context_.clock)) {
    result->throughput.push_back(*throughput);
  }
}

MemorySample ThroughputMeasurement::memory() const {
  MemorySample sample;
  for (const auto& worker : workers_) {
    for (const auto& target : worker->targets) {
      sample.add(target->page_addresses());
    }
  }
  return sample;
}

std::vector<CaseOutcome> ThroughputMeasurement::measure(unsigned repetition, std::string* error) {
  std::vector<ThroughputResult> results = sample(error);
  std::vector<CaseOutcome> outcomes;
  for (std::size_t i = 0; i < results.size(); ++i) {
    outcomes.push_back(make_throughput_outcome({group_, context_.placement, context_.clock},
                                               group_.arms[i], repetition, &results[i]));
  }
  return outcomes;
}

}  // namespace flushwalk
