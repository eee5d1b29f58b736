#include "topology/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <string_view>
#include <utility>

#include "topology/cpu_list.h"
#include "topology/hwloc_topology.h"

namespace flushwalk::topology {
namespace {

std::string counted(int number, std::string_view noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

}  // namespace

Machine::Machine(std::shared_ptr<const HwlocTopology> hwloc, Description description)
    : hwloc_(std::move(hwloc)), description_(std::move(description)) {}

Result<Machine> Machine::describe(Result<std::shared_ptr<const HwlocTopology>> loaded) {
  if (!loaded.ok()) {
    return Error{loaded.error()};
  }
  Result<Description> description = loaded.value()->describe();
  if (!description.ok()) {
    return Error{description.error()};
  }
  return Machine(std::move(loaded).value(), std::move(description).value());
}

Result<Machine> Machine::discover() { return describe(HwlocTopology::this_system()); }

Result<Machine> Machine::from_synthetic(const std::string& text) {
  return describe(HwlocTopology::synthetic(text));
}

Result<Machine> Machine::from_xml(const std::string& text) {
  return describe(HwlocTopology::xml(text));
}

Result<Machine> Machine::restricted_to(std::span<const int> cpus) const {
  for (const int cpu : cpus) {
    if (find(cpu) == nullptr) {
      return Error{check_usable(cpu).error()};
    }
  }
  Machine restricted = *this;
  bool any_usable = false;
  for (Pu& pu : restricted.description_.pus) {
    pu.usable = pu.usable && std::find(cpus.begin(), cpus.end(), pu.os_index) != cpus.end();
    any_usable = any_usable || pu.usable;
  }
  if (!any_usable) {
    return Error{fmt::format("{} left of {}, which this process may use", describe_cpus({}),
                             describe_cpus(usable_cpus()))};
  }
  return restricted;
}

Machine Machine::unrestricted() const {
  Machine all = *this;
  for (Pu& pu : all.description_.pus) {
    pu.usable = true;
  }
  return all;
}

const Pu* Machine::find(int cpu) const {
  const auto found = std::find_if(description_.pus.begin(), description_.pus.end(),
                                  [cpu](const Pu& pu) { return pu.os_index == cpu; });
  return found == description_.pus.end() ? nullptr : &*found;
}

Result<Done> Machine::check_usable(int cpu) const {
  const Pu* pu = find(cpu);
  if (pu == nullptr) {
    std::vector<int> all;
    for (const Pu& existing : pus()) {
      all.push_back(existing.os_index);
    }
    return Error{fmt::format("CPU {} does not exist or is offline; this machine has {}", cpu,
                             describe_cpus(all))};
  }
  if (!pu->usable) {
    return Error{
        fmt::format("CPU {} is outside the cpuset or taskset of this process, which may use {}",
                    cpu, describe_cpus(usable_cpus()))};
  }
  return Done{};
}

std::vector<int> Machine::usable_cpus() const {
  std::vector<int> usable;
  for (const Pu& pu : pus()) {
    if (pu.usable) {
      usable.push_back(pu.os_index);
    }
  }
  std::sort(usable.begin(), usable.end());
  return usable;
}

int Machine::distance(int cpu_a, int cpu_b) const {
  const Pu* a = find(cpu_a);
  const Pu* b = find(cpu_b);
  assert(a != nullptr && b != nullptr);
  return hwloc_->levels_to_common_ancestor(a->logical_index, b->logical_index);
}

std::string Machine::summary() const {
  return fmt::format("{}, {}, {}, {}; usable {}{}", counted(packages(), "package"),
                     counted(numa_nodes(), "NUMA node"), counted(cores(), "core"),
                     counted(static_cast<int>(pus().size()), "PU"), format_cpu_list(usable_cpus()),
                     is_this_system() ? "" : "; not this system");
}

Result<std::string> Machine::xml() const { return hwloc_->export_xml(usable_cpus()); }

}  // namespace flushwalk::topology
