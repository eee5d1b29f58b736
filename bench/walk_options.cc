#include "bench/walk_options.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <string_view>

#include "allocator/shootdown.h"

namespace flushwalk {
namespace {

constexpr unsigned kMostSamples = 1'000'000;
constexpr unsigned kMostRepetitions = 10'000;

void print_shootdowns() {
  for (const ShootdownKind kind : kShootdownKinds) {
    const std::string reason = why_unsupported(kind);
    fmt::print("{:<16}{:<6}{}\n", name_of(kind), name_of(gather_for(kind)),
               reason.empty() ? "available" : reason);
  }
}

// Google Benchmark wants what the suite does not know, in the old order; the program's name stays
// first.
void leave_rest(const std::vector<std::string>& rest, int* argc, char** argv) {
  int kept = 1;
  for (int i = 1; i < *argc; ++i) {
    for (const std::string& argument : rest) {
      if (argument == argv[i]) {
        argv[kept++] = argv[i];
        break;
      }
    }
  }
  *argc = kept;
  argv[kept] = nullptr;
}

}  // namespace

std::variant<WalkOptions, ExitCode> parse_walk_options(int* argc, char** argv) {
  WalkOptions options;
  bool list_shootdowns = false;
  CLI::App app(
      "Times flushes of the per-CPU vmap block allocator by walk, load, shootdown and responders. "
      "Lists are comma "
      "separated; every combination runs.");
  app.footer(
      "Beside these, all flags of Google Benchmark (--benchmark_filter=REGEX, "
      "--benchmark_list_tests, ...).\n"
      "Example: flush_walk_bench --blocks=4096 --full=50 --shootdown=none,mprotect_range "
      "--responders=0,1 "
      "--out=reports/mine");
  app.allow_extras();
  app.add_option("--walk", options.axes.walk, "free_list, xarray")->capture_default_str();
  app.add_option("--blocks", options.axes.blocks, "live blocks, 1..1048576")->capture_default_str();
  app.add_option("--full", options.axes.full, "percent of blocks fully used, 0..100")
      ->capture_default_str();
  app.add_option("--dirty", options.axes.dirty, "percent of blocks with a dirty range, 0..100")
      ->capture_default_str();
  app.add_option("--dirty-slots", options.axes.dirty_slots,
                 "slots in a dirty range, a power of two, 1..64")
      ->capture_default_str();
  app.add_option("--queues", options.axes.queues, "stripes, 1..1024")->capture_default_str();
  app.add_option("--shootdown", options.axes.shootdown, "see --list-shootdowns")
      ->capture_default_str();
  app.add_option("--responders", options.axes.responders,
                 "threads of this process on other CPUs, which a shootdown interrupts")
      ->capture_default_str();
  app.add_option("--samples", options.samples, "flushes of each case in a repetition")
      ->check(CLI::Range(1U, kMostSamples))
      ->capture_default_str();
  app.add_option("--repetitions", options.repetitions, "of each case")
      ->check(CLI::Range(1U, kMostRepetitions))
      ->capture_default_str();
  app.add_option("--out", options.out,
                 "folder for machine.json and measurements.csv (made if missing, appended to)");
  app.add_option("--cpus", options.cpus,
                 "CPUs to use: the initiator's, then the responders', as 0,4-7 (default: the "
                 "nearest, one thread a core)");
  app.add_flag("--list-shootdowns", list_shootdowns, "say which this kernel has, and stop");
  app.add_flag("--dry-run", options.dry_run, "print the cases, and stop");
  app.add_flag("--progress", options.progress, "one JSON object a line on standard error");
  options.command_line.assign(argv, argv + *argc);
  options.command_line[0] = std::filesystem::path(options.command_line[0]).filename();
  try {
    app.parse(*argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return ExitCode{app.exit(help)};
  } catch (const CLI::ParseError& error) {
    std::cerr << "flush_walk_bench: " << error.what() << '\n';
    return ExitCode{kBadInputExit};
  }
  if (list_shootdowns) {
    print_shootdowns();
    return ExitCode{0};
  }
  leave_rest(app.remaining(), argc, argv);
  for (int i = 1; i < *argc; ++i) {
    const std::string_view argument = argv[i];
    options.lists_tests |=
        argument.starts_with("--benchmark_list_tests") && !argument.ends_with("=false");
  }
  return options;
}

}  // namespace flushwalk
