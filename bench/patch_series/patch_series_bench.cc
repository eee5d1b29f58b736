// patch_series_bench: what each patch of the series changes, in counts and in time: workloads under
// every revision, alone and with real shootdowns.
#include <fmt/core.h>

#include "bench/patch_series/series_cases.h"
#include "bench/patch_series/workload.h"
#include "bench/support/bench_main.h"
#include "bench/support/shootdown_flags.h"

namespace flushwalk {
namespace {

int run(int argc, char** argv) {
  SeriesTexts axes;
  ShootdownFlags shootdowns{&axes.shootdown, &axes.responders};
  bool list = false;
  BenchProgram program;
  program.name = "patch_series_bench";
  program.description =
      "Times workloads of the per-CPU vmap block allocator under each revision of the kernel's "
      "source. Lists are comma separated; every combination runs.";
  program.example =
      "patch_series_bench --workload=full_blocks,churn --shootdown=none,mprotect_range "
      "--responders=1 --out=reports/mine";
  program.add_flags = [&](CommandLine* line) {
    line->add_text("--workload", &axes.workload, "see --list-workloads");
    line->add_text("--revision", &axes.revision, "states of the kernel's source");
    shootdowns.add(line);
    line->add_switch("--list-workloads", &list, "say what each of them does, and stop");
  };
  program.answer = [&](const RunOptions&) -> std::optional<ExitCode> {
    if (!list) {
      return shootdowns.answer();
    }
    for (const Workload& workload : workloads()) {
      fmt::print("{:<18}{}\n", workload.name, workload.sentence);
    }
    return ExitCode{0};
  };
  program.thread_numbers = {{"--responders", &axes.responders, false}};
  program.make_groups = [&] { return make_series_cases(axes); };
  return bench_main(argc, argv, program);
}

}  // namespace
}  // namespace flushwalk

int main(int argc, char** argv) { return flushwalk::run(argc, argv); }
