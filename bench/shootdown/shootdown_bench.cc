// shootdown_bench: the system calls that shoot translations down, one by one: what they cost the
// one who makes them and those who are interrupted, each operation proven.
#include <fmt/core.h>

#include <iostream>

#include "bench/shootdown/cross_check.h"
#include "bench/shootdown/shootdown_cases.h"
#include "bench/support/bench_main.h"

namespace flushwalk {
namespace {

constexpr const char* kName = "shootdown_bench";

struct Flags {
  ShootdownTexts axes;
  CrossCheckTexts check;
  bool list = false;
  bool cross_check = false;
};

void add_flags(CommandLine* line, Flags* flags) {
  ShootdownTexts& axes = flags->axes;
  const auto add = [&](const char* flag, std::string* text, const char* help) {
    line->add_text(flag, text, help);
  };
  add("--operation", &axes.operation, "see --list-operations");
  add("--arms", &axes.arms,
      "what is sampled in turn: operation (as it is), untouched (the same calls on pages that "
      "nobody has touched), single_threaded (in a process of one thread), membarrier (an "
      "interrupt and no TLB work), noop (an mprotect that changes nothing), none (the clock); "
      "all: those that make sense");
  add("--pages", &axes.pages, "pages of an operation, 1..1024; of 2m up to 64");
  add("--page-size", &axes.page_size, "4k, 2m (transparent huge pages)");
  add("--responders", &axes.responders,
      "threads on other CPUs, which a shootdown interrupts; 0: none; all: as many as there is "
      "room for");
  add("--responder-does", &axes.responder_does,
      "spin (reads its clock), read, write (a page of its own, too), system_call (makes one, "
      "too), sleep, another_process (spins in another process: nothing should interrupt it)");
  add("--working-set", &axes.working_set, "pages of each responder that reads or writes, 1..65536");
  add("--rate", &axes.rate, "operations a second at most, 1..1000000; 0: as fast as it goes");
  add("--initiators", &axes.initiators,
      "instead of responders: threads that make operations at once, each on pages of its own; "
      "throughput is measured");
  line->add_switch("--list-operations", &flags->list, "say which this kernel has, and stop");
  line->add_switch("--cross-check", &flags->cross_check,
                   "instead: the loop of will-it-scale's tlb_flush2, loops a second of 1, 2, ... "
                   "threads");
  add("--seconds", &flags->check.seconds, "of the cross-check, for each number of threads");
}

ExitCode list_operations() {
  for (const Operation operation : kOperations) {
    const std::string reason = why_unsupported(operation);
    fmt::print("{:<18}{:<30}{}\n", name_of(operation), call_of(operation),
               reason.empty() ? "available" : reason);
  }
  return {0};
}

ExitCode run_cross_check(const Flags& flags, const RunOptions& options) {
  CrossCheckTexts texts = flags.check;
  texts.placement = options.placements();
  std::string error;
  if (const auto problem = cross_check(texts, std::cout, &error)) {
    std::cerr << kName << ": " << problem->line() << '\n';
    return {kBadInputExit};
  }
  if (!error.empty()) {
    std::cerr << kName << ": " << error << '\n';
    return {1};
  }
  return {0};
}

int run(int argc, char** argv) {
  Flags flags;
  BenchProgram program;
  program.name = kName;
  program.description =
      "Times system calls that shoot translations down, at the initiator and at the responders, "
      "and proves each. Lists are comma separated; every combination runs.";
  program.example =
      "shootdown_bench --operation=mprotect,munmap --arms=all --pages=1,33,34 --responders=0,1 "
      "--out=reports/mine";
  program.why_no_oracle =
      "no walk decides here what is flushed; flush_walk_bench, patch_series_bench and "
      "alloc_free_bench have something to look at";
  program.add_flags = [&](CommandLine* line) { add_flags(line, &flags); };
  program.answer = [&](const RunOptions& options) -> std::optional<ExitCode> {
    if (flags.list) {
      return list_operations();
    }
    return flags.cross_check ? std::optional(run_cross_check(flags, options)) : std::nullopt;
  };
  program.thread_numbers = {{"--responders", &flags.axes.responders, false},
                            {"--initiators", &flags.axes.initiators, true}};
  program.make_groups = [&] { return make_shootdown_cases(flags.axes); };
  return bench_main(argc, argv, program);
}

}  // namespace
}  // namespace flushwalk

int main(int argc, char** argv) { return flushwalk::run(argc, argv); }
