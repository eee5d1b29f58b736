#include "bench/patch_series/round.h"

#include <fmt/core.h>

namespace flushwalk {
namespace {

VmapAllocator::Options options_for(const Workload& workload, const Behaviors& revision,
                                   Address first_block, Shootdown* shootdown, Ledger* ledger) {
  VmapAllocator::Options options = series_options(workload, revision);
  options.geometry = Geometry(first_block, workload.block_slots);
  options.shootdown = shootdown;
  options.ledger = ledger;
  return options;
}

// Keeps what it is given.
class RangeRecorder final : public Shootdown {
 public:
  int flush(std::span<const Range> ranges) override {
    ranges_.insert(ranges_.end(), ranges.begin(), ranges.end());
    return 0;
  }
  int map(const Range& /*range*/) override { return 0; }
  std::vector<Range>& ranges() { return ranges_; }

 private:
  std::vector<Range> ranges_;
};

}  // namespace

VmapAllocator::Options series_options(const Workload& workload, const Behaviors& revision) {
  VmapAllocator::Options options;
  options.geometry = Geometry(options.geometry.base(), workload.block_slots);
  options.space_blocks = workload.space_blocks;
  options.cpus = workload.possible_cpus();
  options.revision = &revision;
  options.lazy_max_pages = kernel_lazy_max_pages(options.cpus.count());
  return options;
}

int RoundShootdown::flush(std::span<const Range> ranges) {
  if (windows_ == nullptr) {
    return 0;
  }
  const std::uint64_t before = backend_.calls();
  const Ticks begin = clock_.now_begin();
  const int failed = backend_.flush(ranges);
  const Ticks end = clock_.now_end();
  const std::uint64_t calls = backend_.calls() - before;
  calls_ += calls;
  windows_->push_back({begin, end, calls});
  const int unsettled = failed == 0 ? backend_.settle() : 0;
  excluded_ += clock_.now_end() - end;
  return failed == 0 ? unsettled : failed;
}

Rounds::Rounds(const Workload& workload, const Sequence& sequence, const Behaviors& revision,
               Address first_block, Shootdown* shootdown, Ledger* ledger)
    : sequence_(sequence),
      ledger_(ledger),
      allocator_(options_for(workload, revision, first_block, shootdown, ledger)),
      buffers_(sequence.buffers) {}

bool Rounds::prepare() {
  RoundCounts counts;
  for (const Operation& operation : sequence_.prepare) {
    perform(operation, &counts);
  }
  return counts.failed_allocs == 0;
}

RoundTimes Rounds::run(const Clock& clock, const RoundShootdown* excluding, RoundCounts* counts) {
  const auto excluded = [&] { return excluding == nullptr ? Ticks{0} : excluding->excluded(); };
  RoundTimes times;
  *counts = {};
  stale_pages_ = 0;
  system_errno_ = 0;
  const Ticks begin = clock.now_begin();
  for (const Operation& operation : sequence_.timed) {
    if (operation.action != Action::unmap_aliases) {
      perform(operation, counts);
      continue;
    }
    const Ticks excluded_before = excluded();
    const Ticks flush_begin = clock.now_begin();
    perform(operation, counts);
    times.flush += clock.now_end() - flush_begin - (excluded() - excluded_before);
    if (ledger_ != nullptr) {
      stale_pages_ += ledger_->stale_pages();
    }
  }
  times.round = clock.now_end() - begin - excluded();
  counts->operations = sequence_.timed.size();
  return times;
}

void Rounds::finish() {
  for (Buffer& buffer : buffers_) {
    if (buffer.address != 0) {
      allocator_.free(buffer.address, buffer.pages);
      buffer.address = 0;
    }
  }
  allocator_.reclaim();
  allocator_.release_retired();
}

void Rounds::perform(const Operation& operation, RoundCounts* counts) {
  Buffer& buffer = buffers_[operation.buffer];
  switch (operation.action) {
    case Action::alloc:
      keep(operation, allocator_.alloc(operation.queue, operation.pages), counts);
      break;
    case Action::new_block:
      keep(operation, allocator_.alloc_new_block(operation.queue, operation.pages), counts);
      break;
    case Action::same_block:
      keep(operation,
           allocator_.alloc_in_block(buffers_[operation.beside].address, operation.pages), counts);
      break;
    case Action::free:
      if (buffer.address != 0) {
        allocator_.free(buffer.address, buffer.pages);
        buffer.address = 0;
      }
      break;
    case Action::unmap_aliases:
      count(allocator_.unmap_aliases(plan_), counts);
      break;
  }
}

void Rounds::keep(const Operation& operation, const AllocReport& report, RoundCounts* counts) {
  buffers_[operation.buffer] = {report.error == Error::none ? report.address : 0, operation.pages};
  counts->failed_allocs += report.error == Error::none ? 0 : 1;
  counts->created += report.new_block ? 1 : 0;
  counts->visited += report.visited;
  counts->block_locks += report.block_locks;
  if (report.reclaim) {
    count(*report.reclaim, counts);
  }
}

void Rounds::count(const FlushReport& report, RoundCounts* counts) {
  if (report.system_errno != 0) {
    system_errno_ = report.system_errno;
  }
  counts->visited += report.visited + report.visited_purge;
  counts->block_locks += report.block_locks;
  counts->dirty_blocks += report.dirty_blocks;
  counts->purged += report.purged;
  counts->flushes += report.flushes;
  counts->flushed_pages += report.flushed_pages;
}

Survey survey(const Workload& workload, const Sequence& sequence, const Behaviors& revision,
              Address first_block, std::string* error) {
  const Clock clock{ClockDescription{}};
  Ledger ledger;
  RangeRecorder recorder;
  Rounds rounds(workload, sequence, revision, first_block, &recorder, &ledger);
  Survey found;
  if (!rounds.prepare()) {
    *error = fmt::format("{}: {}: an allocation failed before the timed part", workload.name,
                         revision.name);
    return found;
  }
  recorder.ranges().clear();
  rounds.run(clock, nullptr, &found.counts);
  found.ranges = recorder.ranges();
  found.stale_slots = rounds.stale_pages();
  rounds.finish();
  if (!rounds.allocator().state().blocks.empty() || ledger.stale_pages() != 0) {
    *error = fmt::format("{}: {}: a round does not return to where it began", workload.name,
                         revision.name);
  }
  return found;
}

}  // namespace flushwalk
