// xarray_bench: ns an operation and bytes an entry of the suite's xarray, beside other containers
// that find a pointer by an index.
#include <cstdio>

#include "bench/support/bench_main.h"
#include "bench/xarray/xarray_cases.h"

namespace flushwalk {
namespace {

void add_axis_flags(CommandLine* line, XArrayTexts* axes) {
  const auto add = [&](const char* flag, std::string* text, const char* help) {
    line->add_text(flag, text, help);
  };
  add("--container", &axes->container,
      "xarray, std_map, absl_btree_map, judyl, lfht; or available: all that were installed when "
      "this was built");
  add("--operation", &axes->operation,
      "insert, load, erase, iterate; of the xarray also iterate_cursor, iterate_cursor_scan, "
      "iterate_marked (10 % marked), set_mark");
  add("--entries", &axes->entries, "entries in the container, 16..1048576");
  add("--keys", &axes->keys, "dense, every_64th, random (below 2^32)");
}

int run(int argc, char** argv) {
  XArrayTexts axes;
  bool list_containers = false;
  BenchProgram program;
  program.name = "xarray_bench";
  program.description =
      "Times the operations of the suite's xarray and of other indexes of pointers. Lists are "
      "comma separated; every combination runs that the container has. The xarray takes its lock, "
      "lfht is lock-free; the others are measured without any lock. A visit of an iteration does "
      "not read the entry. lfht is iterated in no order.";
  program.example =
      "xarray_bench --operation=load,iterate,iterate_cursor --entries=4096 --keys=dense "
      "--out=reports/mine";
  program.why_no_oracle =
      "an index has no pages that could be stale; flush_walk_bench, patch_series_bench and "
      "alloc_free_bench have";
  program.add_flags = [&](CommandLine* line) {
    add_axis_flags(line, &axes);
    line->add_switch("--list-containers", &list_containers,
                     "Say which containers this program has, and why not the others, and end");
  };
  program.answer = [&](const RunOptions&) -> std::optional<ExitCode> {
    if (list_containers) {
      std::fputs(container_list().c_str(), stdout);
      return ExitCode{0};
    }
    return std::nullopt;
  };
  program.remark = [&] {
    const std::string absent = axes.container == kAvailable ? absent_containers() : "";
    return absent.empty() ? absent : "left out: " + absent + " (see --list-containers)";
  };
  program.make_groups = [&] { return make_xarray_cases(axes); };
  return bench_main(argc, argv, program);
}

}  // namespace
}  // namespace flushwalk

int main(int argc, char** argv) { return flushwalk::run(argc, argv); }
