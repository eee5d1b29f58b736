#include "bench/support/machine_description.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <memory>
#include <sstream>
#include <system_error>
#include <utility>

#include "bench/support/kernel_tables.h"
#include "flushwalk_build_info.h"
#include "flushwalk_git_revision.h"

namespace flushwalk {
namespace {

using Json = nlohmann::ordered_json;

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// Without the line end. Empty files are as good as none.
std::optional<std::string> read_line(const std::string& path) {
  std::optional<std::string> text = read_kernel_file(path);
  if (!text) {
    return std::nullopt;
  }
  text->resize(std::min(text->find_first_of('\n'), text->size()));
  while (!text->empty() && text->back() == ' ') {
    text->pop_back();
  }
  return text->empty() ? std::nullopt : text;
}

std::optional<std::uint64_t> read_number(const std::string& path) {
  const std::optional<std::string> line = read_line(path);
  return line ? parse_unsigned(*line) : std::nullopt;
}

// perf_event_paranoid may be -1.
Json read_signed(const std::string& path) {
  const std::optional<std::string> line = read_line(path);
  if (!line) {
    return nullptr;
  }
  const bool negative = line->starts_with('-');
  const auto number = parse_unsigned(std::string_view(*line).substr(negative ? 1 : 0));
  if (!number || *number > 1U << 30) {
    return nullptr;
  }
  const auto value = static_cast<std::int64_t>(*number);
  return negative ? -value : value;
}

// Sorted; nullopt when there is no such folder.
std::optional<std::vector<std::string>> names_in(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(path.c_str()), ::closedir);
  if (!folder) {
    return std::nullopt;
  }
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(folder.get())) {
    if (entry->d_name[0] != '.') {
      names.emplace_back(entry->d_name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

Json describe_build() {
  return {{"git_revision", build::kGitRevision},
          {"git_dirty", build::kGitDirty < 0 ? Json(nullptr) : Json(build::kGitDirty > 0)},
          {"build_type", build::kBuildType},
          {"compiler", build::kCompiler},
          {"compiler_flags", build::kCompilerFlags}};
}

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

// /proc/cpuinfo names the same things differently on x86 and arm64.
Json describe_cpu(const std::string& root) {
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

Json describe_topology(const std::optional<TopologyFacts>& topology) {
  if (!topology) {
    return nullptr;
  }
  return {{"packages", topology->packages},
          {"numa_nodes", topology->numa_nodes},
          {"cores", topology->cores},
          {"pus", topology->pus},
          {"usable_cpus", topology->usable_cpus},
          {"this_system", topology->this_system},
          {"hwloc_version", topology->hwloc_version},
          {"summary", topology->summary}};
}

// "1024K" -> 1024
std::optional<std::uint64_t> read_kib(const std::string& path) {
  std::optional<std::string> line = read_line(path);
  if (!line || line->back() != 'K') {
    return std::nullopt;
  }
  line->pop_back();
  return parse_unsigned(*line);
}

Json describe_caches(const std::string& root) {
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

Json describe_kernel(const std::string& root) {
  return {{"release", or_null(read_line(root + "/proc/sys/kernel/osrelease"))},
          {"version", or_null(read_line(root + "/proc/sys/kernel/version"))},
          {"command_line", or_null(read_kernel_parameters(root + "/proc/cmdline"))}};
}

Json describe_mitigations(const std::string& root) {
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

constexpr std::uint32_t kHypervisorLeaves = 0x40000000;
constexpr std::string_view kKvmSignature = "KVMKVMKVM";

// The 12 letters in ebx, ecx, edx, without the zeros or spaces at their end.
std::optional<std::string> signature_at(const CpuidFunction& cpuid, std::uint32_t leaf) {
  const std::optional<CpuidLeaf> registers = cpuid(leaf);
  if (!registers) {
    return std::nullopt;
  }
  const std::array<std::uint32_t, 3> words = {registers->ebx, registers->ecx, registers->edx};
  std::string text(sizeof words, '\0');
  std::memcpy(text.data(), words.data(), sizeof words);
  while (!text.empty() && (text.back() == '\0' || text.back() == ' ')) {
    text.pop_back();
  }
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return std::isprint(c) == 0; }, '?');
  return text;
}

std::string vendor_of_signature(const std::string& signature) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kVendors = {{
      {kKvmSignature, "kvm"},
      {"Microsoft Hv", "hyperv"},
      {"VMwareVMware", "vmware"},
      {"XenVMMXenVMM", "xen"},
      {"TCGTCGTCGTCG", "tcg"},
      {"VBoxVBoxVBox", "virtualbox"},
      {"bhyve bhyve", "bhyve"},
      {"ACRNACRNACRN", "acrn"},
      {"prl hyperv", "parallels"},
  }};
  for (const auto& [known, vendor] : kVendors) {
    if (signature == known) {
      return std::string(vendor);
    }
  }
  return signature.empty() ? "unknown" : signature;
}

// KVM's own leaves stand at 0x40000000, or further on where it imitates Hyper-V there.
std::optional<std::uint32_t> find_kvm_leaves(const CpuidFunction& cpuid) {
  for (std::uint32_t base = kHypervisorLeaves; base < kHypervisorLeaves + 0x1000; base += 0x100) {
    if (signature_at(cpuid, base) == kKvmSignature) {
      return base;
    }
  }
  return std::nullopt;
}

Json describe_hypervisor(const CpuidFunction& cpuid) {
  constexpr std::uint32_t kHypervisorPresent = 1U << 31;  // leaf 1, ecx
  constexpr std::uint32_t kPvTlbFlush = 1U << 9;
  constexpr std::uint32_t kPvIpi = 1U << 11;
  const std::optional<CpuidLeaf> features = cpuid(1);
  Json result = {{"vendor", nullptr}, {"pv_tlb_flush", nullptr}, {"pv_ipi", nullptr}};
  if (!features) {
    return result;
  }
  if ((features->ecx & kHypervisorPresent) == 0) {
    return {{"vendor", "none"}, {"pv_tlb_flush", false}, {"pv_ipi", false}};
  }
  result["vendor"] = vendor_of_signature(signature_at(cpuid, kHypervisorLeaves).value_or(""));
  if (const std::optional<std::uint32_t> base = find_kvm_leaves(cpuid)) {
    result["vendor"] = "kvm";
    if (const std::optional<CpuidLeaf> offered = cpuid(*base + 1)) {
      result["pv_tlb_flush"] = (offered->eax & kPvTlbFlush) != 0;
      result["pv_ipi"] = (offered->eax & kPvIpi) != 0;
    }
  }
  return result;
}

// "123 kB" -> 123
Json meminfo_kib(const std::string& text, const char* key) {
  const std::optional<std::string> value = keyed_value(text, key);
  return value ? or_null(parse_unsigned(std::string_view(*value).substr(0, value->find(' '))))
               : Json(nullptr);
}

Json describe_memory(const std::string& root) {
  const std::string text = read_kernel_file(root + "/proc/meminfo").value_or("");
  return {{"total_kib", meminfo_kib(text, "MemTotal")},
          {"available_kib", meminfo_kib(text, "MemAvailable")},
          {"page_bytes", ::sysconf(_SC_PAGESIZE)}};
}

// "always [madvise] never" -> madvise
Json chosen_word(const std::string& path) {
  const std::optional<std::string> line = read_line(path);
  const std::size_t open = line ? line->find('[') : std::string::npos;
  const std::size_t close = line ? line->find(']') : std::string::npos;
  if (open == std::string::npos || close == std::string::npos || close < open) {
    return nullptr;
  }
  return line->substr(open + 1, close - open - 1);
}

Json describe_vm(const std::string& root) {
  const std::string thp = root + "/sys/kernel/mm/transparent_hugepage/";
  return {{"max_map_count", or_null(read_number(root + "/proc/sys/vm/max_map_count"))},
          {"overcommit_memory", or_null(read_number(root + "/proc/sys/vm/overcommit_memory"))},
          {"thp", chosen_word(thp + "enabled")},
          {"thp_shmem", chosen_word(thp + "shmem_enabled")}};
}

Json describe_perf(const std::string& root) {
  Json hardware_pmu = nullptr;
  if (const auto devices = names_in(root + "/sys/bus/event_source/devices")) {
    hardware_pmu = std::any_of(devices->begin(), devices->end(), [](const std::string& name) {
      return name == "cpu" || name == "cpu_core" || name.starts_with("armv8_pmuv3");
    });
  }
  return {{"event_paranoid", read_signed(root + "/proc/sys/kernel/perf_event_paranoid")},
          {"hardware_pmu", hardware_pmu}};
}

Json describe_tlb(const std::string& root) {
  constexpr const char* kPath = "/sys/kernel/debug/x86/tlb_single_page_flush_ceiling";
  const std::optional<std::uint64_t> ceiling = read_number(root + kPath);
  return {{"single_page_flush_ceiling", or_null(ceiling)},
          {"how", ceiling ? kPath : "not readable; kernel default 33"}};
}

Json describe_shootdowns(const std::optional<MechanismFinding>& finding) {
  if (!finding) {
    return nullptr;
  }
  return {{"mechanism", name_of(finding->mechanism)}, {"how", finding->how}};
}

Json describe_clock(const std::optional<ClockDescription>& clock) {
  if (!clock) {
    return nullptr;
  }
  return {{"source", name_of(clock->source)},
          {"how", clock->how},
          {"frequency_hz", clock->frequency_hz},
          {"calibration_error_ppm", clock->calibration_error_ppm},
          {"overhead_min_ns", clock->overhead_min_ns},
          {"overhead_ns", clock->overhead_ns},
          {"overhead_p99_ns", clock->overhead_p99_ns},
          {"resolution_ns", clock->resolution_ns},
          {"invariant", clock->invariant}};
}

// hwloc's is the running one, from the topology; the others are what the build found.
Json describe_libraries(const MachineInputs& inputs) {
  std::map<std::string, std::string> versions = inputs.libraries;
  for (const auto& [name, version] : build::kLibraries) {
    if (!std::string_view(version).empty()) {
      versions.emplace(name, version);
    }
  }
  if (inputs.topology && !inputs.topology->hwloc_version.empty()) {
    versions.emplace("hwloc", inputs.topology->hwloc_version);
  }
  Json result = versions;
  return result;
}

std::optional<int> write_and_sync(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      return written < 0 ? errno : ENOSPC;
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::fsync(fd) == 0 ? std::nullopt : std::optional<int>(errno);
}

void sync_folder_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    ::fsync(fd);  // not every file system can; the rename holds without it but for a machine crash
    ::close(fd);
  }
}

}  // namespace

nlohmann::ordered_json describe_machine(const MachineInputs& inputs,
                                        const MachineSources& sources) {
  const std::string& root = sources.root;
  Json result;
  result["schema_version"] = kMachineSchemaVersion;
  result["created"] = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(inputs.created));
  result["flushwalk"] = describe_build();
  result["command_line"] = inputs.command_line;
  result["host"] = or_null(read_line(root + "/proc/sys/kernel/hostname"));
  result["cpu"] = describe_cpu(root);
  result["topology"] = describe_topology(inputs.topology);
  result["caches"] = describe_caches(root);
  result["kernel"] = describe_kernel(root);
  result["mitigations"] = describe_mitigations(root);
  result["hypervisor"] = describe_hypervisor(sources.cpuid);
  result["memory"] = describe_memory(root);
  result["vm"] = describe_vm(root);
  result["perf"] = describe_perf(root);
  result["tlb"] = describe_tlb(root);
  result["shootdowns"] = describe_shootdowns(inputs.shootdowns);
  result["counters"] = inputs.counters;
  result["clock"] = describe_clock(inputs.clock);
  result["libraries"] = describe_libraries(inputs);
  return result;
}

std::string machine_json_text(const nlohmann::ordered_json& description) {
  return description.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::optional<Problem> write_file_atomically(const std::string& path, std::string_view text) {
  std::string temporary = path + ".XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  const auto problem = [&path](int error) {
    return Problem{path, fmt::format("cannot be written: {} (errno {})",
                                     std::generic_category().message(error), error)};
  };
  if (fd < 0) {
    return problem(errno);
  }
  std::optional<int> error = write_and_sync(fd, text);
  // mkostemp makes a file for its owner only; a report is for all.
  if (!error && ::fchmod(fd, 0644) != 0) {
    error = errno;
  }
  if (::close(fd) != 0 && !error) {
    error = errno;
  }
  if (!error && ::rename(temporary.c_str(), path.c_str()) != 0) {
    error = errno;
  }
  if (error) {
    ::unlink(temporary.c_str());
    return problem(*error);
  }
  sync_folder_of(path);
  return std::nullopt;
}

}  // namespace flushwalk
