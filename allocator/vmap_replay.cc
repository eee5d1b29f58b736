// vmap_replay: what would the allocator of that revision have done with my workload?
#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "allocator/replay.h"

namespace {

constexpr const char* kDescription =
    "Replays a sequence of operations on the per-CPU vmap block allocator as the kernel of one "
    "revision "
    "does it, and prints one JSON object for each operation: what was done, and the state after "
    "it.";

constexpr const char* kFormat = R"(Set-up lines, before the first operation (# begins a comment):
  cpus N               CPUs 0..N-1 are possible (1)
  possible 0,2,3       a sparse mask of possible CPUs
  bits B               slots in a block, a power of two up to 4096 (1024)
  base HEX             start of the address space (0xffffc90000000000)
  space N              its size in blocks (32 TiB, or up to the highest address)
  lazymax PAGES        lazily freed pages above which a drain is scheduled (fls(cpus) * 8192)
Operations:
  alloc CPU PAGES NAME   free NAME   unmap_aliases [START END FLUSH]   purge CPU
  reclaim   drain   state   free_racing NAME
Answers: page numbers are relative to the first block's address; `stale` counts pages that were freed and
that no flush has covered since.
Examples: vmap_replay --revision=p1 < my.trace
          vmap_replay --all --summary < my.trace)";

constexpr int kBadInput = 2;

using flushwalk::Behaviors;
using flushwalk::Replay;
using flushwalk::ReplaySummary;
using flushwalk::ReplayVariation;

struct Column {
  const char* heading;
  std::uint64_t ReplaySummary::*value;
};

constexpr Column kColumns[] = {{"visited", &ReplaySummary::visited},
                               {"locks", &ReplaySummary::block_locks},
                               {"ranges", &ReplaySummary::ranges},
                               {"flushes", &ReplaySummary::flushes},
                               {"flushed pages", &ReplaySummary::flushed_pages},
                               {"purged", &ReplaySummary::purged},
                               {"created", &ReplaySummary::created},
                               {"failed", &ReplaySummary::failures},
                               {"unmap_aliases", &ReplaySummary::unmap_aliases},
                               {"incomplete", &ReplaySummary::incomplete},
                               {"stale pages", &ReplaySummary::stale_pages_left}};

constexpr const char* kLegend =
    "visited, locks: blocks looked at and block locks taken, by allocs, flushes and purges\n"
    "ranges, flushes: dirty ranges collected, calls of flush_tlb_kernel_range; purged, created: "
    "blocks\n"
    "failed: allocs; incomplete: calls of unmap_aliases that left something stale, and the pages "
    "of all of them\n";

void print_summary(const std::vector<const Behaviors*>& revisions,
                   const std::vector<std::unique_ptr<Replay>>& replays) {
  fmt::print("{:<8}", "");
  for (const Column& column : kColumns) {
    fmt::print("  {:>13}", column.heading);
  }
  fmt::print("\n");
  for (std::size_t i = 0; i < revisions.size(); ++i) {
    fmt::print("{:<8}", revisions[i]->name);
    for (const Column& column : kColumns) {
      fmt::print("  {:>13}", replays[i]->summary().*column.value);
    }
    fmt::print("\n");
  }
  fmt::print("\n{}", kLegend);
}

// The value that name_of() calls `text`.
template <class Value, std::size_t kCount>
std::optional<std::string> read_name(const char* flag, const std::string& text,
                                     const Value (&values)[kCount], Value* found) {
  std::string all;
  for (const Value value : values) {
    if (name_of(value) == text) {
      *found = value;
      return std::nullopt;
    }
    all += fmt::format("{}{}", all.empty() ? "" : ", ", name_of(value));
  }
  return fmt::format("{}: `{}` is not one of {}", flag, text, all);
}

