// The command line of a tool that is no Google Benchmark program.
#ifndef FLUSHWALK_BENCH_SUPPORT_TOOL_LINE_H_
#define FLUSHWALK_BENCH_SUPPORT_TOOL_LINE_H_

#include <CLI/CLI.hpp>
#include <iostream>
#include <optional>

#include "bench/support/bad_input.h"

namespace flushwalk {

// nullopt: the tool goes on. Else the exit code: help was printed, or what is wrong, in one line.
inline std::optional<int> read_tool_line(CLI::App* app, const char* tool, int argc, char** argv) {
  try {
    app->parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app->exit(help);
  } catch (const CLI::ParseError& error) {
    std::cerr << tool << ": " << error.what() << '\n';
    return kBadInputExit;
  }
  return std::nullopt;
}

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_TOOL_LINE_H_
