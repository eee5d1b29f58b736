#include "topology/cpu_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <system_error>

namespace flushwalk::topology {
namespace {

constexpr std::string_view kAllowed =
    "allowed are CPU numbers and ranges, for instance 0,4,8 or 0-3";

// The text as it can stand in a one-line message, whatever was typed.
std::string quoted(std::string_view text) {
  constexpr std::size_t kLongest = 60;
  std::string shown(text.substr(0, kLongest));
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return fmt::format("\"{}{}\"", shown, text.size() > kLongest ? "..." : "");
}

// A number made of digits alone. Any that is too large for a CPU becomes kMaxCpuNumber + 1.
std::optional<int> parse_number(std::string_view text) {
  if (text.empty() ||
      !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  int number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc{} || number > kMaxCpuNumber) {
    return kMaxCpuNumber + 1;
  }
  return number;
}

Result<Done> append_entry(std::string_view entry, std::vector<int>& cpus) {
  if (entry.empty()) {
    return Error{fmt::format("an entry is empty; {}", kAllowed)};
  }
  const std::size_t dash = entry.find('-');
  const std::optional<int> first = parse_number(entry.substr(0, dash));
  const std::optional<int> last =
      dash == std::string_view::npos ? first : parse_number(entry.substr(dash + 1));
  if (!first || !last) {
    return Error{fmt::format("{} is not a CPU; {}", quoted(entry), kAllowed)};
  }
  if (*first > kMaxCpuNumber || *last > kMaxCpuNumber) {
    return Error{fmt::format("{} is not in 0..{}", quoted(entry), kMaxCpuNumber)};
  }
  if (*first > *last) {
    return Error{fmt::format("the range {} runs backwards", quoted(entry))};
  }
  for (int cpu = *first; cpu <= *last; ++cpu) {
    cpus.push_back(cpu);
  }
  return Done{};
}

}  // namespace

std::string format_cpu_list(std::span<const int> cpus) {
  std::vector<int> sorted(cpus.begin(), cpus.end());
  std::sort(sorted.begin(), sorted.end());
  std::string text;
  for (std::size_t begin = 0; begin < sorted.size();) {
    std::size_t end = begin + 1;
    while (end < sorted.size() && sorted[end] <= sorted[end - 1] + 1) {
      ++end;
    }
    const int first = sorted[begin];
    const int last = sorted[end - 1];
    text += text.empty() ? "" : ",";
    text += first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
    begin = end;
  }
  return text;
}

std::string describe_cpus(std::span<const int> cpus) {
  if (cpus.empty()) {
    return "no CPU";
  }
  return fmt::format("{} {}", cpus.size() == 1 ? "CPU" : "CPUs", format_cpu_list(cpus));
}

Result<std::vector<int>> parse_cpu_list(std::string_view text) {
  if (text.empty()) {
    return Error{fmt::format("the list is empty; {}", kAllowed)};
  }
  std::vector<int> cpus;
  for (std::string_view rest = text;;) {
    const std::size_t comma = rest.find(',');
    const Result<Done> appended = append_entry(rest.substr(0, comma), cpus);
    if (!appended.ok()) {
      return Error{appended.error()};
    }
    if (comma == std::string_view::npos) {
      break;
    }
    rest.remove_prefix(comma + 1);
  }
  std::vector<int> sorted = cpus;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) {
    return Error{fmt::format("CPU {} is listed twice", *twice)};
  }
  return cpus;
}

}  // namespace flushwalk::topology
