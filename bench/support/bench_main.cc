#include "bench/support/bench_main.h"

#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include <cstddef>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/counters/counters.h"
#include "bench/support/session.h"
#include "topology/machine.h"

namespace flushwalk {
namespace {

void show(Session& session, std::size_t group, std::size_t which, benchmark::State& state) {
  const CaseOutcome* const outcome = session.next(group, which);
  if (outcome == nullptr) {
    state.SkipWithError(session.error().c_str());
  }
  // Also after an error, when it makes no turn: Google Benchmark aborts where one repetition has
  // not counted its iterations and another has.
  std::size_t sample = 0;
  for ([[maybe_unused]] auto _ : state) {
    state.SetIterationTime(outcome->times_ns[sample++] * 1e-9);
  }
  if (outcome == nullptr) {
    return;
  }
  for (const auto& [name, value] : outcome->counters) {
    state.counters[name] = value;
  }
}

// Registers each case; its function shows Google Benchmark the times which the session has
// measured.
void register_cases(Session& session) {
  for (std::size_t group = 0; group < session.groups(); ++group) {
    for (std::size_t which = 0; which < session.cases(group); ++which) {
      benchmark::RegisterBenchmark(
          session.name(group, which).c_str(),
          [&session, group, which](benchmark::State& state) { show(session, group, which, state); })
          ->Iterations(session.options().samples)
          ->Repetitions(static_cast<int>(session.options().repetitions))
          ->DisplayAggregatesOnly(true)
          ->UseManualTime()
          ->Unit(benchmark::kNanosecond);
    }
  }
}

int complain(const BenchProgram& program, const std::string& line) {
  std::cerr << program.name << ": " << line << '\n';
  return kBadInputExit;
}

int show_placements(const BenchProgram& program) {
  const auto machine = topology::Machine::discover();
  if (!machine.ok()) {
    return complain(program, Problem{"topology", machine.error()}.line());
  }
  list_placements(machine.value(), std::cout);
  return 0;
}

std::variant<CaseGroups, Problem> make_placed_groups(const RunOptions& options,
                                                     const BenchProgram& program) {
  auto placements = read_placements(options.placements());
  if (const Problem* const problem = std::get_if<Problem>(&placements)) {
    return *problem;
  }
  std::vector<std::string> as_given;
  // Only where somebody says "all": other runs need not wait for it.
  std::optional<topology::Result<topology::Machine>> machine;
  for (const ThreadNumbers& list : program.thread_numbers) {
    as_given.push_back(*list.text);
    if (!machine && list.text->find("all") != std::string::npos) {
      machine.emplace(topology::Machine::discover());
    }
  }
  if (machine && !machine->ok()) {
    return Problem{"topology", machine->error()};
  }
  const auto make_groups = [&](const std::string& placement) -> std::variant<CaseGroups, Problem> {
    for (std::size_t i = 0; i < as_given.size(); ++i) {
      *program.thread_numbers[i].text = as_given[i];
    }
    if (machine) {
      if (auto problem = count_all(machine->value(), placement, program.thread_numbers)) {
        return *std::move(problem);
      }
    }
    return program.make_groups();
  };
  return place_cases(std::get<std::vector<std::string>>(placements), make_groups);
}

}  // namespace

int bench_main(int argc, char** argv, const BenchProgram& program) {
  CommandLine line(program.description,
                   "Beside these, all flags of Google Benchmark (--benchmark_filter=REGEX, "
                   "--benchmark_list_tests, ...).\nExample: " +
                       program.example);
  RunOptions options = program.defaults;
  program.add_flags(&line);
  line.add_run_flags(&options);
  if (const auto exit = line.parse(program.name, &argc, argv, &options)) {
    return exit->code;
  }
  if (options.list_counters) {
    list_counters(std::cout);
    return 0;
  }
  if (options.list_placements) {
    return show_placements(program);
  }
  if (const auto exit = program.answer(options)) {
    return exit->code;
  }
  benchmark::Initialize(&argc, argv);
  if (argc > 1) {
    return complain(program, fmt::format("{}: no such flag; see --help", argv[1]));
  }
  if (options.oracle && !program.why_no_oracle.empty()) {
    return complain(program, Problem{"--oracle", program.why_no_oracle}.line());
  }
  auto groups = make_placed_groups(options, program);
  if (const Problem* const problem = std::get_if<Problem>(&groups)) {
    return complain(program, problem->line());
  }
  auto started = Session::start(options, std::move(std::get<CaseGroups>(groups)),
                                benchmark::GetBenchmarkFilter());
  if (const Problem* const problem = std::get_if<Problem>(&started)) {
    return complain(program, problem->line());
  }
  if (const std::string remark = program.remark(); !remark.empty()) {
    std::cerr << program.name << ": " << remark << '\n';
  }
  Session& session = *std::get<std::unique_ptr<Session>>(started);
  if (const std::string remark = session.counters_remark(); !remark.empty()) {
    std::cerr << program.name << ": " << remark << '\n';
  }
  if (options.dry_run) {
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

}  // namespace flushwalk
