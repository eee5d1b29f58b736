// flush_range_bench: the shootdown alone: what m dirty ranges cost as one hull, as an array of
// ranges, or as a flush of everything, and what they cost those who flushed nothing.
#include "bench/flush_range/range_cases.h"
#include "bench/support/bench_main.h"
#include "bench/support/shootdown_flags.h"

namespace flushwalk {
namespace {

void add_axis_flags(CommandLine* line, RangeTexts* axes) {
  const auto add = [&](const char* flag, std::string* text, const char* help) {
    line->add_text(flag, text, help);
  };
  add("--ranges", &axes->ranges, "dirty ranges, 1..1024");
  add("--pages", &axes->pages,
      "pages of each range, 1..512; the first and the last page of what is flushed as one range "
      "are "
      "touched before, no other: the flush is of the whole range all the same");
  add("--gap", &axes->gap,
      "address space from the end of a range to the start of the next: 0, block (4 MiB), or a "
      "number with p (pages), k, m or g (KiB, MiB, GiB) behind it. A range that would cross into "
      "the next block begins there");
  add("--gather", &axes->gather,
      "hull (one range over all), per_block (each block's), runs (each range; neighbours without a "
      "gap are one), full (one range over all memory there is); auto: hull, runs and full, or runs "
      "where the shootdown takes access or data away, which goes with these alone");
  add("--working-set", &axes->working_set,
      "live pages which initiator and responders read before a flush and, timed, twice after it, "
      "0..65536");
  add("--code", &axes->code,
      "who makes the system calls: suite (its backend), by_hand (a plain loop of the same calls)");
}

int run(int argc, char** argv) {
  RangeTexts axes;
  ShootdownFlags shootdowns{&axes.shootdown, &axes.responders};
  BenchProgram program;
  program.name = "flush_range_bench";
  program.description =
      "Times the shootdown of dirty ranges by gather, and what reading a working set takes after "
      "it; no walk and no allocator. Lists are comma separated; every combination runs.";
  program.example =
      "flush_range_bench --ranges=1,8,64 --pages=1,33,34 --gap=0,block,1g --working-set=1536 "
      "--responders=1 --out=reports/mine";
  program.why_no_oracle =
      "what is flushed here is given, not found by a walk; flush_walk_bench, patch_series_bench "
      "and "
      "alloc_free_bench have something to look at";
  program.add_flags = [&](CommandLine* line) {
    add_axis_flags(line, &axes);
    shootdowns.add(line);
  };
  program.answer = [&](const RunOptions&) { return shootdowns.answer(); };
  program.thread_numbers = {{"--responders", &axes.responders, false}};
  program.make_groups = [&] { return make_range_cases(axes); };
  return bench_main(argc, argv, program);
}

}  // namespace
}  // namespace flushwalk

int main(int argc, char** argv) { return flushwalk::run(argc, argv); }
