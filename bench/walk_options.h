// Walk options: the command line of flush_walk_bench. Google Benchmark's own flags are left for it.
#ifndef FLUSHWALK_BENCH_WALK_OPTIONS_H_
#define FLUSHWALK_BENCH_WALK_OPTIONS_H_

#include <string>
#include <variant>
#include <vector>

#include "bench/walk_axes.h"

namespace flushwalk {

struct WalkOptions {
  AxisTexts axes;
  unsigned samples = 100;
  unsigned repetitions = 10;
  std::string out;   // folder of the result files; empty: none are written
  std::string cpus;  // the initiator's CPU, then the responders'; empty: compact
  bool dry_run = false;
  bool progress = false;
  bool lists_tests = false;  // --benchmark_list_tests: nothing is measured
  std::vector<std::string> command_line;
};

// The program is to end with this code; what there was to say has been said.
struct ExitCode {
  int code;
};

// Takes the suite's flags out of argv, so that Google Benchmark's remain (and what nobody knows).
std::variant<WalkOptions, ExitCode> parse_walk_options(int* argc, char** argv);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_WALK_OPTIONS_H_
