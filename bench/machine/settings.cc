// What the kernel is, and how it is set: what a measurement may depend on.
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <sstream>
#include <string_view>

#include "bench/machine/kernel_values.h"
#include "bench/machine/machine_facts.h"
#include "bench/support/kernel_tables.h"

namespace flushwalk {
namespace {

using Json = nlohmann::ordered_json;

// The parameters that are the kernel's. init= and rdinit=, and what follows `--`, are the first
// process's: they say nothing of the measurement, and in a guest they tell of its host.
std::optional<std::string> read_kernel_parameters(const std::string& path) {
  const std::optional<std::string> line = read_line(path);
  if (!line) {
    return std::nullopt;
  }
  std::istringstream words(*line);
  std::string kept;
  for (std::string word; words >> word && word != "--";) {
    if (!word.starts_with("init=") && !word.starts_with("rdinit=")) {
      kept += (kept.empty() ? "" : " ") + word;
    }
  }
  return kept;
}

// What a boot parameter of CPUs was set to: "none" where it is not there, "all" where it has no
// value.
std::optional<std::string> cpus_of_parameter(const std::string& root, std::string_view name) {
  const auto parameters = read_kernel_parameters(root + "/proc/cmdline");
  if (!parameters) {
    return std::nullopt;
  }
  std::string cpus = "none";
  std::istringstream words(*parameters);
  for (std::string word; words >> word;) {
    if (word == name) {
      cpus = "all";
    } else if (word.starts_with(name) && word[name.size()] == '=') {
      cpus = word.substr(name.size() + 1);
    }
  }
  return cpus;
}

// The values that a file has in the folders of several CPUs, sorted, each once.
std::optional<std::string> distinct_lines(const std::string& folder, const std::string& prefix,
                                          const std::string& file) {
  std::set<std::string> values;
  for (const std::string& name : names_in(folder).value_or(std::vector<std::string>{})) {
    const auto line = name.starts_with(prefix) ? read_line(folder + name + "/" + file)
                                               : std::optional<std::string>{};
    if (line) {
      values.insert(*line);
    }
  }
  std::string all;
  for (const std::string& value : values) {
    all += (all.empty() ? "" : " ") + value;
  }
  return all.empty() ? std::nullopt : std::optional(all);
}

std::optional<bool> read_turbo(const std::string& cpus) {
  if (const auto off = read_switch(cpus + "intel_pstate/no_turbo")) {
    return !*off;
  }
  return read_switch(cpus + "cpufreq/boost");
}

// "150000 100000" (us of each period, in cpu.max) is 1.5 CPUs.
std::optional<double> quota_in(const std::string& path) {
  const std::string line = read_line(path).value_or("");
  const std::size_t space = line.find(' ');
  if (space == std::string::npos) {
    return std::nullopt;
  }
  const auto time = parse_unsigned(std::string_view(line).substr(0, space));
  const auto period = parse_unsigned(std::string_view(line).substr(space + 1));
  if (!time || !period || *period == 0) {
    return std::nullopt;
  }
  return static_cast<double>(*time) / static_cast<double>(*period);
}

// The tightest of this process's control group and those above it (version 2 of the interface).
Json describe_cpu_quota(const std::string& root) {
  const std::string text = read_kernel_file(root + "/proc/self/cgroup").value_or("");
  const std::size_t at = text.starts_with("0::") ? 0 : text.find("\n0::");
  if (at == std::string::npos) {
    return nullptr;
  }
  std::string group = text.substr(text.find("::", at) + 2);
  group.resize(std::min(group.find('\n'), group.size()));
  std::optional<double> least;
  for (;;) {
    const auto quota = quota_in(root + "/sys/fs/cgroup" + group + "/cpu.max");
    if (quota && (!least || *quota < *least)) {
      least = quota;
    }
    if (group.empty() || group == "/") {
      break;
    }
    group.resize(group.find_last_of('/'));
  }
  return least ? Json(*least) : Json("none");
}

std::optional<double> read_decimal(const std::string& path) {
  const std::string line = read_line(path).value_or("");
  double value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  return error == std::errc{} && end != line.data() ? std::optional(value) : std::nullopt;
}

// "123 kB" -> 123
Json meminfo_kib(const std::string& text, const char* key) {
  const std::optional<std::string> value = keyed_value(text, key);
  return value ? or_null(parse_unsigned(std::string_view(*value).substr(0, value->find(' '))))
               : Json(nullptr);
}

}  // namespace

nlohmann::ordered_json describe_kernel(const std::string& root) {
  const std::string sysctl = root + "/proc/sys/kernel/";
  return {{"release", or_null(read_line(sysctl + "osrelease"))},
          {"version", or_null(read_line(sysctl + "version"))},
          {"command_line", or_null(read_kernel_parameters(root + "/proc/cmdline"))},
          {"aslr", or_null(read_number(sysctl + "randomize_va_space"))},
          {"numa_balancing", or_null(read_number(sysctl + "numa_balancing"))},
          {"nmi_watchdog", or_null(read_switch(sysctl + "nmi_watchdog"))}};
}

nlohmann::ordered_json describe_mitigations(const std::string& root) {
  const std::string folder = root + "/sys/devices/system/cpu/vulnerabilities/";
  const auto names = names_in(folder);
  if (!names) {
    return nullptr;
  }
  Json mitigations = Json::object();
  for (const std::string& name : *names) {
    mitigations[name] = or_null(read_line(folder + name));
  }
  return mitigations;
}

nlohmann::ordered_json describe_memory(const std::string& root) {
  const std::string text = read_kernel_file(root + "/proc/meminfo").value_or("");
  return {{"total_kib", meminfo_kib(text, "MemTotal")},
          {"available_kib", meminfo_kib(text, "MemAvailable")},
          {"page_bytes", ::sysconf(_SC_PAGESIZE)}};
}

nlohmann::ordered_json describe_vm(const std::string& root) {
  const std::string thp = root + "/sys/kernel/mm/transparent_hugepage/";
  return {{"max_map_count", or_null(read_number(root + "/proc/sys/vm/max_map_count"))},
          {"overcommit_memory", or_null(read_number(root + "/proc/sys/vm/overcommit_memory"))},
          {"thp", or_null(read_chosen_word(thp + "enabled"))},
          {"thp_shmem", or_null(read_chosen_word(thp + "shmem_enabled"))},
          {"ksm", or_null(read_number(root + "/sys/kernel/mm/ksm/run"))},
          {"stat_interval", or_null(read_number(root + "/proc/sys/vm/stat_interval"))}};
}

nlohmann::ordered_json describe_perf(const std::string& root) {
  Json hardware_pmu = nullptr;
  if (const auto devices = names_in(root + "/sys/bus/event_source/devices")) {
    hardware_pmu = std::any_of(devices->begin(), devices->end(), [](const std::string& name) {
      return name == "cpu" || name == "cpu_core" || name.starts_with("armv8_pmuv3");
    });
  }
  return {{"event_paranoid", or_null(read_signed(root + "/proc/sys/kernel/perf_event_paranoid"))},
          {"hardware_pmu", hardware_pmu}};
}

nlohmann::ordered_json describe_frequency(const std::string& root) {
  const std::string cpus = root + "/sys/devices/system/cpu/";
  const auto of_policies = [&cpus](const std::string& file) {
    return or_null(distinct_lines(cpus + "cpufreq/", "policy", file));
  };
  return {{"driver", of_policies("scaling_driver")},
          {"governor", of_policies("scaling_governor")},
          {"energy_preference", of_policies("energy_performance_preference")},
          {"turbo", or_null(read_turbo(cpus))}};
}

nlohmann::ordered_json describe_smt(const std::string& root) {
  const std::string smt = root + "/sys/devices/system/cpu/smt/";
  return {{"control", or_null(read_line(smt + "control"))},
          {"active", or_null(read_switch(smt + "active"))}};
}

nlohmann::ordered_json describe_isolation(const std::string& root) {
  const std::string cpus = root + "/sys/devices/system/cpu/";
  const auto nohz_full = read_cpus(cpus + "nohz_full");
  return {{"isolated", or_null(read_cpus(cpus + "isolated"))},
          {"nohz_full", or_null(nohz_full ? nohz_full : cpus_of_parameter(root, "nohz_full"))},
          {"rcu_nocbs", or_null(cpus_of_parameter(root, "rcu_nocbs"))}};
}

nlohmann::ordered_json describe_load(const std::string& root) {
  return {{"average_1min", or_null(read_decimal(root + "/proc/loadavg"))},
          {"cpu_quota", describe_cpu_quota(root)}};
}

}  // namespace flushwalk
