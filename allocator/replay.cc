#include "allocator/replay.h"

#include <fmt/core.h>

#include <algorithm>

namespace flushwalk {
namespace {

// Descriptors wait for a grace period until somebody asks for it: often enough for constant memory.
constexpr std::uint64_t kOperationsPerRelease = 4096;

constexpr std::uint64_t kVmallocBytes = std::uint64_t{32} << 40;

// As many as the vmalloc space of x86-64 has; fewer where the addresses end before.
std::uint64_t usual_space_blocks(const Geometry& geometry) {
  const std::uint64_t up_to_the_last = ~Address{0} - geometry.first_block();
  return std::min(kVmallocBytes, up_to_the_last) / geometry.block_bytes();
}

VmapAllocator::Options options_for(const TraceSetup& setup, const Behaviors& revision,
                                   const ReplayVariation& variation, Ledger* ledger) {
  VmapAllocator::Options options;
  options.geometry = Geometry(setup.base, setup.slots);
  options.space_blocks = setup.space_blocks.value_or(usual_space_blocks(options.geometry));
  options.cpus = setup.cpus;
  options.revision = &revision;
  options.lazy_max_pages = setup.lazy_max_pages.value_or(kernel_lazy_max_pages(setup.cpus.count()));
  options.walk = variation.walk;
  options.check = variation.check;
  options.layout = variation.layout;
  options.ledger = ledger;
  return options;
}

const char* operation_name(TraceOp op) {
  switch (op) {
    case TraceOp::alloc:
      return "alloc";
    case TraceOp::free:
      return "free";
    case TraceOp::free_racing:
      return "free_racing";
    case TraceOp::unmap_aliases:
      return "unmap_aliases";
    case TraceOp::purge:
      return "purge";
    case TraceOp::reclaim:
      return "reclaim";
    case TraceOp::drain:
      return "drain";
    case TraceOp::state:
      return "state";
  }
  return "unknown";
}

}  // namespace

Replay::Replay(const TraceSetup& setup, const Behaviors& revision, const ReplayVariation& variation)
    : allocator_([&] {
        VmapAllocator::Options options = options_for(setup, revision, variation, &ledger_);
        options.observer = this;
        return options;
      }()) {}

void Replay::block_unlocked() {
  if (racing_ == nullptr) {
    return;
  }
  FlushPlan plan(Gather::hull);
  FlushDetail detail;
  allocator_.unmap_aliases(plan, {}, &detail);
  // Only frees that have returned count; the racing one has not.
  std::uint64_t stale = ledger_.stale_pages();
  for (unsigned i = 0; i < racing_->pages; ++i) {
    stale -= ledger_.is_stale(racing_->address + i * kPageSize) ? 1U : 0U;
  }
  race_["stale_of_completed_frees_after_racing_unmap"] = stale;
  race_["flushes"] = flushes(detail);
}

std::int64_t Replay::page(Address address) const {
  return static_cast<std::int64_t>(address - allocator_.geometry().first_block()) >> kPageShift;
}

std::uint64_t Replay::slot(Address block_start) const {
  return (block_start - allocator_.geometry().first_block()) / allocator_.geometry().block_bytes();
}

Replay::Json Replay::perform(const TraceOperation& operation, const TraceReader& reader) {
  Json answer;
  answer["i"] = performed_;
  answer["op"] = operation_name(operation.op);
  Json rest;
  switch (operation.op) {
    case TraceOp::alloc:
      rest = alloc(operation, reader);
      break;
    case TraceOp::free:
    case TraceOp::free_racing:
      rest = free(operation, reader);
      break;
    case TraceOp::unmap_aliases:
      rest = unmap_aliases(operation);
      break;
    case TraceOp::purge:
      rest = purge(operation);
      break;
    case TraceOp::reclaim:
      rest = reclaim();
      break;
    case TraceOp::drain:
      rest = drain();
      break;
    case TraceOp::state:
      rest = state();
      break;
  }
  answer.update(rest);
  answer["nr_lazy"] = allocator_.lazy_pages();
  answer["stale"] = ledger_.stale_pages();
  if (++performed_ % kOperationsPerRelease == 0) {
    allocator_.release_retired();
  }
  return answer;
}

Replay::Json Replay::alloc(const TraceOperation& operation, const TraceReader& reader) {
  if (live_.contains(operation.name)) {
    throw reader.error(fmt::format("the name `{}` is in use: free it first", operation.name));
  }
  FlushDetail detail;
  const AllocReport report = allocator_.alloc(operation.cpu, operation.pages, &detail);
  summary_.visited += report.visited;
  summary_.block_locks += report.block_locks;
  summary_.created += report.new_block ? 1 : 0;
  summary_.failures += report.error == Error::none ? 0 : 1;
  const FlushReport reclaim = report.reclaim.value_or(FlushReport{});
  count(reclaim);
  Json answer;
  answer["cpu"] = operation.cpu;
  answer["pages"] = operation.pages;
  answer["name"] = operation.name;
  answer["ok"] = report.error == Error::none;
  if (report.error == Error::none) {
    live_[operation.name] = {report.address, operation.pages};
    failed_.erase(operation.name);
    const Address block = allocator_.geometry().block_start(report.address);
    answer["block"] = report.serial;
    answer["slot"] = slot(block);
    answer["xa"] = allocator_.bucket(block);
    answer["off"] = allocator_.geometry().slot(report.address);
    answer["new"] = report.new_block;
    answer["left_list"] = report.left_list;
    answer["free"] = report.free;
    answer["dirty"] = report.dirty;
  } else {
    failed_.insert(operation.name);
    answer["err"] = name_of(report.error);
  }
  answer["visited"] = report.visited;
  answer["vb_locks"] = report.block_locks + reclaim.block_locks;
  if (!detail.purged.empty() || !detail.lazy.empty() || !detail.flushes.empty()) {
    add_purge(&answer, detail);
    answer["flushes"] = flushes(detail);
  }
  return answer;
}

Replay::Json Replay::free(const TraceOperation& operation, const TraceReader& reader) {
  Json answer;
  const auto found = live_.find(operation.name);
  if (found == live_.end()) {
    if (failed_.erase(operation.name) == 0) {
      throw reader.error(fmt::format(
          "`{}` is not allocated: it never was, or it has been freed already", operation.name));
    }
    answer["name"] = operation.name;
    answer["ok"] = false;
    answer["err"] = "noname";
    return answer;
  }
  const Allocation allocation = found->second;
  const bool races = operation.op == TraceOp::free_racing;
  if (races) {
    racing_ = &allocation;
    race_ = Json::object();
  }
  const FreeReport report = allocator_.free(allocation.address, allocation.pages);
  racing_ = nullptr;
  if (races) {
    if (!report.block_freed) {
      throw reader.error(
          fmt::format("free_racing is for the last free of a block, which that of `{}` is not",
                      operation.name));
    }
    answer.update(race_);
  }
  live_.erase(found);
  answer["name"] = operation.name;
  answer["block"] = report.serial;
  answer["slot"] = slot(allocator_.geometry().block_start(allocation.address));
  answer["off"] = allocator_.geometry().slot(allocation.address);
  answer["pages"] = allocation.pages;
  answer["free"] = report.free;
  answer["dirty"] = report.dirty;
  answer["dirty_min"] = report.dirty_range.start;
  answer["dirty_max"] = report.dirty_range.end;
  answer["block_freed"] = report.block_freed;
  answer["drain"] = report.drain;
  return answer;
}

Replay::Json Replay::unmap_aliases(const TraceOperation& operation) {
  const Address first = allocator_.geometry().first_block();
  const auto address = [&](std::int64_t pages) {
    return first + (static_cast<std::uint64_t>(pages) << kPageShift);
  };
  CallerRange caller;
  caller.range.start = operation.start ? address(*operation.start) : ~Address{0};
  caller.range.end = operation.end ? address(*operation.end) : 0;
  caller.flush = operation.flush;
  FlushPlan plan(Gather::hull);
  FlushDetail detail;
  const FlushReport report = allocator_.unmap_aliases(plan, caller, &detail);
  count(report);
  const std::uint64_t stale = ledger_.stale_pages();
  ++summary_.unmap_aliases;
  summary_.incomplete += stale == 0 ? 0 : 1;
  summary_.stale_pages_left += stale;
  Json answer;
  answer["visited"] = report.visited;
  answer["visited_cpu"] = detail.visited_by_queue;
  answer["visited_purge"] = report.visited_purge;
  answer["vb_locks"] = report.block_locks;
  answer["ranges"] = Json::array();
  for (const FlushDetail::DirtyRange& range : detail.dirty_ranges) {
    answer["ranges"].push_back(Json{{"block", range.serial},
                                    {"slot", slot(range.block_start)},
                                    {"s", range.slots.start},
                                    {"e", range.slots.end}});
  }
  add_purge(&answer, detail);
  answer["flushes"] = flushes(detail);
  return answer;
}

Replay::Json Replay::purge(const TraceOperation& operation) {
  FlushDetail detail;
  const FlushReport report = allocator_.purge(operation.cpu, &detail);
  count(report);
  Json answer;
  answer["cpu"] = operation.cpu;
  answer["visited_purge"] = report.visited_purge;
  answer["vb_locks"] = report.block_locks;
  add_purge(&answer, detail);
  answer["drain"] = report.drain;
  return answer;
}

Replay::Json Replay::reclaim() {
  FlushDetail detail;
  const FlushReport report = allocator_.reclaim(&detail);
  count(report);
  Json answer;
  answer["visited_purge"] = report.visited_purge;
  answer["vb_locks"] = report.block_locks;
  add_purge(&answer, detail);
  answer["flushes"] = flushes(detail);
  return answer;
}

Replay::Json Replay::drain() {
  FlushDetail detail;
  count(allocator_.drain(&detail));
  Json answer;
  add_purge(&answer, detail);
  answer["flushes"] = flushes(detail);
  return answer;
}

Replay::Json Replay::state() {
  const AllocatorState state = allocator_.state();
  Json answer;
  answer["blocks"] = Json::array();
  for (const AllocatorState::BlockView& block : state.blocks) {
    answer["blocks"].push_back(Json{{"block", block.serial},
                                    {"slot", slot(block.start)},
                                    {"xa", block.bucket},
                                    {"cpu", block.queue},
                                    {"free", block.free},
                                    {"dirty", block.dirty},
                                    {"dirty_min", block.dirty_range.start},
                                    {"dirty_max", block.dirty_range.end},
                                    {"on_list", block.on_list}});
  }
  answer["lists"] = state.lists;
  return answer;
}

void Replay::count(const FlushReport& report) {
  summary_.visited += report.visited + report.visited_purge;
  summary_.block_locks += report.block_locks;
  summary_.ranges += report.dirty_blocks;
  summary_.flushes += report.flushes;
  summary_.flushed_pages += report.flushed_pages;
  summary_.purged += report.purged;
}

void Replay::add_purge(Json* answer, const FlushDetail& detail) const {
  Json purged = Json::array();
  for (const FlushDetail::Purged& block : detail.purged) {
    purged.push_back(Json{
        {"block", block.serial}, {"list_cpu", block.list_queue}, {"lock_cpu", block.lock_queue}});
  }
  (*answer)["purged"] = std::move(purged);
  (*answer)["lazy"] = lazy(detail);
}

Replay::Json Replay::lazy(const FlushDetail& detail) const {
  Json areas = Json::array();
  for (const Range& area : detail.lazy) {
    areas.push_back(Json::array({page(area.start), page(area.end)}));
  }
  return areas;
}

Replay::Json Replay::flushes(const FlushDetail& detail) const {
  const auto page_or_null = [&](Address address, bool is_null) {
    return is_null ? Json(nullptr) : Json(page(address));
  };
  Json all = Json::array();
  for (const FlushDetail::Flush& flush : detail.flushes) {
    all.push_back(Json{{"s", page_or_null(flush.range.start, flush.range.start == ~Address{0})},
                       {"e", page_or_null(flush.range.end, flush.range.end == 0)},
                       {"by", flush.by_lazy ? "lazy" : "direct"}});
  }
  return all;
}

}  // namespace flushwalk
