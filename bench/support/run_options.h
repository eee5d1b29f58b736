// Run options: the part of the command line that all benches share, and how a command line is read.
// Google Benchmark's own flags are left for it.
#ifndef FLUSHWALK_BENCH_SUPPORT_RUN_OPTIONS_H_
#define FLUSHWALK_BENCH_SUPPORT_RUN_OPTIONS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}  // namespace CLI

namespace flushwalk {

struct RunOptions {
  unsigned samples = 100;     // of each case in a repetition
  unsigned repetitions = 10;  // of each case
  std::uint32_t seed = 0;     // of the order of turns; drawn anew in each run unless given
  std::string out;            // folder of the result files; empty: none are written
  std::string cases;          // a file that names those to measure; empty: all
  std::string placement;      // names of placements; empty: compact
  std::string cpus;           // a list of CPUs: short for the placement cpus:LIST
  bool list_placements = false;
  bool dry_run = false;
  bool progress = false;
  std::string counters = "default";  // sets and events; see bench/counters/counters.h
  bool counter_rotation = false;
  bool list_counters = false;
  bool oracle = false;       // stale aliases are looked for, too
  bool lists_tests = false;  // --benchmark_list_tests: nothing is measured
  std::vector<std::string> command_line;

  // What --placement and --cpus ask for: names with commas between them.
  std::string placements() const;
};

// The program is to end with this code; what there was to say has been said.
struct ExitCode {
  int code;
};

// The flags of a program. What stands behind it (CLI11) is known to run_options.cc alone: each file
// that includes it takes ten seconds to compile.
class CommandLine {
 public:
  CommandLine(const std::string& description, const std::string& footer);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  // A flag with a value, which is left as it is where the flag is not given. *text and *on outlive
  // the command line.
  void add_text(const char* flag, std::string* text, const char* help);
  void add_switch(const char* flag, bool* on, const char* help);
  // The shared flags.
  void add_run_flags(RunOptions* options);

  // Takes the suite's flags out of argv, so that Google Benchmark's remain (and what nobody knows).
  // Errors go to standard error as one line that begins with the program's name.
  std::optional<ExitCode> parse(const std::string& program, int* argc, char** argv,
                                RunOptions* options);

 private:
  std::unique_ptr<CLI::App> app_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_RUN_OPTIONS_H_
