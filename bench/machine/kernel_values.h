// Kernel values: single values out of the files of /proc and /sys. What cannot be read, or is not
// of the form asked for, is std::nullopt: unknown, never a guess.
#ifndef FLUSHWALK_BENCH_MACHINE_KERNEL_VALUES_H_
#define FLUSHWALK_BENCH_MACHINE_KERNEL_VALUES_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace flushwalk {

// The first line, without spaces at its end. An empty file tells nothing.
std::optional<std::string> read_line(const std::string& path);

std::optional<std::uint64_t> read_number(const std::string& path);

// perf_event_paranoid may be -1.
std::optional<std::int64_t> read_signed(const std::string& path);

// A file of "0" or "1" (or "Y" or "N").
std::optional<bool> read_switch(const std::string& path);

// "1024K" is 1024.
std::optional<std::uint64_t> read_kib(const std::string& path);

// "always [madvise] never" is "madvise".
std::optional<std::string> read_chosen_word(const std::string& path);

// CPUs as ranges, "none" for an empty list; the kernel prints some empty ones as "(null)".
std::optional<std::string> read_cpus(const std::string& path);

// The names in a folder, sorted, without those that begin with a dot.
std::optional<std::vector<std::string>> names_in(const std::string& path);

// The kernel's log as far back as it is kept. Needs root where kernel.dmesg_restrict is 1.
std::optional<std::string> read_kernel_log(const std::string& path);

template <typename T>
nlohmann::ordered_json or_null(const std::optional<T>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_MACHINE_KERNEL_VALUES_H_
