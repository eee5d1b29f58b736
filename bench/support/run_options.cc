#include "bench/support/run_options.h"

#include <filesystem>
#include <iostream>
#include <string_view>

#include "bench/support/bad_input.h"

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

}  // namespace

void add_run_flags(CLI::App* app, RunOptions* options) {
  app->allow_extras();
  app->add_option("--samples", options->samples, "samples of each case in a repetition")
      ->check(CLI::Range(1U, kMostSamples))
      ->capture_default_str();
  app->add_option("--repetitions", options->repetitions, "of each case")
      ->check(CLI::Range(1U, kMostRepetitions))
      ->capture_default_str();
  app->add_option("--out", options->out,
                  "folder for machine.json and measurements.csv (made if missing, appended to)");
  app->add_option("--cpus", options->cpus,
                  "CPUs to use: the initiator's, then the responders', as 0,4-7 (default: the "
                  "nearest, one thread a core)");
  app->add_flag("--dry-run", options->dry_run, "print the cases, and stop");
  app->add_flag("--progress", options->progress, "one JSON object a line on standard error");
}

std::optional<ExitCode> parse_command_line(const std::string& program, CLI::App* app, int* argc,
                                           char** argv, RunOptions* options) {
  options->command_line.assign(argv, argv + *argc);
  options->command_line[0] = std::filesystem::path(options->command_line[0]).filename();
  try {
    app->parse(*argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return ExitCode{app->exit(help)};
  } catch (const CLI::ParseError& error) {
    std::cerr << program << ": " << error.what() << '\n';
    return ExitCode{kBadInputExit};
  }
  leave_rest(app->remaining(), argc, argv);
  for (int i = 1; i < *argc; ++i) {
    const std::string_view argument = argv[i];
    options->lists_tests |=
        argument.starts_with("--benchmark_list_tests") && !argument.ends_with("=false");
  }
  return std::nullopt;
}

}  // namespace flushwalk
