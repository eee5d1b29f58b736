#include "topology/placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "topology/cpu_list.h"

namespace flushwalk::topology {
namespace {

std::optional<Error> refuse_negative(int responders) {
  if (responders < 0) {
    return Error{fmt::format("{} responders; at least 0 are allowed", responders)};
  }
  return std::nullopt;
}

// "3 responders and an initiator need 4": `responders` may be as large as an int can be.
std::string need(int responders) {
  return fmt::format("{} {} and an initiator need {}", responders,
                     responders == 1 ? "responder" : "responders", std::int64_t{responders} + 1);
}

}  // namespace

std::vector<int> nearest_first(const Machine& machine, int cpu) {
  const Pu* from = machine.find(cpu);
  assert(from != nullptr);
  std::vector<std::pair<int, int>> others;  // distance, CPU
  int core = from->core;
  for (const Pu& pu : machine.pus()) {
    if (pu.usable && pu.core != core && pu.core != from->core) {
      core = pu.core;
      others.emplace_back(machine.distance(cpu, pu.os_index), pu.os_index);
    }
  }
  std::stable_sort(others.begin(), others.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<int> cpus;
  for (const auto& [distance, other] : others) {
    cpus.push_back(other);
  }
  return cpus;
}

Result<Placement> choose_compact(const Machine& machine, int responders) {
  if (const std::optional<Error> refusal = refuse_negative(responders)) {
    return *refusal;
  }
  const int cores = machine.usable_cores();
  if (responders >= cores) {
    const std::string of_all =
        cores == machine.cores() ? "" : fmt::format(" of the machine's {}", machine.cores());
    return Error{fmt::format("{} cores; this process may use {}{} ({})", need(responders), cores,
                             of_all, describe_cpus(machine.usable_cpus()))};
  }
  const auto initiator = std::find_if(machine.pus().begin(), machine.pus().end(),
                                      [](const Pu& pu) { return pu.usable; });
  Placement placement{.name = "compact",
                      .initiator = initiator->os_index,
                      .responders = nearest_first(machine, initiator->os_index)};
  placement.responders.resize(static_cast<std::size_t>(responders));
  return placement;
}

Result<Placement> choose_listed(const Machine& machine, std::string_view list, int responders) {
  if (const std::optional<Error> refusal = refuse_negative(responders)) {
    return *refusal;
  }
  const Result<std::vector<int>> parsed = parse_cpu_list(list);
  if (!parsed.ok()) {
    return Error{parsed.error()};
  }
  const std::vector<int>& cpus = parsed.value();
  for (const int cpu : cpus) {
    if (const Result<Done> usable = machine.check_usable(cpu); !usable.ok()) {
      return Error{usable.error()};
    }
  }
  if (static_cast<std::size_t>(responders) >= cpus.size()) {
    return Error{fmt::format("{} CPUs; {} {} listed ({})", need(responders), cpus.size(),
                             cpus.size() == 1 ? "is" : "are", list)};
  }
  const auto first_responder = cpus.begin() + 1;
  return Placement{.name = fmt::format("cpus:{}", list),
                   .initiator = cpus[0],
                   .responders = {first_responder, first_responder + responders}};
}

}  // namespace flushwalk::topology