// The first that is wrong, in words.
std::optional<std::string> read_variation(const std::string& walk, const std::string& check,
                                          const std::string& index,
                                          const std::vector<const Behaviors*>& revisions,
                                          ReplayVariation* variation) {
  auto problem = read_name("--check", check, flushwalk::kChecks, &variation->check);
  if (!problem) {
    problem = read_name("--index", index, flushwalk::kIndexLayouts, &variation->layout);
  }
  if (problem || walk.empty()) {
    return problem;
  }
  problem = read_name("--walk", walk, flushwalk::kWalks, &variation->walk.emplace());
  for (const Behaviors* revision : revisions) {
    if (!problem && !can_walk(*revision, *variation->walk)) {
      problem = fmt::format(
          "--walk: `{}` needs a revision that resets what it has collected (p3 on), {} does not",
          walk, revision->name);
    }
  }
  return problem;
}

// Each operation is performed in every revision before the next one is read: the trace is read
// once.
int replay(std::istream& in, const std::string& name,
           const std::vector<const Behaviors*>& revisions, const ReplayVariation& variation,
           bool summary) {
  std::vector<std::unique_ptr<Replay>> replays;
  int status = 0;
  try {
    flushwalk::TraceReader reader(in, name);
    for (const Behaviors* revision : revisions) {
      replays.push_back(std::make_unique<Replay>(reader.setup(), *revision, variation));
    }
    flushwalk::TraceOperation operation;
    while (reader.next(&operation)) {
      for (const auto& replay : replays) {
        const Replay::Json answer = replay->perform(operation, reader);
        if (!summary) {
          // A name may be any bytes, and JSON is UTF-8.
          std::cout << answer.dump(-1, ' ', false, Replay::Json::error_handler_t::replace) << '\n';
        }
      }
    }
  } catch (const flushwalk::TraceError& error) {
    std::cout.flush();
    std::cerr << "vmap_replay: " << error.what() << '\n';
    status = kBadInput;
  }
  if (summary && !replays.empty()) {
    print_summary(revisions, replays);
  }
  std::cout.flush();
  if (!std::cout || std::fflush(stdout) != 0) {
    std::cerr << "vmap_replay: standard output: cannot be written\n";
    return 1;
  }
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(kDescription);
  app.footer(kFormat);
  std::string revision_name;
  std::string file;
  bool all = false;
  bool summary = false;
  auto* const revision_option = app.add_option(
      "--revision", revision_name, fmt::format("one of {}", flushwalk::revision_names()));
  app.add_flag("--all", all, "every revision; with --summary")->excludes(revision_option);
  app.add_flag("--summary", summary, "one table row a revision instead of the answers");
  std::string walk;
  std::string check = "locked";
  std::string index = "kernel";
  app.add_option(
      "--walk", walk,
      "how a flush finds dirty blocks, instead of the revision's way: " + flushwalk::walk_names());
  app.add_option("--check", check, "how it looks at a block: locked, lockless")
      ->capture_default_str();
  app.add_option("--index", index, "the xarrays' keys: kernel, dense")->capture_default_str();
  app.add_option("trace", file, "the trace (default: standard input)");
  const auto refuse = [](const std::string& line) {
    std::cerr << "vmap_replay: " << line << '\n';
    return kBadInput;
  };
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return refuse(error.what());
  }
  std::vector<const Behaviors*> revisions;
  if (all && !summary) {
    return refuse("--all: is for --summary; answers are those of one --revision");
  }
  for (const Behaviors& revision : flushwalk::revisions()) {
    if (all || revision.name == revision_name) {
      revisions.push_back(&revision);
    }
  }
  if (revisions.empty()) {
    return refuse(fmt::format("--revision: `{}` is not one of {}", revision_name,
                              flushwalk::revision_names()));
  }
  ReplayVariation variation;
  if (const auto problem = read_variation(walk, check, index, revisions, &variation)) {
    return refuse(*problem);
  }
  std::ios::sync_with_stdio(false);
  if (file.empty()) {
    return replay(std::cin, "standard input", revisions, variation, summary);
  }
  std::ifstream in(file);
  if (!in) {
    return refuse(fmt::format("{}: {}", file, std::strerror(errno)));
  }
  return replay(in, file, revisions, variation, summary);
}
