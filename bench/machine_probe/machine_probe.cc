// machine_probe: what this machine is, and how much of its CPUs others take. Prints one JSON
// object: `machine`, as in machine.json, and `noise`, a list of CPUs (reports/SCHEMA.md, doctor).
// What is good and what is bad about it, scripts/doctor says.
#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "bench/machine_probe/noise.h"
#include "bench/support/bad_input.h"
#include "bench/support/shootdown_mechanism.h"
#include "bench/support/this_machine.h"
#include "bench/support/tool_line.h"
#include "topology/pinned_thread.h"
#include "topology/placement.h"

namespace flushwalk {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const std::vector<CpuNoise>& noise) {
  Json list = Json::array();
  for (const CpuNoise& of : noise) {
    list.push_back({{"cpu", of.cpu},
                    {"seconds", of.seconds},
                    {"gaps_over_1us", of.gaps_over[0]},
                    {"gaps_over_10us", of.gaps_over[1]},
                    {"gaps_over_100us", of.gaps_over[2]},
                    {"longest_ns", of.longest_ns},
                    {"lost_percent", of.lost_percent},
                    {"error", of.error.empty() ? Json(nullptr) : Json(of.error)}});
  }
  return list;
}

int complain(const std::string& line) {
  std::cerr << "machine_probe: " << line << '\n';
  return kBadInputExit;
}

int run(double seconds, std::vector<std::string> command_line) {
  const auto machine = topology::Machine::discover();
  if (!machine.ok()) {
    return complain("topology: " + machine.error());
  }
  const std::vector<int> usable = machine.value().usable_cpus();
  const Clock clock = make_clock();
  Json result{{"schema_version", kMachineSchemaVersion}, {"machine", nullptr}, {"noise", nullptr}};
  if (seconds > 0) {
    result["noise"] = to_json(watch_noise(machine.value(), usable, clock, seconds));
  }
  const auto pair = topology::choose_placement(machine.value(), topology::kCompact, 1);
  const int initiator = pair.ok() ? pair.value().initiator : usable.front();
  const auto pinned = topology::pin_this_thread(machine.value(), initiator);
  if (!pinned.ok()) {
    return complain(pinned.error());
  }
  MachineInputs inputs = inputs_of(machine.value(), clock);
  inputs.command_line = std::move(command_line);
  inputs.shootdowns =
      pair.ok() ? find_shootdown_mechanism(machine.value(), pair.value().responders.front(), clock)
                : MechanismFinding{.how = pair.error()};
  result["machine"] = describe_machine(inputs);
  std::cout << machine_json_text(result) << std::flush;
  return std::cout ? 0 : complain("standard output: cannot be written");
}

}  // namespace
}  // namespace flushwalk

int main(int argc, char** argv) {
  CLI::App app(
      "Prints one JSON object: what this machine is, and for each CPU that this process may use "
      "how "
      "often and how long something else ran there. scripts/doctor judges it. Exit 0, or 2 for "
      "bad input.");
  double seconds = 2;
  app.add_option("--seconds", seconds, "how long the CPUs are watched, all at once; 0: not at all")
      ->check(CLI::Range(0.0, 60.0))
      ->capture_default_str();
  if (const auto over = flushwalk::read_tool_line(&app, "machine_probe", argc, argv)) {
    return *over;
  }
  std::vector<std::string> command_line{"machine_probe"};
  command_line.insert(command_line.end(), argv + 1, argv + argc);
  return flushwalk::run(seconds, std::move(command_line));
}
