// flush_walk_bench: what a flush costs by how it finds dirty blocks: free-list walk against xarray
// walk, alone and with real shootdowns.
#include "bench/flush_walk/walk_cases.h"
#include "bench/support/bench_main.h"
#include "bench/support/shootdown_flags.h"

namespace flushwalk {
namespace {

void add_axis_flags(CommandLine* line, AxisTexts* axes) {
  const auto add = [&](const char* flag, std::string* text, const char* help) {
    line->add_text(flag, text, help);
  };
  add("--walk", &axes->walk, walk_names().c_str());
  add("--check", &axes->check, "how a walk looks at a block: locked, lockless");
  add("--blocks", &axes->blocks, "live blocks, 1..1048576");
  add("--full", &axes->full, "percent of blocks fully used, 0..100");
  add("--dirty", &axes->dirty, "percent of blocks with a dirty range, 0..100");
  add("--dirty-slots", &axes->dirty_slots, "slots in a dirty range, a power of two, 1..64");
  add("--spread", &axes->spread,
      "which blocks --dirty is a percentage of: even (all), listed (those not full)");
  add("--descriptors", &axes->descriptors, "the blocks' descriptors in memory: in_order, shuffled");
  add("--index", &axes->index, "the xarrays' keys: kernel, dense");
  add("--queues", &axes->queues, "stripes, 1..1024");
  add("--gather", &axes->gather,
      "how dirty ranges become those of a flush: hull, per_block, runs, full; auto: hull, or runs "
      "where the shootdown takes access or data away, which goes with these alone");
}

int run(int argc, char** argv) {
  AxisTexts axes;
  ShootdownFlags shootdowns{&axes.shootdown, &axes.responders};
  BenchProgram program;
  program.name = "flush_walk_bench";
  program.description =
      "Times flushes of the per-CPU vmap block allocator by walk, gather, load, shootdown and "
      "responders. Lists are comma separated; every combination runs.";
  program.example =
      "flush_walk_bench --blocks=4096 --full=50 --shootdown=none,mprotect_range --responders=0,1 "
      "--out=reports/mine";
  program.add_flags = [&](CommandLine* line) {
    add_axis_flags(line, &axes);
    shootdowns.add(line);
    line->add_switch("--parts-alone", &axes.parts_alone,
                     "in turn with each flush that has a shootdown, time its walk alone and its "
                     "shootdown alone: do they add up?");
    line->add_text("--inject-delay-ns", &axes.inject_delay_ns,
                   "to try a comparison itself: beside each case arms of the same work, sampled in "
                   "turn with it, whose walk ends with a loop of so many ns (a list; 0: the very "
                   "same work). 0..1000000000");
  };
  program.answer = [&](const RunOptions&) { return shootdowns.answer(); };
  program.thread_numbers = {{"--responders", &axes.responders, false}};
  program.make_groups = [&] { return make_walk_cases(axes); };
  return bench_main(argc, argv, program);
}

}  // namespace
}  // namespace flushwalk

int main(int argc, char** argv) { return flushwalk::run(argc, argv); }
