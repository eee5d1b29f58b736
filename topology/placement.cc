#include "topology/placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <map>
#include <utility>

#include "topology/cpu_list.h"

namespace flushwalk::topology {
namespace {

// What two CPUs may have in common, from the outside inwards.
enum class Level { machine, package, numa_node, l3, l2, core };

constexpr std::array kInwards = {Level::package, Level::numa_node, Level::l3, Level::l2,
                                 Level::core};

int group_of(const Pu& pu, Level level) {
  switch (level) {
    case Level::package:
      return pu.package;
    case Level::numa_node:
      return pu.numa_node;
    case Level::l3:
      return pu.l3;
    case Level::l2:
      return pu.l2;
    case Level::core:
      return pu.core;
    case Level::machine:
      break;
  }
  return 0;
}

// What the machine does not tell is neither shared nor apart.
bool share(const Pu& a, const Pu& b, Level level) {
  return group_of(a, level) != kNoGroup && group_of(a, level) == group_of(b, level);
}

bool apart(const Pu& a, const Pu& b, Level level) {
  return group_of(a, level) != kNoGroup && group_of(b, level) != kNoGroup &&
         group_of(a, level) != group_of(b, level);
}

Level innermost_shared(const Pu& a, const Pu& b) {
  const auto found = std::find_if(kInwards.rbegin(), kInwards.rend(),
                                  [&](Level level) { return share(a, b, level); });
  return found == kInwards.rend() ? Level::machine : *found;
}

// What a placement chooses from, in the machine's order.
struct Choice {
  const Machine& machine;
  std::vector<const Pu*> threads;    // usable, and all of one kind
  std::vector<const Pu*> cores;      // of these the first of each core
  std::vector<int> of_another_kind;  // usable CPUs that are left out
};

Choice choice_on(const Machine& machine) {
  Choice choice{machine, {}, {}, {}};
  const Pu* best = nullptr;
  const auto efficiency = [&machine](const Pu& pu) {
    return pu.kind == kNoGroup ? kNoGroup
                               : machine.kinds()[static_cast<std::size_t>(pu.kind)].efficiency;
  };
  for (const Pu& pu : machine.pus()) {
    if (pu.usable && (best == nullptr || efficiency(pu) > efficiency(*best))) {
      best = &pu;
    }
  }
  for (const Pu& pu : machine.pus()) {
    if (!pu.usable) {
      continue;
    }
    if (pu.kind != best->kind) {
      choice.of_another_kind.push_back(pu.os_index);
      continue;
    }
    if (choice.cores.empty() || choice.cores.back()->core != pu.core) {
      choice.cores.push_back(&pu);
    }
    choice.threads.push_back(&pu);
  }
  return choice;
}

// The initiator, then as many responders as there is room for. Never empty.
using Chosen = std::vector<const Pu*>;

// The cores but that of `from`, the nearest first; equally near ones in the machine's order.
Chosen nearest_first(const Choice& choice, const Pu& from) {
  std::vector<std::pair<int, const Pu*>> others;
  for (const Pu* core : choice.cores) {
    if (core->core != from.core) {
      others.emplace_back(choice.machine.distance(from.os_index, core->os_index), core);
    }
  }
  std::stable_sort(others.begin(), others.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  Chosen chosen{&from};
  for (const auto& [distance, core] : others) {
    chosen.push_back(core);
  }
  return chosen;
}

Chosen compact(const Choice& choice) { return nearest_first(choice, *choice.cores.front()); }

// A core's place in each thing that holds it, counted among its neighbours there: the package turns
// fastest, then the NUMA node within a package, and so on.
Chosen scatter(const Choice& choice) {
  std::map<std::vector<int>, int> place;     // of a path from the package inwards
  std::map<std::vector<int>, int> children;  // that a path has so far
  std::vector<std::pair<std::vector<int>, const Pu*>> cores;
  for (const Pu* core : choice.cores) {
    std::vector<int> path;
    std::vector<int> key;
    for (const Level level : kInwards) {
      int& siblings = children[path];
      path.push_back(group_of(*core, level));
      const auto [entry, is_new] = place.try_emplace(path, siblings);
      siblings += is_new ? 1 : 0;
      key.push_back(entry->second);
    }
    std::reverse(key.begin(), key.end());
    cores.emplace_back(std::move(key), core);
  }
  std::sort(cores.begin(), cores.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  Chosen chosen;
  for (const auto& [key, core] : cores) {
    chosen.push_back(core);
  }
  return chosen;
}

Chosen threads_of_a_core(const Choice& choice) {
  Chosen most;
  for (const Pu* initiator : choice.cores) {
    Chosen chosen;
    std::copy_if(choice.threads.begin(), choice.threads.end(), std::back_inserter(chosen),
                 [&](const Pu* pu) { return pu->core == initiator->core; });
    most = chosen.size() > most.size() ? chosen : most;
  }
  return most;
}

// Cores with which the initiator shares `kLevel`, and nothing further in.
template <Level kLevel>
Chosen sharing(const Choice& choice) {
  Chosen most;
  for (const Pu* initiator : choice.cores) {
    Chosen chosen{initiator};
    for (const Pu* core : choice.cores) {
      if (core != initiator && innermost_shared(*initiator, *core) == kLevel) {
        chosen.push_back(core);
      }
    }
    most = chosen.size() > most.size() ? chosen : most;
  }
  return most;
}

// Cores on the other side of `kLevel`, as near as there are such: of two packages with two NUMA
// nodes each, those on the initiator's package's other node.
template <Level kLevel>
Chosen across(const Choice& choice) {
  Chosen most{choice.cores.front()};
  Level most_shared = Level::machine;
  for (const Pu* initiator : choice.cores) {
    Level nearest = Level::machine;
    Chosen chosen{initiator};
    for (const Pu* core : choice.cores) {
      if (!apart(*initiator, *core, kLevel)) {
        continue;
      }
      const Level shared = innermost_shared(*initiator, *core);
      if (shared > nearest) {
        nearest = shared;
        chosen.resize(1);
      }
      if (shared == nearest) {
        chosen.push_back(core);
      }
    }
    if (nearest > most_shared || (nearest == most_shared && chosen.size() > most.size())) {
      most_shared = nearest;
      most = chosen;
    }
  }
  return most;
}

// A named placement: one line here, and nothing elsewhere but its line in reports/SCHEMA.md.
struct Rule {
  PlacementFacts facts;
  const char* wanted;    // what it needs one of for each responder
  bool needs_responder;  // means nothing without
  Chosen (*choose)(const Choice&);
};

constexpr std::array kRules = {
    Rule{{kCompact, "a core each, the nearest first"}, "other cores", false, compact},
    Rule{{"scatter", "a core each, apart: packages in turn, then NUMA nodes, L3 and L2 caches"},
         "other cores",
         false,
         scatter},
    Rule{{"smt", "the other threads of the initiator's core"},
         "other threads of one core",
         true,
         threads_of_a_core},
    Rule{{"same_l2", "cores that share the initiator's L2 cache"},
         "other cores with one L2 cache",
         true,
         sharing<Level::l2>},
    Rule{{"same_l3", "cores that share its L3 cache, and no L2"},
         "other cores with one L3 cache, but not one L2",
         true,
         sharing<Level::l3>},
    Rule{{"cross_l3", "cores with another L3 cache, the nearest such"},
         "cores with another L3 cache",
         true,
         across<Level::l3>},
    Rule{{"cross_numa", "cores of another NUMA node, the nearest such"},
         "cores of another NUMA node",
         true,
         across<Level::numa_node>},
    Rule{{"cross_package", "cores of another package"},
         "cores of another package",
         true,
         across<Level::package>},
};

constexpr auto kFacts = [] {
  std::array<PlacementFacts, kRules.size()> facts{};
  for (std::size_t i = 0; i < kRules.size(); ++i) {
    facts[i] = kRules[i].facts;
  }
  return facts;
}();

std::string counted_responders(int responders) {
  return fmt::format("{} {}", responders, responders == 1 ? "responder" : "responders");
}

// "4 (CPUs 0-3)"; "none". Of very many it names none.
std::string how_many(const Chosen& chosen) {
  constexpr std::size_t kLongest = 60;
  if (chosen.size() == 1) {
    return "none";
  }
  std::vector<int> cpus;
  std::transform(chosen.begin() + 1, chosen.end(), std::back_inserter(cpus),
                 [](const Pu* pu) { return pu->os_index; });
  const std::string named = fmt::format(" ({})", describe_cpus(cpus));
  return fmt::format("{}{}", cpus.size(), named.size() > kLongest ? "" : named);
}

Error refusal(const Rule& rule, const Choice& choice, const Chosen& chosen, int responders) {
  std::string text = fmt::format("{}: no room for {}: needed are {}, of which ", rule.facts.name,
                                 counted_responders(std::max(responders, 1)), rule.wanted);
  const Machine whole = choice.machine.unrestricted();
  const std::size_t of_whole = rule.choose(choice_on(whole)).size();
  if (of_whole == chosen.size()) {
    text += fmt::format("this machine has {}", how_many(chosen));
  } else {
    text +=
        fmt::format("the machine has {}, but the cpuset or taskset ({}) leaves {}", of_whole - 1,
                    describe_cpus(choice.machine.usable_cpus()), how_many(chosen));
  }
  if (!choice.of_another_kind.empty()) {
    text += fmt::format("; {} {} of another kind, which is not mixed in",
                        describe_cpus(choice.of_another_kind),
                        choice.of_another_kind.size() == 1 ? "is" : "are");
  }
  return Error{text};
}

Placement placement_of(std::string_view name, const std::vector<int>& cpus) {
  return {.name = std::string(name),
          .initiator = cpus.front(),
          .responders = {cpus.begin() + 1, cpus.end()}};
}

// "cpus:0,4,8" with all its CPUs.
Result<Placement> listed(const Machine& machine, std::string_view name) {
  const Result<std::vector<int>> cpus = parse_cpu_list(name.substr(kListed.size()));
  if (!cpus.ok()) {
    return Error{fmt::format("{}: {}", kListed.substr(0, kListed.size() - 1), cpus.error())};
  }
  for (const int cpu : cpus.value()) {
    if (const Result<Done> usable = machine.check_usable(cpu); !usable.ok()) {
      return Error{fmt::format("{}: {}", name, usable.error())};
    }
  }
  return placement_of(name, cpus.value());
}

Result<Placement> listed(const Machine& machine, std::string_view name, int responders) {
  Result<Placement> placement = listed(machine, name);
  if (!placement.ok()) {
    return placement;
  }
  std::vector<int>& all = placement.value().responders;
  if (static_cast<std::size_t>(responders) > all.size()) {
    return Error{fmt::format("{}: no room for {}: beside the initiator's {} {} listed", name,
                             counted_responders(responders), all.size(),
                             all.size() == 1 ? "is" : "are")};
  }
  all.resize(static_cast<std::size_t>(responders));
  return placement;
}

Result<const Rule*> rule_of(std::string_view name) {
  std::string all;
  for (const Rule& rule : kRules) {
    if (rule.facts.name == name) {
      return &rule;
    }
    all += fmt::format("{}, ", rule.facts.name);
  }
  return Error{
      fmt::format("{} is not one of {}cpus:LIST", name.empty() ? "an empty value" : name, all)};
}

Result<Placement> named(const Machine& machine, std::string_view name, const int* responders) {
  const Result<const Rule*> rule = rule_of(name);
  if (!rule.ok()) {
    return Error{rule.error()};
  }
  const Choice choice = choice_on(machine);
  const Chosen chosen = rule.value()->choose(choice);
  const std::size_t least = rule.value()->needs_responder ? 1 : 0;
  const std::size_t room = chosen.size() - 1;
  const std::size_t wanted = responders == nullptr ? room : static_cast<std::size_t>(*responders);
  if (room < std::max(wanted, least)) {
    return refusal(*rule.value(), choice, chosen, static_cast<int>(wanted));
  }
  std::vector<int> cpus;
  for (std::size_t i = 0; i <= wanted; ++i) {
    cpus.push_back(chosen[i]->os_index);
  }
  return placement_of(name, cpus);
}

}  // namespace

std::span<const PlacementFacts> named_placements() { return kFacts; }

Result<Placement> choose_placement(const Machine& machine, std::string_view name, int responders) {
  if (responders < 0) {
    return Error{fmt::format("{} responders; at least 0 are allowed", responders)};
  }
  return name.starts_with(kListed) ? listed(machine, name, responders)
                                   : named(machine, name, &responders);
}

Result<Placement> widest_placement(const Machine& machine, std::string_view name) {
  return name.starts_with(kListed) ? listed(machine, name) : named(machine, name, nullptr);
}

}  // namespace flushwalk::topology
