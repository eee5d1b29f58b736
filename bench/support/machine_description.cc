#include "bench/support/machine_description.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "bench/machine/kernel_values.h"
#include "bench/machine/machine_facts.h"
#include "flushwalk_build_info.h"
#include "flushwalk_git_revision.h"

namespace flushwalk {
namespace {

using Json = nlohmann::ordered_json;

Json describe_build() {
  return {{"git_revision", build::kGitRevision},
          {"git_dirty", build::kGitDirty < 0 ? Json(nullptr) : Json(build::kGitDirty > 0)},
          {"build_type", build::kBuildType},
          {"compiler", build::kCompiler},
          {"compiler_flags", build::kCompilerFlags}};
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

// The kernel's own number where it lets us read it (root, debugfs), else the one measured.
Json describe_tlb(const MachineInputs& inputs, const MachineSources& sources) {
  constexpr const char* kPath = "/sys/kernel/debug/x86/tlb_single_page_flush_ceiling";
  Json result = {{"single_page_flush_ceiling", nullptr}, {"how", "not readable, not measured"}};
  if (const auto ceiling = read_number(sources.root + kPath)) {
    result = {{"single_page_flush_ceiling", *ceiling}, {"how", kPath}};
  } else if (inputs.ceiling) {
    result = {{"single_page_flush_ceiling", or_null(inputs.ceiling->pages)},
              {"how", inputs.ceiling->how}};
  }
  result.update(describe_tlb_sizes(sources.cpuid));
  return result;
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
  result["page_tables"] = describe_page_tables(root);
  result["tlb"] = describe_tlb(inputs, sources);
  result["kernel"] = describe_kernel(root);
  result["mitigations"] = describe_mitigations(root);
  result["hypervisor"] = describe_hypervisor(root, sources.cpuid);
  result["memory"] = describe_memory(root);
  result["vm"] = describe_vm(root);
  result["frequency"] = describe_frequency(root);
  result["smt"] = describe_smt(root);
  result["isolation"] = describe_isolation(root);
  result["load"] = describe_load(root);
  result["perf"] = describe_perf(root);
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
