#include "bench/alloc_free/alloc_free_rows.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>

#include "bench/support/proof.h"

namespace flushwalk {
namespace {

// Of a total over all samples, what one sample has, rounded.
std::uint64_t per_sample(std::uint64_t total, std::uint64_t samples) {
  return samples == 0 ? 0 : (total + samples / 2) / samples;
}

std::optional<Summary> pair_times(const WorkerResult& worker, double ns_per_tick, unsigned pairs) {
  std::vector<Ticks> ticks;
  for (const BatchTimes& batch : worker.batches.values()) {
    ticks.push_back(batch.end - batch.begin);
  }
  const std::optional<Summary> summary = summarize(std::span<Ticks>(ticks));
  return summary ? std::optional(summary->scaled(ns_per_tick / pairs)) : std::nullopt;
}

Summary one_value(double value) {
  return {value, value, value, value, value, value, value, value, 1};
}

// Axes and validity: what all rows of the case share.
MeasurementRow common_row(const AllocFreeRowContext& context, std::size_t which,
                          unsigned repetition) {
  const AllocFreeAxes& axes = context.group.axes;
  const AllocFreeRival& rival = context.group.rivals[which];
  MeasurementRow row;
  row.bench = "alloc_free_bench";
  row.case_name = case_name(axes, rival);
  row.repetition = repetition;
  row.revision = rival.revision->name;
  row.walk = name_of(rival.walk.value_or(rival.revision->walk));
  row.last_free = name_of(rival.last_free);
  row.blocks = axes.other_blocks;
  row.full_percent = axes.other_full;
  row.flush_every = axes.flush_every;
  row.queues = rival.queues;
  row.threads = axes.threads;
  row.pages = axes.pages;
  row.freeing = name_of(axes.freeing);
  row.flusher = name_of(axes.flusher);
  row.placement = context.placement.name;
  row.initiator_cpu = static_cast<unsigned>(context.placement.initiator);
  row.cpu = row.initiator_cpu;
  for (const int cpu : context.placement.responders) {
    row.responder_cpus.push_back(static_cast<unsigned>(cpu));
  }
  row.block_slots = VmapAllocator::Options().geometry.slots();
  return row;
}

void add_worker_rows(const AllocFreeRowContext& context, const MeasurementRow& common,
                     WorkerResult* worker, std::vector<MeasurementRow>* rows) {
  const unsigned pairs = pairs_per_batch(context.group.axes.pages);
  MeasurementRow row = common;
  row.role = "worker";
  row.cpu = static_cast<unsigned>(worker->cpu);
  row.context_switches = worker->context_switches;
  row.migrations = worker->migrations;
  row.page_faults = worker->page_faults;
  row.metric = "pair_time";
  row.statistics = pair_times(*worker, context.clock.ns_per_tick(), pairs);
  row.operations = pairs;
  row.created_blocks = per_sample(worker->counts.created_blocks, worker->batches.size());
  row.failed_allocs = worker->counts.failed_allocs;
  std::uint64_t waits = 0;
  for (const LockWaits::Waits& kind : worker->waits.of) {
    waits += kind.count;
  }
  row.lock_waits = waits;
  rows->push_back(row);
  row.operations = 1;
  row.created_blocks = per_sample(worker->single.created_blocks, worker->alloc.size());
  row.failed_allocs = worker->single.failed_allocs;
  row.lock_waits.reset();
  row.metric = "alloc_time";
  row.statistics = summary_in_ns(worker->alloc.values(), context.clock);
  rows->push_back(row);
  row.metric = "free_time";
  row.created_blocks.reset();
  row.failed_allocs.reset();
  row.statistics = summary_in_ns(worker->free.values(), context.clock);
  rows->push_back(row);
}

// A sample of these is a window.
void add_rows_of_all(const AllocFreeRowContext& context, const MeasurementRow& common,
                     AllocFreeResult* result, std::vector<MeasurementRow>* rows) {
  MeasurementRow row = common;
  row.role = "all";
  std::uint64_t created = 0, failed = 0, batches = 0;
  for (const WorkerResult& worker : result->workers) {
    created += worker.counts.created_blocks;
    failed += worker.counts.failed_allocs;
    batches += worker.batches.size();
    row.context_switches = row.context_switches.value_or(0) + worker.context_switches;
    row.page_faults = row.page_faults.value_or(0) + worker.page_faults;
    if (worker.migrations) {
      row.migrations = row.migrations.value_or(0) + *worker.migrations;
    }
  }
  row.operations = per_sample(batches * pairs_per_batch(context.group.axes.pages), result->windows);
  row.created_blocks = per_sample(created, result->windows);
  row.failed_allocs = failed;
  if (result->flusher) {
    row.flushes = per_sample(result->flusher->flushes, result->windows);
    row.purged_blocks = per_sample(result->flusher->purged_blocks, result->windows);
  }
  row.metric = "throughput";
  row.unit = "operations/s";
  row.statistics = summarize(std::span<double>(result->throughput));
  rows->push_back(row);
  row.unit = "ns";
  const auto add_waits = [&](std::string metric, std::vector<double>* ticks) {
    row.metric = std::move(metric);
    const std::optional<Summary> summary = summarize(std::span<double>(*ticks));
    row.statistics =
        summary ? std::optional(summary->scaled(context.clock.ns_per_tick())) : std::nullopt;
    rows->push_back(row);
  };
  for (std::size_t kind = 0; kind < kLockKinds; ++kind) {
    if (static_cast<LockKind>(kind) == LockKind::other) {
      continue;  // the allocator has none
    }
    row.lock_waits = 0;
    for (const WorkerResult& worker : result->workers) {
      *row.lock_waits += worker.waits.of[kind].count;
    }
    add_waits(fmt::format("lock_wait_{}", name_of(static_cast<LockKind>(kind))),
              &result->lock_waits[kind]);
  }
  row.lock_waits.reset();
  if (context.group.axes.freeing == Freeing::other_cpu) {
    add_waits("exchange_wait", &result->exchange_waits);
  }
}

}  // namespace

std::string why_invalid(const AllocFreeResult& result) {
  MeasurementRow reasons;
  const auto add = [&](std::uint64_t count, const char* noun, const char* what, int cpu) {
    if (count != 0) {
      reasons.add_invalid_reason(fmt::format("{} {} on CPU {}", counted(count, noun), what, cpu));
    }
  };
  for (const WorkerResult& worker : result.workers) {
    const PairCounts& single = worker.single;
    add(worker.context_switches, "context switch", "in the timed part", worker.cpu);
    add(worker.migrations.value_or(0), "migration", "in the timed part", worker.cpu);
    add(worker.page_faults, "page fault", "in the timed part", worker.cpu);
    add(worker.counts.failed_allocs + single.failed_allocs, "allocation", "failed", worker.cpu);
    add(worker.counts.failed_frees + single.failed_frees, "free", "failed", worker.cpu);
  }
  if (result.windows_apart != 0) {
    reasons.add_invalid_reason(
        fmt::format("in {} of {} windows the threads were not at work at the same time",
                    result.windows_apart, result.windows));
  }
  if (result.flusher && result.flusher->idle_windows != 0) {
    reasons.add_invalid_reason(fmt::format("no flush ended in {} of {} windows",
                                           result.flusher->idle_windows, result.windows));
  }
  return reasons.invalid_reason;
}

std::vector<MeasurementRow> make_rows(const AllocFreeRowContext& context, std::size_t rival,
                                      unsigned repetition, AllocFreeResult* result) {
  MeasurementRow common = common_row(context, rival, repetition);
  common.invalid_reason = why_invalid(*result);
  const AllocFreeRival& which = context.group.rivals[rival];
  put_oracle(result->oracle,
             which.walk.value_or(which.revision->walk) == Walk::free_list ||
                 which.last_free == LastFree::direct_return,
             &common);
  std::vector<MeasurementRow> rows;
  for (WorkerResult& worker : result->workers) {
    add_worker_rows(context, common, &worker, &rows);
  }
  add_rows_of_all(context, common, result, &rows);
  if (result->flusher) {
    MeasurementRow row = common;
    row.role = "flusher";
    row.cpu = static_cast<unsigned>(result->flusher->cpu);
    row.metric = "flush_time";
    row.statistics = summary_in_ns(result->flusher->times.values(), context.clock);
    row.operations = 1;
    rows.push_back(row);
  }
  if (context.group.axes.other_blocks != 0) {
    MeasurementRow row = common;
    row.role = "all";
    row.unit = "bytes";
    row.metric = "memory_per_block";
    row.statistics = one_value(result->memory.all);
    rows.push_back(row);
    row.metric = "node_memory_per_block";
    row.statistics = one_value(result->memory.nodes);
    rows.push_back(row);
  }
  return rows;
}

}  // namespace flushwalk
