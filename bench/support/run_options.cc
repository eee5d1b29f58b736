#include "bench/support/run_options.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <string_view>

#include "bench/support/bad_input.h"
#include "topology/placement.h"

namespace flushwalk {
namespace {

constexpr unsigned kMostSamples = 1'000'000;
constexpr unsigned kMostRepetitions = 10'000;

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

// Another one in each run is all that is asked of it.
std::uint32_t seed_of_now() {
  return static_cast<std::uint32_t>(std::chrono::system_clock::now().time_since_epoch() /
                                    std::chrono::microseconds(1));
}

std::string placement_help() {
  std::string names;
  for (const topology::PlacementFacts& placement : topology::named_placements()) {
    names += fmt::format("{}, ", placement.name);
  }
  return fmt::format(
      "how CPUs are chosen: {}cpus:LIST (0,4-7: the initiator's, then the responders'); of several "
      "each is measured (default: {})",
      names, topology::kCompact);
}

}  // namespace

std::string RunOptions::placements() const {
  if (!cpus.empty()) {
    return std::string(topology::kListed) + cpus;
  }
  return placement.empty() ? std::string(topology::kCompact) : placement;
}

CommandLine::CommandLine(const std::string& description, const std::string& footer)
    : app_(std::make_unique<CLI::App>(description)) {
  app_->footer(footer);
  app_->allow_extras();
}

CommandLine::~CommandLine() = default;

void CommandLine::add_text(const char* flag, std::string* text, const char* help) {
  app_->add_option(flag, *text, help)->capture_default_str();
}

void CommandLine::add_switch(const char* flag, bool* on, const char* help) {
  app_->add_flag(flag, *on, help);
}

void CommandLine::add_run_flags(RunOptions* options) {
  app_->add_option("--samples", options->samples, "samples of each case in a repetition")
      ->check(CLI::Range(1U, kMostSamples))
      ->capture_default_str();
  app_->add_option("--repetitions", options->repetitions, "of each case")
      ->check(CLI::Range(1U, kMostRepetitions))
      ->capture_default_str();
  options->seed = seed_of_now();
  app_->add_option("--seed", options->seed,
                   "of the order in which the cases of a comparison take turns, 0..4294967295; the "
                   "rows have it (default: another in each run)");
  app_->add_option(
      "--out", options->out,
      "folder for machine.json, measurements.csv and counters.csv (made if missing, appended to)");
  app_->add_option("--cases", options->cases,
                   "measure only the cases that this file names, one a line, as --dry-run prints "
                   "them");
  app_->add_option("--placement", options->placement, placement_help());
  app_->add_option("--cpus", options->cpus, "short for --placement=cpus:LIST")
      ->excludes("--placement");
  app_->add_flag("--list-placements", options->list_placements,
                 "say of each placement which CPUs it gives here, and stop");
  app_->add_option(
          "--counters", options->counters,
          "what is counted beside the times: sets (tlb, walk, memory, software, all), events "
          "(cycles:k, tlb:tlb_flush/reason==1/, /proc/interrupts:TLB), none; default: "
          "hardware where there is a PMU, else software, tracepoints and tables")
      ->capture_default_str();
  app_->add_flag("--counter-rotation", options->counter_rotation,
                 "hardware events that do not fit at once: one group a repetition, instead of "
                 "multiplexing them from sample to sample");
  app_->add_flag("--list-counters", options->list_counters,
                 "say for each event of the sets whether it can be counted here, and stop");
  app_->add_flag("--dry-run", options->dry_run,
                 "print the cases, an empty line between those that are not sampled in turn, and "
                 "stop");
  app_->add_flag("--oracle", options->oracle,
                 "beside what is measured, untimed: the same once more on real memory, where each "
                 "freed page is looked at through its old address (columns probed_pages, "
                 "stale_aliases, window_aliases)");
  app_->add_flag("--progress", options->progress,
                 "one JSON object a line on standard error: a line for each repetition written; "
                 "with the last one of a case its name is in `finished`");
}

std::optional<ExitCode> CommandLine::parse(const std::string& program, int* argc, char** argv,
                                           RunOptions* options) {
  options->command_line.assign(argv, argv + *argc);
  options->command_line[0] = std::filesystem::path(options->command_line[0]).filename();
  try {
    app_->parse(*argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return ExitCode{app_->exit(help)};
  } catch (const CLI::ParseError& error) {
    std::cerr << program << ": " << error.what() << '\n';
    return ExitCode{kBadInputExit};
  }
  leave_rest(app_->remaining(), argc, argv);
  for (int i = 1; i < *argc; ++i) {
    const std::string_view argument = argv[i];
    options->lists_tests |=
        argument.starts_with("--benchmark_list_tests") && !argument.ends_with("=false");
  }
  return std::nullopt;
}

}  // namespace flushwalk
