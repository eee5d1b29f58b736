// stale_oracle: threads use the allocator on real memory, and each page that was freed is given to
// a new owner and looked at through its old address after the flush that had to cover it. Prints
// what was stale, with its history, and whether that is what the walk promises.
#include <fmt/core.h>
#include <sched.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "allocator/oracle_json.h"
#include "allocator/watched_load.h"

namespace flushwalk {
namespace {

constexpr unsigned kSlots = 128;  // the smallest block of a 64-bit kernel: blocks come and go fast
constexpr int kBadInput = 2;
constexpr double kMostSeconds = 1e6;
constexpr unsigned kMostThreads = 1024;

std::atomic<bool> stop{false};
extern "C" void request_stop(int /*signal*/) { stop.store(true, std::memory_order_relaxed); }

struct Flags {
  std::string walk;
  std::string check = "locked";
  std::string revision = "v6.12";
  std::string last_free = "lazy";
  std::string shootdown = std::string(name_of(ShootdownKind::guard));
  std::string provoke = "none";
  double seconds = 2;
  unsigned threads = 2;
  std::uint64_t seed = 1;
  std::uint64_t plant = 0;
  bool json = false;
};

unsigned usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? static_cast<unsigned>(CPU_COUNT(&set)) : 2;
}

int refuse(const std::string& line) {
  std::cerr << "stale_oracle: " << line << '\n';
  return kBadInput;
}

// The value of that name; an error line where there is none.
template <class Values>
std::optional<std::string> read_name(const char* flag, const std::string& text,
                                     const Values& values,
                                     std::remove_cvref_t<decltype(*std::begin(values))>* found) {
  std::string names;
  for (const auto& value : values) {
    if (name_of(value) == text) {
      *found = value;
      return std::nullopt;
    }
    names += names.empty() ? "" : ", ";
    names += name_of(value);
  }
  return fmt::format("{}: `{}` is not one of {}", flag, text, names);
}

// nullopt, and *load is set; or the line that says what is wrong.
std::optional<std::string> read(const Flags& flags, WatchedLoad* load) {
  const Behaviors* const revision = find_revision(flags.revision);
  if (revision == nullptr) {
    return fmt::format("--revision: `{}` is not one of {}", flags.revision, revision_names());
  }
  VmapAllocator::Options& options = load->allocator;
  options.geometry = Geometry(options.geometry.base(), kSlots);
  options.revision = revision;
  Walk walk = revision->walk;
  if (!flags.walk.empty()) {
    if (auto problem = read_name("--walk", flags.walk, kWalks, &walk)) {
      return problem;
    }
    if (!can_walk(*revision, walk)) {
      return fmt::format(
          "--walk: {} needs a revision that resets what a flush has collected, p3 or "
          "later; {} does not",
          name_of(walk), revision->name);
    }
  }
  options.walk = walk;
  if (auto problem = read_name("--check", flags.check, kChecks, &options.check)) {
    return problem;
  }
  if (auto problem = read_name("--last-free", flags.last_free, kLastFrees, &options.last_free)) {
    return problem;
  }
  if (auto problem = read_name("--shootdown", flags.shootdown, kShootdownKinds, &load->backend)) {
    return problem;
  }
  std::string reason = why_blind(load->backend);
  if (reason.empty()) {
    reason = why_unsupported(load->backend);
  }
  if (!reason.empty()) {
    return fmt::format("--shootdown: {}: {}", flags.shootdown, reason);
  }
  if (flags.provoke == "window" && flags.threads < 2) {
    return fmt::format("--threads: {} with --provoke=window: one frees and one flushes, 2 or more",
                       flags.threads);
  }
  load->watch.plant_every = flags.plant;
  load->threads = flags.threads;
  load->seconds = flags.seconds;
  load->seed = flags.seed;
  return std::nullopt;
}

struct Verdict {
  bool ok;
  std::string sentence;
};

// Whether the walk kept its promise, or broke the one it is known to break.
Verdict judge(const WatchedOutcome& outcome, const WatchedLoad& load) {
  const OracleReport& seen = outcome.oracle;
  const bool direct = load.allocator.last_free == LastFree::direct_return &&
                      load.allocator.revision->reset_collected_range;
  if (outcome.system_errno != 0) {
    return {false, fmt::format("a call failed: {}", std::strerror(outcome.system_errno))};
  }
  const std::string window =
      seen.window == 0
          ? ""
          : fmt::format(" But for {} in the residual window, which the kernel has too.",
                        seen.window);
  if (*load.allocator.walk != Walk::free_list && !direct) {
    const bool ok = is_complete(outcome, load.allocator.last_free);
    return {ok, ok ? "As promised: no stale alias." + window
                   : "NOT as promised: there are stale aliases, or pages in use were lost."};
  }
  const std::string what = direct ? "a direct return" : "the free-list walk";
  // A direct return loses pages, too: those handed out anew from what a flush has collected before.
  const bool ok = seen.missed + seen.reused_unflushed != 0 &&
                  (direct || outcome.lost_live_pages == 0) && seen.planted_found == seen.planted;
  return {ok, ok ? fmt::format("As known: {} leaves stale aliases.{}", what, window)
                 : fmt::format("NOT as known: {} leaves stale aliases, none was seen.", what)};
}

void print_alias(const StaleAlias& alias) {
  const auto ms = [](std::uint64_t ns) { return static_cast<double>(ns) * 1e-6; };
  if (!alias.of_block) {
    fmt::print("  {}: page {:#x}, found at {:.3f} ms when it was handed out again\n",
               name_of(alias.kind), alias.address, ms(alias.found_ns));
    return;
  }
  fmt::print(
      "  {}: block {} slot {}: handed out at {:.3f} ms, freed at {:.3f} ms ({}), found at {:.3f} "
      "ms after {} flush{} (block: {}); read {:#04x}, the new owner's\n",
      name_of(alias.kind), alias.block, alias.slot, ms(alias.handed_out_ns), ms(alias.freed_ns),
      alias.never_used_then == 0 ? "of a full block" : "of a block on its free list",
      ms(alias.found_ns), alias.flushes, alias.flushes == 1 ? "" : "es", alias.block_now,
      alias.read);
}

void print_text(const WatchedOutcome& outcome, const WatchedLoad& load, bool provoked) {
  const OracleReport& seen = outcome.oracle;
  fmt::print("walk {}, revision {}, last free {}, {}, {} threads\n", name_of(*load.allocator.walk),
             load.allocator.revision->name, name_of(load.allocator.last_free),
             name_of(load.backend), load.threads);
  fmt::print("  {} allocs ({} found no space), {} frees, {} of them a block's last; {} flushes\n",
             outcome.allocs, outcome.failed_allocs, outcome.frees, outcome.last_frees,
             seen.flushes);
  fmt::print(
      "  {} pages freed, {} loads at old addresses, {} of them when the address was handed "
      "out again\n",
      seen.freed_pages, seen.probes, seen.probed_at_reuse);
  fmt::print(
      "  stale: {} missed by a flush, {} handed out again unflushed; in the residual window: "
      "{} pages of {} blocks\n",
      seen.missed, seen.reused_unflushed, seen.window, seen.windows);
  if (load.watch.plant_every != 0) {
    fmt::print(
        "  planted {}, found {} ({} more were covered by a later flush before anyone "
        "looked)\n",
        seen.planted, seen.planted_found, seen.planted_covered);
  }
  if (provoked) {
    fmt::print(
        "  the window was hit by {} of {} last frees: {:.3f} %\n", seen.windows, outcome.last_frees,
        outcome.last_frees == 0
            ? 0.0
            : 100.0 * static_cast<double>(seen.windows) / static_cast<double>(outcome.last_frees));
  }
  if (outcome.lost_live_pages != 0 || seen.handed_out_twice != 0 || seen.strange != 0) {
    fmt::print("  pages in use that were lost: {}; handed out twice: {}; strange reads: {}\n",
               outcome.lost_live_pages, seen.handed_out_twice, seen.strange);
  }
  for (const StaleAlias& alias : seen.first) {
    print_alias(alias);
  }
}

int run(const Flags& flags) {
  WatchedLoad load;
  if (const auto problem = read(flags, &load)) {
    return refuse(*problem);
  }
  signal(SIGINT, request_stop);
  signal(SIGTERM, request_stop);
  const bool provoked = flags.provoke == "window";
  std::string error;
  const auto outcome =
      provoked ? provoke_window(load, &stop, &error) : run_mixed_load(load, &stop, &error);
  if (!outcome) {
    return refuse(error);
  }
  const Verdict verdict = judge(*outcome, load);
  if (flags.json) {
    nlohmann::ordered_json json;
    json["ok"] = verdict.ok;
    json["walk"] = name_of(*load.allocator.walk);
    json["revision"] = load.allocator.revision->name;
    json["last_free"] = name_of(load.allocator.last_free);
    json["shootdown"] = name_of(load.backend);
    json["threads"] = load.threads;
    json["seed"] = load.seed;
    json.update(to_json(*outcome));
    fmt::print("{}\n", json.dump(2));
  } else {
    print_text(*outcome, load, provoked);
    fmt::print("{}\n", verdict.sentence);
  }
  return verdict.ok ? 0 : 1;
}

void add_flags(CLI::App* app, Flags* flags) {
  const auto text = [&](const char* flag, std::string* value, const std::string& help) {
    app->add_option(flag, *value, help)->capture_default_str();
  };
  text("--walk", &flags->walk, walk_names() + " (default: the revision's)");
  text("--check", &flags->check, "how a walk looks at a block: locked, lockless");
  text("--revision", &flags->revision, std::string(revision_names()));
  text("--last-free", &flags->last_free,
       "what a block's last free does with its addresses: lazy (the kernel's), closed_window, "
       "direct_return");
  text("--shootdown", &flags->shootdown, "how a flush revokes: guard, mprotect, munmap");
  app->add_option("--seconds", flags->seconds, "how long")
      ->check(CLI::Range(0.001, kMostSeconds))
      ->capture_default_str();
  app->add_option("--threads", flags->threads, "threads, each with a queue of its own")
      ->check(CLI::Range(1U, kMostThreads))
      ->capture_default_str();
  app->add_option("--seed", flags->seed, "of the random operations")->capture_default_str();
  app->add_option("--plant", flags->plant,
                  "plants stale aliases: every n-th range with something to flush is not flushed; "
                  "0: none")
      ->capture_default_str();
  app->add_option("--provoke", flags->provoke,
                  "window: provokes the residual window, instead of a mixed load")
      ->check(CLI::IsMember({"none", "window"}))
      ->capture_default_str();
  app->add_flag("--json", flags->json, "one JSON object instead of the text");
}

}  // namespace
}  // namespace flushwalk

int main(int argc, char** argv) {
  CLI::App app(
      "Looks for stale aliases on real memory while threads allocate, free and flush. Exit 0 when "
      "what was seen is what the walk promises (complete walks: none but in the residual window; "
      "free_list: some), 1 when not, 2 for bad input.");
  flushwalk::Flags flags;
  flags.threads = flushwalk::usable_cpus();
  flushwalk::add_flags(&app, &flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return flushwalk::refuse(error.what());
  }
  return flushwalk::run(flags);
}
