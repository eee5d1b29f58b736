// alloc_free_bench: what an allocation and its free cost by stripes, threads, pages and revision,
// and where threads wait for each other.
#include <cstdio>

#include "bench/alloc_free/alloc_free_cases.h"
#include "bench/support/bench_main.h"

namespace flushwalk {
namespace {

void add_axis_flags(CommandLine* line, AllocFreeTexts* axes) {
  const auto add = [&](const char* flag, std::string* text, const char* help) {
    line->add_text(flag, text, help);
  };
  add("--threads", &axes->threads,
      "threads that allocate and free, each on its own CPU, 1..1024, or all");
  add("--queues", &axes->queues, "stripes, 1..1024; thread t uses queue t mod queues");
  add("--pages", &axes->pages, "pages of an allocation, 1..64");
  add("--revision", &axes->revision, "the allocator's: v6.4, p1 to p6, v6.12");
  add("--freeing", &axes->freeing, "who frees: same_cpu, other_cpu (2 threads or more)");
  add("--flusher", &axes->flusher, "what runs beside: none, unmap_aliases (one more CPU)");
  add("--other-blocks", &axes->other_blocks, "live blocks in queues of no thread, 0..1048576");
  add("--other-full", &axes->other_full, "percent of them fully used, 0..100");
  add("--flush-every", &axes->flush_every,
      "pairs after which a thread flushes itself, 0..1048576; 0: never");
  add("--walk", &axes->walk,
      "how a flush finds dirty blocks, and what a free keeps up for it (default: the revision's)");
  add("--last-free", &axes->last_free,
      "what a block's last free does with its addresses: lazy, closed_window, direct_return");
}

int run(int argc, char** argv) {
  AllocFreeTexts axes;
  bool list_axes = false;
  BenchProgram program;
  program.name = "alloc_free_bench";
  program.description =
      "Times allocations and frees of the per-CPU vmap block allocator by threads, stripes, pages, "
      "revision and who frees; no memory is mapped. Lists are comma separated; every combination "
      "runs.";
  program.example =
      "alloc_free_bench --threads=2 --queues=1,2,4 --pages=1 --freeing=same_cpu,other_cpu "
      "--out=reports/mine";
  program.add_flags = [&](CommandLine* line) {
    add_axis_flags(line, &axes);
    line->add_switch("--list-axes", &list_axes, "Say what each axis and metric is, and end");
  };
  program.answer = [&](const RunOptions&) -> std::optional<ExitCode> {
    if (!list_axes) {
      return std::nullopt;
    }
    std::fputs(alloc_free_axes_help().c_str(), stdout);
    return ExitCode{0};
  };
  program.thread_numbers = {{"--threads", &axes.threads, true}};
  program.make_groups = [&] { return make_alloc_free_cases(axes); };
  return bench_main(argc, argv, program);
}

}  // namespace
}  // namespace flushwalk

int main(int argc, char** argv) { return flushwalk::run(argc, argv); }
