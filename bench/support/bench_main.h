// bench_main: what every bench program does: reads its command line, lets the session measure, and
// shows the times as an ordinary Google Benchmark program. The only file that includes Google
// Benchmark, which brings the names of cases and flags but takes no time itself.
#ifndef FLUSHWALK_BENCH_SUPPORT_BENCH_MAIN_H_
#define FLUSHWALK_BENCH_SUPPORT_BENCH_MAIN_H_

#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "bench/support/bad_input.h"
#include "bench/support/case_group.h"
#include "bench/support/placed_cases.h"
#include "bench/support/run_options.h"

namespace flushwalk {

struct BenchProgram {
  std::string name;         // as its file is called
  std::string description;  // for --help
  std::string example;      // one command line
  RunOptions defaults{};
  // Adds the bench's own flags.
  std::function<void(CommandLine*)> add_flags;
  // The command line was read. An exit code: a flag asked for something else than measuring, and
  // has been answered.
  std::function<std::optional<ExitCode>(const RunOptions&)> answer = [](const RunOptions&) {
    return std::nullopt;
  };
  // What a run is told on standard error when all its input was found good: a line, or nothing.
  std::function<std::string()> remark = [] { return std::string(); };
  // Why --oracle has nothing to look at in this bench; empty where it has.
  std::string why_no_oracle{};
  // Of the flags, those that know "all".
  std::vector<ThreadNumbers> thread_numbers{};
  // Every case of the flags' values.
  std::function<std::variant<CaseGroups, Problem>()> make_groups;
};

// The program's exit code: 0, 1 when a case could not be measured, 2 for bad input, 130 after
// Ctrl-C.
int bench_main(int argc, char** argv, const BenchProgram& program);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_BENCH_MAIN_H_
