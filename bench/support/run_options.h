// Run options: the part of the command line that all benches share, and how a command line is read.
// Google Benchmark's own flags are left for it.
#ifndef FLUSHWALK_BENCH_SUPPORT_RUN_OPTIONS_H_
#define FLUSHWALK_BENCH_SUPPORT_RUN_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

namespace flushwalk {

struct RunOptions {
  unsigned samples = 100;     // of each case in a repetition
  unsigned repetitions = 10;  // of each case
  std::string out;            // folder of the result files; empty: none are written
  std::string cpus;           // the initiator's CPU, then the responders'; empty: compact
  bool dry_run = false;
  bool progress = false;
  bool lists_tests = false;  // --benchmark_list_tests: nothing is measured
  std::vector<std::string> command_line;
};

// The program is to end with this code; what there was to say has been said.
struct ExitCode {
  int code;
};

// Adds the shared flags to `app`, which then takes its values from *options and writes them there.
void add_run_flags(CLI::App* app, RunOptions* options);

// Takes the suite's flags out of argv, so that Google Benchmark's remain (and what nobody knows).
// Errors go to standard error as one line that begins with the program's name.
std::optional<ExitCode> parse_command_line(const std::string& program, CLI::App* app, int* argc,
                                           char** argv, RunOptions* options);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_RUN_OPTIONS_H_
