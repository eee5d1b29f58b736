// Machine description: machine.json, from which a reader judges whether figures may be compared.
//
// Everything that the machine can tell is read from /proc, /sys and CPUID (bench/machine); what
// only the program knows (its arguments, topology, clock) is handed in. What could not be found out
// is null, never a guess. reports/SCHEMA.md lists all keys, and a test holds the two equal.
#ifndef FLUSHWALK_BENCH_SUPPORT_MACHINE_DESCRIPTION_H_
#define FLUSHWALK_BENCH_SUPPORT_MACHINE_DESCRIPTION_H_

#include <cstdint>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/support/bad_input.h"
#include "bench/support/clock.h"
#include "bench/support/cpuid.h"
#include "bench/support/flush_ceiling.h"
#include "bench/support/shootdown_mechanism.h"

namespace flushwalk {

inline constexpr unsigned kMachineSchemaVersion = 1;

// What of the topology goes into machine.json.
struct TopologyFacts {
  unsigned packages = 0;
  unsigned numa_nodes = 0;
  unsigned cores = 0;
  unsigned pus = 0;
  std::string usable_cpus{};  // ranges: "0-3,8"
  bool this_system = true;
  std::string hwloc_version{};
  std::string summary{};
};

struct MachineInputs {
  std::vector<std::string> command_line{};
  std::time_t created = 0;  // seconds since the epoch
  std::optional<TopologyFacts> topology{};
  std::optional<ClockDescription> clock{};
  std::optional<MechanismFinding> shootdowns{};
  std::optional<FlushCeiling> ceiling{};
  nlohmann::ordered_json counters{};  // as bench/counters describes them; null: none were wanted
  std::map<std::string, std::string>
      libraries{};  // name -> version, beside those known to the build
};

// Where the facts come from.
struct MachineSources {
  std::string root{};  // folder that stands for /
  CpuidFunction cpuid = read_cpuid;
};

// In the order of reports/SCHEMA.md.
nlohmann::ordered_json describe_machine(const MachineInputs& inputs,
                                        const MachineSources& sources = {});

// The description as text, two spaces deep. Bytes that are not UTF-8 are replaced.
std::string machine_json_text(const nlohmann::ordered_json& description);

// The file then holds all of `text`, or, on a Problem, whatever it held before: written beside it,
// synced and renamed.
std::optional<Problem> write_file_atomically(const std::string& path, std::string_view text);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_MACHINE_DESCRIPTION_H_
