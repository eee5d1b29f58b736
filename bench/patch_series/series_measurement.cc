#include "bench/patch_series/series_measurement.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "bench/patch_series/series_oracle.h"
#include "bench/patch_series/series_rows.h"

namespace flushwalk {
namespace {

constexpr std::size_t kPagesToRead = 16;
// What the last of the pools and scratch vectors need to have grown.
constexpr unsigned kWarmUps = 3;
// Where no memory is behind them, the kernel's addresses.
constexpr Address kModelBase = 0xffffc90000000000;

// The first block from `base` on whose hash belongs to the same CPU as that of the kernel's first
// one: counts are the same with memory and without.
Address like_model(Address base, const Workload& workload) {
  const Geometry geometry(base, workload.block_slots);
  const std::uint64_t cpus = workload.cpus.size();
  Address address = base;
  while (geometry.hash_input(address) % cpus != geometry.hash_input(kModelBase) % cpus) {
    address += geometry.block_bytes();
  }
  return address;
}

// An empty vector whose memory is touched already: the timed part must not fault.
std::vector<ShootdownWindow> room_for(std::size_t windows) {
  std::vector<ShootdownWindow> room(windows);
  room.clear();
  return room;
}

}  // namespace

// The state of one repetition.
struct SeriesMeasurement::Sampling {
  std::vector<SeriesResult> results;                  // by revision
  std::vector<std::vector<ShootdownWindow>> windows;  // by revision
};

SeriesMeasurement::SeriesMeasurement(const SeriesGroup& group, const MeasuringContext& context)
    : group_(group),
      context_(context),
      order_(context.seed, group.revisions.size()),
      interrupts_(interrupts(group.shootdown) && group.responders != 0) {}

std::unique_ptr<SeriesMeasurement> SeriesMeasurement::prepare(const SeriesGroup& group,
                                                              const MeasuringContext& context,
                                                              std::string* error) {
  std::unique_ptr<SeriesMeasurement> made(new SeriesMeasurement(group, context));
  try {
    if (!made->make_rivals(error) || !made->start_responders(error)) {
      return nullptr;
    }
    // The warm-up counts nothing: the responders sleep.
    made->counters_.emplace(nullptr, nullptr, made->rivals_.size());
    if (!made->warm_up(error)) {
      return nullptr;
    }
    made->counters_.emplace(context.counters, made->responders_.get(), made->rivals_.size());
  } catch (const std::bad_alloc&) {
    *error = fmt::format("no memory for {}", group.workload->name);
    return nullptr;
  }
  return made;
}

bool SeriesMeasurement::make_rivals(std::string* error) {
  const Workload& workload = *group_.workload;
  Address first_block = kModelBase;
  if (group_.shootdown != ShootdownKind::none) {
    const std::uint64_t block_bytes = Geometry(0, workload.block_slots).block_bytes();
    const std::uint64_t blocks = workload.space_blocks + workload.cpus.size();
    arena_ = Arena::create(blocks * block_bytes, block_bytes, error);
    if (arena_ == nullptr) {
      return false;
    }
    first_block = like_model(arena_->base(), workload);
    backend_ = make_shootdown(group_.shootdown, arena_.get());
    shootdown_ = std::make_unique<RoundShootdown>(context_.clock, *backend_);
  }
  rivals_.resize(group_.revisions.size());
  for (std::size_t i = 0; i < rivals_.size(); ++i) {
    Rival& rival = rivals_[i];
    const Behaviors& revision = *group_.revisions[i];
    rival.sequence = workload.make(workload, Geometry(first_block, workload.block_slots));
    rival.survey = survey(workload, rival.sequence, revision, first_block, error);
    if (!error->empty()) {
      return false;
    }
    rival.rounds = std::make_unique<Rounds>(workload, rival.sequence, revision, first_block,
                                            shootdown_.get(), nullptr);
    for (const Range& range : rival.survey.ranges) {
      touched_.push_back(range.start);
    }
  }
  std::sort(touched_.begin(), touched_.end());
  touched_.erase(std::unique(touched_.begin(), touched_.end()), touched_.end());
  for (const Address page : arena_ == nullptr ? std::vector<Address>() : touched_) {
    *Arena::at(page) = 1;
  }
  return true;
}

bool SeriesMeasurement::start_responders(std::string* error) {
  if (group_.responders == 0) {
    return true;
  }
  std::vector<Address> pages;
  if (arena_ != nullptr) {
    pages.assign(touched_.begin(), touched_.begin() + static_cast<std::ptrdiff_t>(
                                                          std::min(touched_.size(), kPagesToRead)));
  }
  std::size_t flushes = 0;
  for (const Rival& rival : rivals_) {
    flushes += rival.survey.ranges.size();
  }
  // Each is followed by a settle(), which interrupts too.
  responders_ = Responders::start(context_.machine, context_.placement.responders, context_.clock,
                                  std::move(pages), gaps_to_keep(2 * flushes * context_.samples),
                                  error, context_.counters, rivals_.size());
  return responders_ != nullptr;
}

bool SeriesMeasurement::warm_up(std::string* error) {
  Sampling sampling;
  for (const Rival& rival : rivals_) {
    sampling.results.emplace_back(kWarmUps);
    sampling.windows.push_back(room_for(kWarmUps * (rival.survey.ranges.size() + 1)));
  }
  for (std::size_t i = 0; i < kWarmUps * rivals_.size(); ++i) {
    if (!take_sample(i % rivals_.size(), &sampling, error)) {
      return false;
    }
  }
  return true;
}

std::vector<SeriesResult> SeriesMeasurement::sample(std::string* error) {
  Sampling sampling;
  for (const Rival& rival : rivals_) {
    sampling.results.emplace_back(context_.samples).stale_slots = rival.survey.stale_slots;
    sampling.windows.push_back(room_for(context_.samples * (rival.survey.ranges.size() + 1)));
  }
  counters_->begin_repetition();
  if (responders_ != nullptr) {
    responders_->run();
  }
  const ThreadCounts before = thread_counts_before();
  const unsigned batch = interrupts_ ? kSamplesPerBatch : 1;
  bool ok = true;
  for (unsigned taken = 0; ok && taken < context_.samples; taken += batch, order_.next_turn()) {
    const unsigned samples = std::min(batch, context_.samples - taken);
    for (std::size_t i = 0; ok && i < rivals_.size(); ++i) {
      ok = take_batch(order_[i], samples, &sampling, error);
    }
  }
  const ThreadCounts counts = thread_counts_after() - before;
  if (responders_ != nullptr) {
    responders_->pause();
  }
  if (!ok) {
    return {};
  }
  for (std::size_t i = 0; i < rivals_.size(); ++i) {
    sampling.results[i].migrations = counts.migrations;
    if (responders_ != nullptr) {
      match_responders(*responders_, sampling.windows[i], context_.clock, &sampling.results[i]);
    }
  }
  return std::move(sampling.results);
}

bool SeriesMeasurement::take_batch(std::size_t rival, unsigned samples, Sampling* sampling,
                                   std::string* error) {
  const TlbBatch tlb(context_.placement.responders,
                     interrupts_ && tlb_row_counts(context_.mechanism));
  counters_->begin_batch(interrupts_);
  for (unsigned i = 0; i < samples; ++i) {
    if (context_.stop.load(std::memory_order_relaxed)) {
      *error = "interrupted";
      return false;
    }
    if (!take_sample(rival, sampling, error)) {
      return false;
    }
  }
  counters_->end_batch(rival);
  tlb.end(&sampling->results[rival]);
  return true;
}

bool SeriesMeasurement::take_sample(std::size_t rival, Sampling* sampling, std::string* error) {
  const Survey& expected = rivals_[rival].survey;
  Rounds& rounds = *rivals_[rival].rounds;
  SeriesResult& result = sampling->results[rival];
  std::vector<ShootdownWindow>& windows = sampling->windows[rival];
  if (!rounds.prepare()) {
    *error = fmt::format("{}: an allocation failed before the timed part", group_.workload->name);
    return false;
  }
  const std::size_t windows_before = windows.size();
  if (shootdown_ != nullptr) {
    shootdown_->arm(&windows);
  }
  counters_->begin_responders(rival);
  const Usage before = read_usage();
  counters_->begin(rival);
  const RoundTimes times = rounds.run(context_.clock, shootdown_.get(), &result.counts);
  counters_->end();
  const Usage after = read_usage();
  counters_->end_responders();
  if (shootdown_ != nullptr) {
    shootdown_->disarm();
  }
  rounds.finish();
  if (rounds.system_errno() != 0) {
    *error = fmt::format("{}: {}", name_of(group_.shootdown), std::strerror(rounds.system_errno()));
    return false;
  }
  result.calls = 0;
  for (std::size_t i = windows_before; i < windows.size(); ++i) {
    result.calls += windows[i].calls;
    // Its settle().
    result.untimed += interrupts_ && windows[i].calls != 0 ? responders_->size() : 0;
  }
  result.unlike += result.counts == expected.counts ? 0U : 1U;
  result.expected += interrupts_ ? result.calls * responders_->size() : 0;
  result.context_switches += after.switches - before.switches;
  result.page_faults += after.faults - before.faults;
  result.round.push(times.round);
  if (has_flushes(rivals_[rival].sequence)) {
    result.flush.push(times.flush);
  }
  return true;
}

// A settle() reaches the other CPUs like the flush before it, and is counted with it.
CaseWork SeriesMeasurement::work_of(const SeriesResult& result) const {
  const std::uint64_t rounds = result.round.size();
  const std::size_t responders = responders_ == nullptr ? 0 : responders_->size();
  return {.operation = "round",
          .operations = rounds,
          .visited_blocks = rounds * result.counts.visited,
          .shootdowns = responders == 0 ? 0 : (result.expected + result.untimed) / responders};
}

MemorySample SeriesMeasurement::memory() const {
  MemorySample sample;
  for (const Rival& rival : rivals_) {
    sample.add(std::as_const(*rival.rounds).allocator());
  }
  if (arena_ != nullptr) {
    sample.add(touched_);
  }
  return sample;
}

std::vector<CaseOutcome> SeriesMeasurement::measure(unsigned repetition, std::string* error) {
  std::vector<SeriesResult> results = sample(error);
  std::vector<CaseOutcome> outcomes;
  for (std::size_t i = 0; i < results.size(); ++i) {
    // One thread does the same each time: once is enough.
    if (context_.oracle && repetition == 0) {
      const auto seen = watch_round(*group_.workload, *group_.revisions[i], error);
      if (!seen) {
        return {};
      }
      results[i].oracle = {seen->freed_pages, seen->missed + seen->reused_unflushed, seen->window};
    }
    outcomes.push_back(make_series_outcome({group_, context_.placement, context_.clock},
                                           *group_.revisions[i], repetition, &results[i]));
    CaseOutcome& made = outcomes.back();
    made.counter_rows = counters_->take_rows(i, work_of(results[i]), made.rows);
  }
  return outcomes;
}

}  // namespace flushwalk
