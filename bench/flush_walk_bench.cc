// flush_walk_bench: what a flush costs by how it finds dirty blocks: free-list walk against xarray
// walk, alone and with real shootdowns. An ordinary Google Benchmark program, which also writes the
// suite's result files.
#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include <iostream>
#include <variant>

#include "bench/walk_options.h"
#include "bench/walk_session.h"

namespace flushwalk {
namespace {

// Registers each case; its function shows Google Benchmark the times which the session has
// measured.
void register_cases(WalkSession& session) {
  for (std::size_t group = 0; group < session.groups().size(); ++group) {
    for (std::size_t walk = 0; walk < session.groups()[group].walks.size(); ++walk) {
      benchmark::RegisterBenchmark(
          session.name(group, walk).c_str(),
          [&session, group, walk](benchmark::State& state) {
            const WalkSession::CaseResult* const result = session.next(group, walk);
            if (result == nullptr) {
              state.SkipWithError(session.error().c_str());
            }
            // Also after an error, when it makes no turn: Google Benchmark aborts where one
            // repetition has not counted its iterations and another has.
            std::size_t sample = 0;
            for ([[maybe_unused]] auto _ : state) {
              state.SetIterationTime(result->flush_ns[sample++] * 1e-9);
            }
            if (result == nullptr) {
              return;
            }
            state.counters["visited"] = static_cast<double>(result->visited_blocks);
            state.counters["stale"] = static_cast<double>(result->stale_slots);
            state.counters["proven"] = result->proven_share;
            state.counters["valid"] = result->valid ? 1 : 0;
          })
          ->Iterations(session.options().samples)
          ->Repetitions(static_cast<int>(session.options().repetitions))
          ->DisplayAggregatesOnly(true)
          ->UseManualTime()
          ->Unit(benchmark::kNanosecond);
    }
  }
}

int run(int argc, char** argv) {
  std::variant<WalkOptions, ExitCode> parsed = parse_walk_options(&argc, argv);
  if (const ExitCode* const exit = std::get_if<ExitCode>(&parsed)) {
    return exit->code;
  }
  benchmark::Initialize(&argc, argv);
  if (argc > 1) {
    std::cerr << fmt::format("flush_walk_bench: {}: no such flag; see --help\n", argv[1]);
    return kBadInputExit;
  }
  auto made = WalkSession::start(std::get<WalkOptions>(parsed), benchmark::GetBenchmarkFilter());
  if (const Problem* const problem = std::get_if<Problem>(&made)) {
    std::cerr << "flush_walk_bench: " << problem->line() << '\n';
    return kBadInputExit;
  }
  WalkSession& session = *std::get<std::unique_ptr<WalkSession>>(made);
  if (session.options().dry_run) {
    session.print_cases(std::cout);
    return 0;
  }
  register_cases(session);
  // The session has applied --benchmark_filter, to the names that --dry-run prints. Google
  // Benchmark's own names have more at their end, and would take another choice.
  benchmark::RunSpecifiedBenchmarks("all");
  benchmark::Shutdown();
  return session.exit_code();
}

}  // namespace
}  // namespace flushwalk

int main(int argc, char** argv) { return flushwalk::run(argc, argv); }
