// vmap_replay: what would the allocator of that revision have done with my workload?
#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>

#include "allocator/replay.h"

namespace {

constexpr const char* kDescription =
    "Replays a sequence of operations on the per-CPU vmap block allocator as the kernel of one "
    "revision "
    "does it, and prints one JSON object for each operation: what was done, and the state after "
    "it.";

constexpr const char* kFormat = R"(Set-up lines, before the first operation (# begins a comment):
  cpus N               CPUs 0..N-1 are possible (1)
  possible 0,2,3       a sparse mask of possible CPUs
  bits B               slots in a block, a power of two up to 4096 (1024)
  base HEX             start of the address space (0xffffc90000000000)
  space N              its size in blocks (32 TiB)
  lazymax PAGES        lazily freed pages above which a drain is scheduled (fls(cpus) * 8192)
Operations:
  alloc CPU PAGES NAME   free NAME   unmap_aliases [START END FLUSH]   purge CPU
  reclaim   drain   state   free_racing NAME
Answers: page numbers are relative to the first block's address; `stale` counts pages that were freed and
that no flush has covered since.
Example: vmap_replay --revision=p1 < my.trace)";

constexpr int kBadInput = 2;

int replay(std::istream& in, const std::string& name, const flushwalk::Behaviors& revision) {
  try {
    flushwalk::TraceReader reader(in, name);
    flushwalk::Replay replay(reader.setup(), revision);
    flushwalk::TraceOperation operation;
    while (reader.next(&operation)) {
      std::cout << replay.perform(operation, reader).dump() << '\n';
    }
  } catch (const flushwalk::TraceError& error) {
    std::cout.flush();
    std::cerr << "vmap_replay: " << error.what() << '\n';
    return kBadInput;
  }
  std::cout.flush();
  if (!std::cout) {
    std::cerr << "vmap_replay: standard output: cannot be written\n";
    return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(kDescription);
  app.footer(kFormat);
  std::string revision_name;
  std::string file;
  app.add_option("--revision", revision_name, fmt::format("one of {}", flushwalk::revision_names()))
      ->required();
  app.add_option("trace", file, "the trace (default: standard input)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    std::cerr << "vmap_replay: " << error.what() << '\n';
    return kBadInput;
  }
  const flushwalk::Behaviors* const revision = flushwalk::find_revision(revision_name);
  if (revision == nullptr) {
    std::cerr << fmt::format("vmap_replay: --revision: `{}` is not one of {}\n", revision_name,
                             flushwalk::revision_names());
    return kBadInput;
  }
  std::ios::sync_with_stdio(false);
  if (file.empty()) {
    return replay(std::cin, "standard input", *revision);
  }
  std::ifstream in(file);
  if (!in) {
    std::cerr << fmt::format("vmap_replay: {}: {}\n", file, std::strerror(errno));
    return kBadInput;
  }
  return replay(in, file, *revision);
}
