// The CPU: its names, its caches, and what of it and of the kernel decides on page tables.
#include <algorithm>
#include <array>
#include <sstream>
#include <string_view>

#include "bench/machine/kernel_values.h"
#include "bench/machine/machine_facts.h"
#include "bench/support/kernel_tables.h"

namespace flushwalk {
namespace {

using Json = nlohmann::ordered_json;

// Those of a CPU's flags that matter to TLBs (pcid: no flush at a context switch; invlpgb:
// shootdowns without interrupts), to page tables (pti, la57), to interrupts (x2apic), to locks
// (arm64's atomics), and to the clock.
Json flags_of_interest(const std::optional<std::string>& flags) {
  constexpr std::array<std::string_view, 16> kWanted = {
      "atomics", "constant_tsc", "hypervisor",     "invlpgb", "invpcid", "invpcid_single",
      "la57",    "nonstop_tsc",  "pcid",           "pdpe1gb", "pge",     "pti",
      "rdtscp",  "tsc",          "tsc_known_freq", "x2apic"};
  if (!flags) {
    return nullptr;
  }
  Json found = Json::array();
  std::istringstream words(*flags);
  for (std::string word; words >> word;) {
    if (std::find(kWanted.begin(), kWanted.end(), word) != kWanted.end()) {
      found.push_back(word);
    }
  }
  return found;
}

bool has_flag(const std::string& flags, std::string_view wanted) {
  std::istringstream words(flags);
  for (std::string word; words >> word;) {
    if (word == wanted) {
      return true;
    }
  }
  return false;
}

}  // namespace

// /proc/cpuinfo names the same things differently on x86 and arm64.
nlohmann::ordered_json describe_cpu(const std::string& root) {
  const std::string text = read_kernel_file(root + "/proc/cpuinfo").value_or("");
  const auto either = [&text](const char* x86, const char* arm64) {
    const auto value = keyed_value(text, x86);
    return value ? value : keyed_value(text, arm64);
  };
  const auto number_or_text = [](const std::optional<std::string>& value) -> Json {
    const auto number = value ? parse_unsigned(*value) : std::nullopt;
    return number ? Json(*number) : or_null(value);
  };
  return {{"model", or_null(keyed_value(text, "model name"))},
          {"vendor", or_null(either("vendor_id", "CPU implementer"))},
          {"family", number_or_text(either("cpu family", "CPU architecture"))},
          {"model_number", number_or_text(either("model", "CPU part"))},
          {"stepping", number_or_text(either("stepping", "CPU revision"))},
          {"microcode", or_null(keyed_value(text, "microcode"))},
          {"flags_of_interest", flags_of_interest(either("flags", "Features"))}};
}

nlohmann::ordered_json describe_caches(const std::string& root) {
  const std::string folder = root + "/sys/devices/system/cpu/cpu0/cache/";
  const auto names = names_in(folder);
  if (!names) {
    return nullptr;
  }
  Json caches = Json::array();
  for (const std::string& name : *names) {
    if (!name.starts_with("index")) {
      continue;
    }
    const std::string cache = folder + name + "/";
    caches.push_back({{"level", or_null(read_number(cache + "level"))},
                      {"type", or_null(read_line(cache + "type"))},
                      {"size_kib", or_null(read_kib(cache + "size"))},
                      {"line_bytes", or_null(read_number(cache + "coherency_line_size"))},
                      {"ways", or_null(read_number(cache + "ways_of_associativity"))},
                      {"shared_cpus", or_null(read_line(cache + "shared_cpu_list"))}});
  }
  return caches;
}

// The kernel takes a flag away from /proc/cpuinfo that it was told not to use (nopcid, noinvpcid),
// and adds pti where it isolates page tables. arm64 says the latter with its mitigations; its ASIDs
// always are in use.
nlohmann::ordered_json describe_page_tables(const std::string& root) {
  const auto flags = keyed_value(read_kernel_file(root + "/proc/cpuinfo").value_or(""), "flags");
  const auto meltdown = read_line(root + "/sys/devices/system/cpu/vulnerabilities/meltdown");
  std::optional<bool> pti;
  if (flags || meltdown) {
    pti = has_flag(flags.value_or(""), "pti") || meltdown.value_or("") == "Mitigation: PTI";
  }
  const auto flag = [&flags](std::string_view name) {
    return flags ? Json(has_flag(*flags, name)) : Json(nullptr);
  };
  return {{"pti", or_null(pti)}, {"pcid", flag("pcid")}, {"invpcid", flag("invpcid")}};
}

}  // namespace flushwalk
