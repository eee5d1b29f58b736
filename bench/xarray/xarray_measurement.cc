#include "bench/xarray/xarray_measurement.h"

#include <fmt/core.h>
#include <malloc.h>

#include <algorithm>
#include <limits>

#include "allocator/rcu.h"
#include "bench/support/kernel_tables.h"

namespace flushwalk {
namespace {

constexpr std::size_t kOperationsPerSample = Population::kMostInWindow;

std::uintptr_t sum_of(Batch batch) {
  std::uintptr_t sum = 0;
  for (const KeyedEntry& one : batch) {
    sum += reinterpret_cast<std::uintptr_t>(one.entry);
  }
  return sum;
}

// What earlier groups freed lies scattered in the heap: it goes back to the kernel. What this one
// frees stays: a timed insert must not fault it in again.
void settle_heap() {
  malloc_trim(0);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
}

// Some memory at the heap's end that has been written: erasing and inserting makes holes that do
// not fit, and what is missing then comes from here.
void touch_heap() {
  constexpr std::size_t kPiece = 1024;
  constexpr std::size_t kPieces = 1024;
  std::vector<std::unique_ptr<char[]>> pieces(kPieces);
  for (auto& piece : pieces) {
    piece = std::make_unique<char[]>(kPiece);  // written: zeros
  }
}

// What the timed part of a sample returns: a sum of addresses, or how many it did.
std::uint64_t run(IndexContainer* container, IndexOperation operation, Batch window, Batch loads,
                  unsigned rounds) {
  switch (operation) {
    case IndexOperation::insert:
      return container->insert(window);
    case IndexOperation::load:
      return container->load(loads);
    case IndexOperation::erase:
      return container->erase(window);
    case IndexOperation::set_mark:
      return container->set_mark(window);
    default:
      break;
  }
  std::uintptr_t sum = 0;
  for (unsigned i = 0; i < rounds; ++i) {
    sum += container->iterate(operation);
  }
  return sum;
}

}  // namespace

XArrayMeasurement::XArrayMeasurement(const XArrayGroup& group, const MeasuringContext& context)
    : group_(group),
      context_(context),
      order_(context.seed, group.rivals.size()),
      population_(group.axes.keys, group.axes.entries),
      window_(population_.window(0).size()),
      loads_(kOperationsPerSample),
      rounds_(static_cast<unsigned>(
          std::max<std::size_t>(1, kOperationsPerSample / group.axes.entries))),
      counters_(nullptr, nullptr, group.rivals.size()) {}

std::unique_ptr<XArrayMeasurement> XArrayMeasurement::prepare(const XArrayGroup& group,
                                                              const MeasuringContext& context,
                                                              std::string* error) {
  rcu::register_this_thread();
  settle_heap();
  std::unique_ptr<XArrayMeasurement> made(new XArrayMeasurement(group, context));
  if (!made->fill(error)) {
    return nullptr;
  }
  // One turn that counts for nothing: the allocators then have what a timed part takes.
  XArrayResult unused(kSamplesPerBatch);
  for (std::size_t rival = 0; rival < made->rivals_.size(); ++rival) {
    if (!made->take_batch(rival, kSamplesPerBatch, &unused, error)) {
      return nullptr;
    }
    unused.times.clear();
  }
  made->counters_ = CaseCounters(context.counters, nullptr, made->rivals_.size());
  touch_heap();
  return made;
}

bool XArrayMeasurement::fill(std::string* error) {
  std::vector<IndexContainer*> of_kind(std::size(kContainerKinds));
  sum_of_all_ = sum_of(population_.in_key_order());
  sum_of_marked_ = sum_of(population_.marked());
  for (const XArrayRival& rival : group_.rivals) {
    IndexContainer*& container = of_kind[static_cast<std::size_t>(rival.container)];
    if (container == nullptr) {
      container = filled(rival.container, error);
    }
    if (container == nullptr) {
      return false;
    }
    const std::size_t entries = group_.axes.entries;
    const auto bytes_per_entry =
        static_cast<double>(container->bytes()) / static_cast<double>(entries);
    std::uint64_t operations = window_.size();
    if (rival.operation == IndexOperation::load) {
      operations = loads_.size();
    } else if (rival.operation == IndexOperation::iterate_marked) {
      container->set_mark(population_.marked());
      operations = rounds_ * population_.marked().size();
    } else if (iterates(rival.operation)) {
      operations = rounds_ * entries;
    }
    rivals_.push_back({container, rival.operation, operations, bytes_per_entry});
  }
  return true;
}

IndexContainer* XArrayMeasurement::filled(ContainerKind kind, std::string* error) {
  auto container = make_container(kind, group_.axes.entries);
  if (container == nullptr) {
    *error = fmt::format("{}: {}", name_of(kind), why_absent(kind));
    return nullptr;
  }
  const Batch all = population_.in_key_order();
  if (const std::size_t inserted = container->insert(all); inserted != all.size()) {
    *error = fmt::format("{}: only {} of {} entries could be inserted", name_of(kind), inserted,
                         all.size());
    return nullptr;
  }
  container->settle();
  containers_.push_back(std::move(container));
  return containers_.back().get();
}

std::vector<XArrayResult> XArrayMeasurement::measure(std::string* error) {
  std::vector<XArrayResult> results;
  for (const Rival& rival : rivals_) {
    XArrayResult& result = results.emplace_back(context_.samples);
    result.operations = rival.operations;
    result.bytes_per_entry = rival.bytes_per_entry;
  }
  counters_.begin_repetition();
  const ThreadCounts before = thread_counts_before();
  for (unsigned taken = 0; taken < context_.samples;
       taken += kSamplesPerBatch, order_.next_turn()) {
    const unsigned samples = std::min(kSamplesPerBatch, context_.samples - taken);
    const std::size_t first_window = next_window_;
    for (std::size_t i = 0; i < rivals_.size(); ++i) {
      const std::size_t rival = order_[i];
      next_window_ = first_window;
      if (!take_batch(rival, samples, &results[rival], error)) {
        return {};
      }
    }
  }
  const ThreadCounts counts = thread_counts_after() - before;
  for (XArrayResult& result : results) {
    result.migrations = counts.migrations;
  }
  return results;
}

void XArrayMeasurement::choose_window(std::size_t which) {
  const Batch window = population_.window(which);
  std::copy(window.begin(), window.end(), window_.begin());
  for (std::size_t i = 0; i < loads_.size(); ++i) {
    loads_[i] = window_[i % window_.size()];
  }
}

bool XArrayMeasurement::take_batch(std::size_t which, unsigned samples, XArrayResult* result,
                                   std::string* error) {
  XArrayResult uncounted(1);
  for (unsigned i = 0; i <= samples; ++i) {
    if (context_.stop.load(std::memory_order_relaxed)) {
      *error = "interrupted";
      return false;
    }
    choose_window(next_window_++);
    if (!take_sample(which, i == 0 ? &uncounted : result, error)) {
      return false;
    }
    if (i == 0) {
      counters_.drop_counts();
    }
  }
  counters_.end_batch(which);
  return true;
}

bool XArrayMeasurement::take_sample(std::size_t which, XArrayResult* result, std::string* error) {
  const Rival& rival = rivals_[which];
  IndexContainer& container = *rival.container;
  if (rival.operation == IndexOperation::insert) {
    container.erase(window_);
    container.settle();
  }
  const Usage before = read_usage();
  counters_.begin(which);
  const Ticks begin = context_.clock.now_begin();
  const std::uint64_t returned = run(&container, rival.operation, window_, loads_, rounds_);
  const Ticks end = context_.clock.now_end();
  counters_.end();
  const Usage after = read_usage();
  container.settle();
  result->times.push(end - begin);
  result->context_switches += after.switches - before.switches;
  result->page_faults += after.faults - before.faults;
  if (rival.operation == IndexOperation::erase) {
    container.insert(window_);
  } else if (rival.operation == IndexOperation::set_mark) {
    container.clear_mark(window_);
  }
  if (returned != expected(rival)) {
    *error = fmt::format("{} lost or invented an entry", name_of(rival.operation));
    return false;
  }
  return true;
}

std::vector<CounterRow> XArrayMeasurement::take_counter_rows(
    std::size_t rival, const std::vector<MeasurementRow>& rows) {
  const std::uint64_t samples =
      rows.empty() || !rows.front().statistics ? 0 : rows.front().statistics->samples;
  return counters_.take_rows(
      rival, {.operation = "operation", .operations = samples * rivals_[rival].operations}, rows);
}

// Of the containers, whose memory is from the same heap, nothing is known from outside.
MemorySample XArrayMeasurement::memory() const {
  MemorySample sample;
  sample.add(population_.memory());
  return sample;
}

std::uint64_t XArrayMeasurement::expected(const Rival& rival) const {
  switch (rival.operation) {
    case IndexOperation::load:
      return sum_of(loads_);
    case IndexOperation::insert:
    case IndexOperation::erase:
    case IndexOperation::set_mark:
      return window_.size();
    case IndexOperation::iterate_marked:
      return rounds_ * sum_of_marked_;
    default:
      return rounds_ * sum_of_all_;
  }
}

}  // namespace flushwalk
