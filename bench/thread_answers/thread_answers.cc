// thread_answers: what the mail thread of the series asked and a program can answer in seconds: how
// long the old walk defers a page's flush, why a fully flushed block must not go straight back,
// what RCU protects the walk from, and how wide the residual window is. Prints one JSON object,
// which reports/SCHEMA.md describes.
#include <fmt/core.h>
#include <sched.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "allocator/oracle_json.h"
#include "allocator/watched_load.h"
#include "bench/support/tool_line.h"
#include "bench/thread_answers/deferral.h"
#include "bench/thread_answers/rcu_walk.h"

namespace flushwalk {
namespace {

using Json = nlohmann::ordered_json;

constexpr unsigned kSlots = 128;

unsigned usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? static_cast<unsigned>(CPU_COUNT(&set)) : 2;
}

struct Weighted {
  std::uint64_t value;
  std::uint64_t pages;
};

// Nearest rank over pages. values are not empty.
Json percentiles(std::vector<Weighted> values) {
  std::sort(values.begin(), values.end(),
            [](const Weighted& a, const Weighted& b) { return a.value < b.value; });
  std::uint64_t all = 0;
  for (const Weighted& one : values) {
    all += one.pages;
  }
  const auto at = [&](std::uint64_t percent) {
    std::uint64_t below = 0;
    for (const Weighted& one : values) {
      below += one.pages;
      if (below * 100 >= all * percent) {
        return one.value;
      }
    }
    return values.back().value;
  };
  return {{"p50", at(50)}, {"p90", at(90)}, {"max", values.back().value}};
}

// Of one load in one revision. Pages of full blocks alone: those are what the old walk does not
// find. What the residual window has left to the next flush is counted apart: no walk was to blame.
struct DeferredLoad {
  std::string load;
  unsigned threads;
  Gather gather;
  std::string_view revision;
};
Json to_json(const DeferredLoad& load, std::uint64_t freed_pages,
             const std::vector<Deferral>& deferrals) {
  std::vector<Weighted> flushes;
  std::vector<Weighted> times;
  std::map<std::uint64_t, std::uint64_t> histogram;
  std::uint64_t pages = 0;
  std::uint64_t later = 0;
  std::uint64_t never = 0;
  std::uint64_t window = 0;
  for (const Deferral& one : deferrals) {
    if (one.window) {
      window += one.pages;
      continue;
    }
    flushes.push_back({one.flushes, one.pages});
    if (one.ns != 0) {
      times.push_back({one.ns, one.pages});
    }
    histogram[one.flushes] += one.pages;
    pages += one.pages;
    later += one.flushes > 1 || (!one.ended && one.flushes != 0) ? one.pages : 0;
    never += one.ended ? 0 : one.pages;
  }
  Json json{
      {"load", load.load},         {"threads", load.threads},      {"gather", name_of(load.gather)},
      {"revision", load.revision}, {"freed_pages", freed_pages},   {"pages", pages},
      {"deferred_pages", later},   {"never_flushed_pages", never}, {"window_pages", window}};
  json["flushes"] = flushes.empty() ? Json(nullptr) : percentiles(std::move(flushes));
  json["ns"] = times.empty() ? Json(nullptr) : percentiles(std::move(times));
  json["pages_by_flushes"] = Json::array();
  for (const auto& [count, of_pages] : histogram) {
    json["pages_by_flushes"].push_back(Json::array({count, of_pages}));
  }
  return json;
}

WatchedLoad watched_load(std::string_view revision, LastFree last_free, double seconds) {
  WatchedLoad load;
  load.allocator.geometry = Geometry(load.allocator.geometry.base(), kSlots);
  load.allocator.revision = find_revision(revision);
  load.allocator.last_free = last_free;
  load.backend = watching_backend();
  load.threads = std::max(2U, usable_cpus());
  load.seconds = seconds;
  return load;
}

// "Deferred, not missed": in the mixed workloads of patch_series_bench by the ledger; and by real
// threads on real memory.
bool add_deferred(double seconds, Json* answers, std::string* error) {
  for (const std::string_view revision : {"v6.4", "p1"}) {
    for (const std::string_view name : {"churn", "nearly_full", "many_cpus"}) {
      const Deferrals counted = count_deferrals(*find_workload(name), *find_revision(revision));
      (*answers)["deferred"].push_back(to_json({std::string(name), 1, Gather::hull, revision},
                                               counted.freed_pages, counted.of_full_blocks));
    }
    WatchedLoad load = watched_load(revision, LastFree::lazy, seconds);
    load.watch.deferrals = true;
    const auto seen = run_mixed_load(load, nullptr, error);
    if (!seen) {
      return false;
    }
    (*answers)["deferred"].push_back(to_json({"mixed", load.threads, Gather::runs, revision},
                                             seen->oracle.freed_pages, seen->oracle.deferrals));
  }
  return true;
}

// X and Y fill a block, Y is freed and flushed, X is freed: the proposal gives the block back now.
std::optional<Json> direct_return(LastFree last_free, std::string* error) {
  VmapAllocator::Options options;
  options.geometry = Geometry(options.geometry.base(), kSlots);
  options.space_blocks = 2;
  options.last_free = last_free;
  const auto watched = WatchedAllocator::create(options, watching_backend(), {}, error);
  if (watched == nullptr) {
    return std::nullopt;
  }
  const auto x = watched->map(0, kSlots / 2);
  const auto y = watched->map(0, kSlots / 2);
  if (!x || !y) {
    *error = "no address space for two requests";
    return std::nullopt;
  }
  watched->unmap(*y);
  const FlushReport first = watched->unmap_aliases();
  const FreeReport freed = watched->unmap(*x);
  const std::uint64_t lazy = watched->allocator().lazy_pages();
  const FlushReport second = watched->unmap_aliases();
  const auto z = watched->map(0, kSlots / 2);
  return Json{{"last_free", name_of(last_free)},
              {"first_flush_pages", first.flushed_pages},
              {"block_freed", freed.block_freed},
              {"lazy_pages_then", lazy},
              {"second_flush_pages", second.flushed_pages},
              {"stale_pages", watched->oracle().report().missed},
              {"address_handed_out_again", z && z->pages.start == x->pages.start}};
}

Json rcu_json(bool read_section, double seconds) {
  const RcuWalk seen = walk_beside_writer(read_section, seconds);
  return {{"read_section", read_section},
          {"walks", seen.walks},
          {"visited", seen.visited},
          {"dead", seen.dead},
          {"erased", seen.erased}};
}

bool add_windows(double seconds, Json* answers, std::string* error) {
  for (const LastFree last_free : {LastFree::lazy, LastFree::closed_window}) {
    const auto seen = provoke_window(watched_load("v6.12", last_free, seconds), nullptr, error);
    if (!seen) {
      return false;
    }
    (*answers)["window"].push_back({{"last_free", name_of(last_free)},
                                    {"last_frees", seen->last_frees},
                                    {"flushes", seen->oracle.flushes},
                                    {"windows_hit", seen->oracle.windows},
                                    {"stale_pages", seen->oracle.window},
                                    {"missed_pages", seen->oracle.missed}});
  }
  return true;
}

// What was to be seen: the old walk defers and the new one does not, and so on.
bool as_expected(const Json& answers) {
  bool ok = true;
  for (const Json& one : answers["deferred"]) {
    // Where the hull covers them by accident, v6.4 may defer none.
    ok &= one["deferred_pages"] == 0 || one["revision"] == "v6.4";
  }
  for (const Json& one : answers["direct_return"]) {
    ok &= (one["stale_pages"] != 0) == (one["last_free"] == "direct_return");
  }
  for (const Json& one : answers["no_rcu"]) {
    ok &= (one["dead"] != 0) == !one["read_section"].get<bool>();
  }
  for (const Json& one : answers["window"]) {
    ok &= one["missed_pages"] == 0 && (one["last_free"] == "lazy" || one["windows_hit"] == 0);
  }
  return ok;
}

int run(double seconds) {
  Json answers{{"schema_version", 1}, {"ok", false}, {"shootdown", name_of(watching_backend())}};
  std::string error;
  bool done = add_deferred(seconds, &answers, &error);
  for (const LastFree last_free : {LastFree::direct_return, LastFree::lazy}) {
    if (const auto told = done ? direct_return(last_free, &error) : std::nullopt) {
      answers["direct_return"].push_back(*told);
    } else {
      done = false;
    }
  }
  if (!done || !add_windows(seconds, &answers, &error)) {
    std::cerr << "thread_answers: " << error << '\n';
    return kBadInputExit;
  }
  answers["no_rcu"] = {rcu_json(true, seconds / 4), rcu_json(false, seconds / 4)};
  const bool ok = as_expected(answers);
  answers["ok"] = ok;
  fmt::print("{}\n", answers.dump(2));
  return ok ? 0 : 1;
}

}  // namespace
}  // namespace flushwalk

int main(int argc, char** argv) {
  CLI::App app(
      "Answers questions of the series' mail thread on real memory, as one JSON object: deferred "
      "(how many flushes and how long the old walk leaves freed pages of full blocks stale), "
      "direct_return (the sequence that leaves stale pages), window (how often the residual window "
      "is hit, open and closed), no_rcu (a walk outside of a read-side critical section meets "
      "freed entries). Exit 0 when all was seen as known, 1 when not, 2 for bad input.");
  double seconds = 1;
  app.add_option("--seconds", seconds, "for each load of threads; five take that long")
      ->check(CLI::Range(0.01, 1e5))
      ->capture_default_str();
  if (const auto over = flushwalk::read_tool_line(&app, "thread_answers", argc, argv)) {
    return *over;
  }
  return flushwalk::run(seconds);
}
