#include "bench/counters/encoder.h"

#include <dirent.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <perfmon/pfmlib.h>
#include <perfmon/pfmlib_perf_event.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iterator>

#include "bench/counters/nearest_names.h"
#include "bench/counters/tracefs.h"
#include "bench/support/kernel_tables.h"

namespace flushwalk {
namespace {

// CPUs that a refusal names; libpfm4 knows a hundred.
constexpr std::size_t kCpusNamed = 3;
constexpr std::array<std::string_view, 2> kGenericPmus = {"perf", "perf_raw"};

template <class Info>
Info sized() {
  Info info;
  std::memset(&info, 0, sizeof info);
  info.size = sizeof info;
  return info;
}

void for_each_pmu(const std::function<void(const pfm_pmu_info_t&)>& visit) {
  for (int pmu = 0; pmu < PFM_PMU_MAX; ++pmu) {
    auto info = sized<pfm_pmu_info_t>();
    if (pfm_get_pmu_info(static_cast<pfm_pmu_t>(pmu), &info) == PFM_SUCCESS) {
      visit(info);
    }
  }
}

bool is_generic(const pfm_pmu_info_t& pmu) {
  return std::find(kGenericPmus.begin(), kGenericPmus.end(), pmu.name) != kGenericPmus.end();
}

struct PmuEncoding {
  int result = PFM_SUCCESS;
  perf_event_attr attr{};
  bool of_this_cpu = true;
};

PmuEncoding ask_libpfm(const std::string& event, bool user, bool kernel) {
  PmuEncoding encoding;
  auto arg = sized<pfm_perf_encode_arg_t>();
  encoding.attr.size = sizeof encoding.attr;
  arg.attr = &encoding.attr;
  const int levels = (user ? PFM_PLM3 : 0) | (kernel ? PFM_PLM0 : 0);
  encoding.result = pfm_get_os_event_encoding(event.c_str(), levels, PFM_OS_PERF_EVENT, &arg);
  if (encoding.result == PFM_SUCCESS) {
    auto info = sized<pfm_event_info_t>();
    auto pmu = sized<pfm_pmu_info_t>();
    if (pfm_get_event_info(arg.idx, PFM_OS_NONE, &info) == PFM_SUCCESS &&
        pfm_get_pmu_info(info.pmu, &pmu) == PFM_SUCCESS) {
      encoding.of_this_cpu = pmu.is_present != 0;
    }
  }
  return encoding;
}

EventKind kind_of(const perf_event_attr& attr) {
  switch (attr.type) {
    case PERF_TYPE_SOFTWARE:
      return EventKind::software;
    case PERF_TYPE_TRACEPOINT:
      return EventKind::tracepoint;
    default:
      return EventKind::hardware;
  }
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// What the kernel counts of its own, with levels that leave nothing of it.
bool never_hits(const EncodedEvent& event) {
  const auto counts = [&](auto config) { return event.attr.config == config; };
  const bool in_kernel =
      event.kind == EventKind::tracepoint ||
      (event.kind == EventKind::software &&
       (counts(PERF_COUNT_SW_CONTEXT_SWITCHES) || counts(PERF_COUNT_SW_CPU_MIGRATIONS)));
  return in_kernel && !event.name.kernel;
}

std::vector<std::string> folders_in(const std::string& path) {
  std::vector<std::string> names;
  DIR* const folder = opendir(path.c_str());
  if (folder == nullptr) {
    return names;
  }
  while (const dirent* const entry = readdir(folder)) {
    // Where the file system does not tell, it may be one.
    const bool is_folder = entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN;
    if (is_folder && entry->d_name[0] != '.') {
      names.emplace_back(entry->d_name);
    }
  }
  closedir(folder);
  return names;
}

}  // namespace

std::string_view name_of(EventKind kind) {
  switch (kind) {
    case EventKind::hardware:
      return "hardware";
    case EventKind::software:
      return "software";
    case EventKind::tracepoint:
      return "tracepoint";
    case EventKind::table:
      return "table";
  }
  return "unknown";
}

Encoder::Encoder(EncoderSources sources) : sources_(std::move(sources)) {
  // Full names of other CPUs' events then encode: that is how one is told from a misspelt one.
  setenv("LIBPFM_ENCODE_INACTIVE", "1", 1);
  const auto readable = [](const std::string& root) {
    return access((root + "/events").c_str(), R_OK | X_OK) == 0;
  };
  if (sources_.mount_tracefs &&
      std::none_of(sources_.tracefs.begin(), sources_.tracefs.end(), readable) &&
      readable(detached_tracefs())) {
    sources_.tracefs.push_back(detached_tracefs());
  }
  if (const int result = pfm_initialize(); result != PFM_SUCCESS) {
    broken_ = fmt::format("libpfm4: {}", pfm_strerror(result));
    return;
  }
  for_each_pmu([&](const pfm_pmu_info_t& pmu) {
    if (pmu.is_present != 0 && pmu.type == PFM_PMU_TYPE_CORE && !is_generic(pmu)) {
      cpu_pmus_.emplace_back(pmu.name);
    }
  });
}

std::variant<EncodedEvent, NotEncoded> Encoder::encode(const EventName& name) const {
  if (name.source == EventSource::table) {
    return EncodedEvent{name, EventKind::table, {}};
  }
  auto encoded =
      name.source == EventSource::tracepoint ? encode_tracepoint(name) : encode_pmu(name);
  const EncodedEvent* const event = std::get_if<EncodedEvent>(&encoded);
  if (event != nullptr && never_hits(*event)) {
    return NotEncoded{
        NotEncoded::never_hits,
        fmt::format("{} happens in the kernel: with :u it would always count 0", name.event)};
  }
  return encoded;
}

std::variant<EncodedEvent, NotEncoded> Encoder::encode_pmu(const EventName& name) const {
  const PmuEncoding found = ask_libpfm(name.event, name.user, name.kernel);
  if (found.result == PFM_SUCCESS && (found.of_this_cpu || sources_.any_cpu)) {
    return EncodedEvent{name, kind_of(found.attr), found.attr};
  }
  const std::string bare = name.event.substr(
      name.event.rfind("::") == std::string::npos ? 0 : name.event.rfind("::") + 2);
  if (const auto cpus = other_cpus_with(bare)) {
    const std::string here = cpu_pmus_.empty()
                                 ? "libpfm4 does not know this CPU"
                                 : fmt::format("this CPU is {}", fmt::join(cpu_pmus_, ", "));
    return NotEncoded{NotEncoded::other_cpu,
                      fmt::format("valid for another CPU only ({}); {}", *cpus, here)};
  }
  return unknown(name);
}

std::variant<EncodedEvent, NotEncoded> Encoder::encode_tracepoint(const EventName& name) const {
  std::string path = name.event;
  std::replace(path.begin(), path.end(), ':', '/');
  int error = ENOENT;
  bool mounted = false;
  for (const std::string& root : sources_.tracefs) {
    const std::string events = root + "/events";
    if (access(events.c_str(), R_OK | X_OK) != 0) {
      // The folder that nothing is mounted on is there all the same.
      error = errno == EACCES || error == EACCES ? EACCES : error;
      continue;
    }
    mounted = true;
    const std::string id_file = events + "/" + path + "/id";
    std::string text = read_kernel_file(id_file).value_or("");
    text.erase(std::min(text.find('\n'), text.size()));
    if (const auto id = parse_unsigned(text)) {
      EncodedEvent event{name, EventKind::tracepoint, {}};
      event.attr.type = PERF_TYPE_TRACEPOINT;
      event.attr.size = sizeof event.attr;
      event.attr.config = *id;
      event.attr.exclude_user = name.user ? 0 : 1;
      event.attr.exclude_kernel = name.kernel ? 0 : 1;
      return event;
    }
  }
  // libpfm4 takes a colon for what stands as a dot in the suite's tables.
  if (name.filter.empty()) {
    auto other = encode_pmu(name);
    const NotEncoded* const failed = std::get_if<NotEncoded>(&other);
    if (mounted || failed == nullptr || failed->why != NotEncoded::unknown) {
      return other;
    }
  } else if (mounted) {
    return unknown(name);
  }
  const char* const remedy =
      error == EACCES ? "tracefs may not be read: as root, or after mount -o remount,mode=755 of it"
                      : "tracefs is not mounted: mount -t tracefs nodev /sys/kernel/tracing";
  return NotEncoded{NotEncoded::unreadable, remedy, error};
}

// The CPUs, in words, that have the event.
std::optional<std::string> Encoder::other_cpus_with(const std::string& event) const {
  std::vector<std::string> names;
  for_each_pmu([&](const pfm_pmu_info_t& pmu) {
    const bool candidate = pmu.is_present == 0 && pmu.type == PFM_PMU_TYPE_CORE && !is_generic(pmu);
    if (candidate &&
        ask_libpfm(fmt::format("{}::{}", pmu.name, event), true, true).result == PFM_SUCCESS) {
      names.emplace_back(pmu.desc);
    }
  });
  if (names.empty()) {
    return std::nullopt;
  }
  const std::size_t more = names.size() - std::min(names.size(), kCpusNamed);
  names.resize(names.size() - more);
  const std::string words = fmt::format("{}", fmt::join(names, ", "));
  return more == 0 ? words : fmt::format("{} and {} more", words, more);
}

NotEncoded Encoder::unknown(const EventName& name) const {
  const std::vector<std::string> all = all_names();
  std::vector<std::string> near = nearest_names(name.event, all, kSuggestions);
  if (const std::size_t colon = name.event.find(':'); near.empty() && colon != std::string::npos) {
    // Nothing like it: what else that subsystem has.
    std::copy_if(all.begin(), all.end(), std::back_inserter(near), [&](const std::string& other) {
      return near.size() < kSuggestions && other.starts_with(name.event.substr(0, colon + 1));
    });
  }
  return {NotEncoded::unknown,
          near.empty() ? std::string("no such event")
                       : fmt::format("no such event; the nearest are {}", fmt::join(near, ", "))};
}

// Of this CPU's events, with and without their unit masks, and of the tracepoints.
std::vector<std::string> Encoder::all_names() const {
  std::vector<std::string> names;
  for_each_pmu([&](const pfm_pmu_info_t& pmu) {
    for (int i = pmu.is_present != 0 ? pmu.first_event : -1; i != -1; i = pfm_get_event_next(i)) {
      auto event = sized<pfm_event_info_t>();
      if (pfm_get_event_info(i, PFM_OS_NONE, &event) != PFM_SUCCESS) {
        continue;
      }
      names.push_back(lower(event.name));
      for (int at = 0; at < event.nattrs; ++at) {
        auto mask = sized<pfm_event_attr_info_t>();
        if (pfm_get_event_attr_info(i, at, PFM_OS_NONE, &mask) == PFM_SUCCESS &&
            mask.type == PFM_ATTR_UMASK) {
          names.push_back(lower(fmt::format("{}.{}", event.name, mask.name)));
        }
      }
    }
  });
  for (const std::string& root : sources_.tracefs) {
    for (const std::string& system : folders_in(root + "/events")) {
      for (const std::string& event : folders_in(fmt::format("{}/events/{}", root, system))) {
        names.push_back(fmt::format("{}:{}", system, event));
      }
    }
  }
  return names;
}

}  // namespace flushwalk
