#include "bench/alloc_free/alloc_free_measurement.h"

#include <algorithm>
#include <atomic>
#include <new>
#include <utility>

#include "bench/support/kernel_tables.h"
#include "bench/support/proof.h"

namespace flushwalk {
namespace {

constexpr unsigned kLeastPairsPerBatch = 64;
// Flushes kept of each sample's time; some are shorter, and are counted only.
constexpr std::size_t kFlushesPerSample = 128;
constexpr std::size_t kMostFlushes = std::size_t{1} << 20;

PairCounts operator+(const PairCounts& a, const PairCounts& b) {
  return {a.created_blocks + b.created_blocks, a.failed_allocs + b.failed_allocs,
          a.failed_frees + b.failed_frees, a.exchange_wait + b.exchange_wait};
}

// The part of a batch that lies in [begin, end).
double share_within(const BatchTimes& batch, Ticks begin, Ticks end) {
  const Ticks from = std::max(batch.begin, begin);
  const Ticks to = std::min(batch.end, end);
  if (to <= from || batch.end == batch.begin) {
    return 0;
  }
  return static_cast<double>(to - from) / static_cast<double>(batch.end - batch.begin);
}

}  // namespace

unsigned pairs_per_batch(unsigned pages) {
  const Geometry geometry = VmapAllocator::Options().geometry;
  return std::max(kLeastPairsPerBatch, geometry.slots() >> order_of(pages));
}

std::optional<double> common_rate(const std::vector<std::span<const BatchTimes>>& threads,
                                  unsigned pairs_per_batch) {
  Ticks begin = 0;
  Ticks end = ~Ticks{0};
  for (const std::span<const BatchTimes> batches : threads) {
    begin = std::max(begin, batches.front().begin);
    end = std::min(end, batches.back().end);
  }
  if (end <= begin) {
    return std::nullopt;
  }
  double batches_done = 0;
  for (const std::span<const BatchTimes> batches : threads) {
    for (const BatchTimes& batch : batches) {
      batches_done += share_within(batch, begin, end);
    }
  }
  return batches_done * pairs_per_batch / static_cast<double>(end - begin);
}

// One window, shared by its threads.
struct AllocFreeMeasurement::Window {
  Stripes& stripes;
  AllocFreeResult& result;
  std::size_t rival;
  unsigned samples;  // batches, or kSinglePairsPerSample single pairs each
  bool single;
  StartLine start;
  std::atomic<unsigned> running;  // threads that have not ended
  std::vector<LockWaits> waits;   // by thread
  std::vector<PairCounts> counts;
};

AllocFreeMeasurement::AllocFreeMeasurement(const AllocFreeGroup& group,
                                           const MeasuringContext& context)
    : group_(group),
      context_(context),
      order_(context.seed, group.rivals.size()),
      batch_pairs_(pairs_per_batch(group.axes.pages)),
      migrations_(group.axes.threads),
      counters_(context.counters, context.placement.responders.size() + 1, group.rivals.size()) {}

std::unique_ptr<AllocFreeMeasurement> AllocFreeMeasurement::prepare(const AllocFreeGroup& group,
                                                                    const MeasuringContext& context,
                                                                    std::string* error) {
  std::unique_ptr<AllocFreeMeasurement> made(new AllocFreeMeasurement(group, context));
  made->team_ = WorkerTeam::start(context.machine, context.placement.responders, error);
  if (made->team_ == nullptr) {
    return nullptr;
  }
  for (const AllocFreeRival& rival : group.rivals) {
    auto stripes = Stripes::build(group.axes, rival, made->context_.clock, error);
    if (stripes == nullptr) {
      return nullptr;
    }
    made->stripes_.push_back(std::move(stripes));
  }
  // Twice as much as lies between two settlings: the pools then have all that a window takes.
  std::vector<AllocFreeResult> unused = made->empty_results();
  for (std::size_t rival = 0; rival < made->rivals(); ++rival) {
    made->run_window(rival, kBatchesPerWindow, false, &unused[rival]);
    made->run_window(rival, kBatchesPerWindow, false, &unused[rival]);
    made->stripes_[rival]->settle();
  }
  made->team_->run([&](unsigned thread) { made->counters_.open(thread); });
  return made;
}

std::vector<AllocFreeResult> AllocFreeMeasurement::empty_results() const {
  std::vector<AllocFreeResult> results(stripes_.size());
  const std::vector<int>& others = context_.placement.responders;
  for (std::size_t rival = 0; rival < results.size(); ++rival) {
    AllocFreeResult& result = results[rival];
    for (unsigned thread = 0; thread < group_.axes.threads; ++thread) {
      result.workers.emplace_back(context_.samples).cpu =
          thread == 0 ? context_.placement.initiator : others[thread - 1];
    }
    if (group_.axes.flusher != Flusher::none) {
      const std::size_t flushes = std::min(context_.samples * kFlushesPerSample, kMostFlushes);
      result.flusher.emplace(flushes).cpu = others.back();
    }
    result.memory = stripes_[rival]->memory();
  }
  return results;
}

std::vector<AllocFreeResult> AllocFreeMeasurement::measure(std::string* error) {
  std::vector<AllocFreeResult> results = empty_results();
  counters_.begin_repetition();
  count_migrations(&results, true);
  for (unsigned taken = 0; taken < context_.samples;
       taken += kBatchesPerWindow, order_.next_turn()) {
    const unsigned samples = std::min(kBatchesPerWindow, context_.samples - taken);
    for (std::size_t i = 0; i < rivals(); ++i) {
      if (context_.stop.load(std::memory_order_relaxed)) {
        *error = "interrupted";
        return {};
      }
      const std::size_t rival = order_[i];
      take_turn(rival, samples, &results[rival]);
    }
  }
  count_migrations(&results, false);
  return results;
}

void AllocFreeMeasurement::take_turn(std::size_t rival, unsigned samples, AllocFreeResult* result) {
  counters_.begin_window(rival);
  for (const bool single : {false, true}) {
    run_window(rival, samples, single, result);
    stripes_[rival]->settle();
  }
}

void AllocFreeMeasurement::run_window(std::size_t rival, unsigned samples, bool single,
                                      AllocFreeResult* result) {
  const unsigned threads = group_.axes.threads;
  Window window{.stripes = *stripes_[rival],
                .result = *result,
                .rival = rival,
                .samples = samples,
                .single = single,
                .start = StartLine(team_->size()),
                .running = threads,
                .waits = std::vector<LockWaits>(threads),
                .counts = std::vector<PairCounts>(threads)};
  team_->run([&](unsigned thread) {
    if (thread < threads) {
      work(window, thread);
    } else {
      flush(window);
    }
  });
  add_window(window, result);
}

void AllocFreeMeasurement::work(Window& window, unsigned thread) {
  const Clock& clock = context_.clock;
  const bool counter = clock.description().source != ClockSource::clock_monotonic_raw;
  PairLoop& loop = window.stripes.loop(thread);
  WorkerResult& result = window.result.workers[thread];
  lock_waits.now = counter ? &counter::read : &monotonic_raw_ns;
  window.start.arrive_and_wait();
  // The other rivals have left their own data in the caches.
  loop.pairs(batch_pairs_);
  lock_waits.of = {};
  loop.clear_counts();
  const Usage before = read_usage();
  if (window.single) {
    for (unsigned i = 0; i < window.samples * kSinglePairsPerSample; ++i) {
      const SingleTimes times = loop.single_pair();
      result.alloc.push(times.alloc);
      result.free.push(times.free);
    }
  } else {
    counters_.begin(thread, window.rival);
    for (unsigned i = 0; i < window.samples; ++i) {
      BatchTimes times{};
      times.begin = clock.now_begin();
      loop.pairs(batch_pairs_);
      times.end = clock.now_end();
      result.batches.push(times);
    }
    counters_.end(thread);
  }
  const Usage after = read_usage();
  window.running.fetch_sub(1, std::memory_order_release);
  window.waits[thread] = lock_waits;
  window.counts[thread] = loop.counts();
  if (!window.single) {
    counters_.add_to(thread, window.rival);
  }
  lock_waits.now = nullptr;
  result.context_switches += after.switches - before.switches;
  result.page_faults += after.faults - before.faults;
}

void AllocFreeMeasurement::flush(Window& window) {
  const Clock& clock = context_.clock;
  VmapAllocator& allocator = window.stripes.allocator();
  FlushPlan& plan = window.stripes.plan();
  FlusherResult& result = *window.result.flusher;
  allocator.unmap_aliases(plan);
  window.start.arrive_and_wait();
  std::uint64_t flushes = 0;
  const std::size_t flusher = group_.axes.threads;
  if (!window.single) {
    counters_.begin(flusher, window.rival);
  }
  while (window.running.load(std::memory_order_acquire) != 0) {
    const Ticks begin = clock.now_begin();
    const FlushReport report = allocator.unmap_aliases(plan);
    const Ticks end = clock.now_end();
    ++flushes;
    if (!window.single) {
      result.times.push(end - begin);
      result.purged_blocks += report.purged;
    }
  }
  if (!window.single) {
    counters_.end(flusher);
    counters_.add_to(flusher, window.rival);
    result.flushes += flushes;
    result.idle_windows += flushes == 0 ? 1 : 0;
  }
}

// Outside of the window, by the first thread.
void AllocFreeMeasurement::add_window(const Window& window, AllocFreeResult* result) const {
  for (std::size_t thread = 0; thread < result->workers.size(); ++thread) {
    WorkerResult& worker = result->workers[thread];
    PairCounts& counts = window.single ? worker.single : worker.counts;
    counts = counts + window.counts[thread];
  }
  if (window.single) {
    return;
  }
  ++result->windows;
  std::vector<std::span<const BatchTimes>> batches;
  for (const WorkerResult& worker : result->workers) {
    batches.push_back(
        worker.batches.values().last(std::min<std::size_t>(window.samples, worker.batches.size())));
  }
  const std::optional<double> rate = common_rate(batches, batch_pairs_);
  if (rate) {
    result->throughput.push_back(*rate / context_.clock.ns_per_tick() * 1e9);
  } else {
    ++result->windows_apart;
  }
  const double pairs = static_cast<double>(result->workers.size()) * window.samples * batch_pairs_;
  for (std::size_t kind = 0; kind < kLockKinds; ++kind) {
    std::uint64_t ticks = 0;
    for (std::size_t thread = 0; thread < result->workers.size(); ++thread) {
      const LockWaits::Waits& waits = window.waits[thread].of[kind];
      LockWaits::Waits& all = result->workers[thread].waits.of[kind];
      all.count += waits.count;
      all.ticks += waits.ticks;
      ticks += waits.ticks;
    }
    result->lock_waits[kind].push_back(static_cast<double>(ticks) / pairs);
  }
  Ticks exchange = 0;
  for (const PairCounts& counts : window.counts) {
    exchange += counts.exchange_wait;
  }
  result->exchange_waits.push_back(static_cast<double>(exchange) / pairs);
}

std::vector<CounterRow> AllocFreeMeasurement::take_counter_rows(
    std::size_t rival, const AllocFreeResult& result, const std::vector<MeasurementRow>& rows) {
  std::vector<CounterRow> made;
  const auto append = [&](std::size_t thread, const char* role, int cpu, const CaseWork& work) {
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const MeasurementRow& one) {
      return one.role == role && one.cpu == static_cast<unsigned>(cpu);
    });
    if (row != rows.end()) {
      const auto more = counters_.take_rows(thread, rival, work, *row);
      made.insert(made.end(), more.begin(), more.end());
    }
  };
  for (std::size_t thread = 0; thread < result.workers.size(); ++thread) {
    const WorkerResult& worker = result.workers[thread];
    append(thread, "worker", worker.cpu,
           {.operation = "pair", .operations = worker.batches.size() * batch_pairs_});
  }
  if (result.flusher) {
    append(result.workers.size(), "flusher", result.flusher->cpu,
           {.operation = "flush", .operations = result.flusher->flushes});
  }
  return made;
}

MemorySample AllocFreeMeasurement::memory() const {
  MemorySample sample;
  for (const auto& stripes : stripes_) {
    sample.add(std::as_const(*stripes).allocator());
  }
  return sample;
}

// Read outside of all windows: the kernel's file takes tens of us.
void AllocFreeMeasurement::count_migrations(std::vector<AllocFreeResult>* results, bool begin) {
  team_->run([&](unsigned thread) {
    if (thread >= group_.axes.threads) {
      return;
    }
    const std::optional<std::uint64_t> now =
        begin ? thread_counts_before().migrations : thread_counts_after().migrations;
    if (begin) {
      migrations_[thread] = now;
      return;
    }
    for (AllocFreeResult& result : *results) {
      if (now && migrations_[thread]) {
        result.workers[thread].migrations = *now - *migrations_[thread];
      }
    }
  });
}

}  // namespace flushwalk
