#include "bench/support/kernel_tables.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

namespace flushwalk {
namespace {

constexpr std::string_view kSpaces = " \t\r";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kSpaces);
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

// Takes the first line off `text`.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

// Takes the first word off `text`; empty at its end.
std::string_view take_word(std::string_view& text) {
  text = trimmed(text);
  const std::string_view word = text.substr(0, text.find_first_of(kSpaces));
  text.remove_prefix(word.size());
  return word;
}

// "CPU0 CPU2 CPU3" -> 0 2 3; empty for any other line.
std::vector<unsigned> parse_cpu_header(std::string_view line) {
  std::vector<unsigned> cpus;
  for (std::string_view word = take_word(line); !word.empty(); word = take_word(line)) {
    const auto number =
        word.starts_with("CPU") ? parse_unsigned(word.substr(3)) : std::optional<std::uint64_t>{};
    if (!number) {
      return {};
    }
    cpus.push_back(static_cast<unsigned>(*number));
  }
  return cpus;
}

// The counts that follow a row's name; its description, and CPUs which the row leaves out, are not
// counts.
InterruptRow parse_row(std::string_view counts, const std::vector<unsigned>& cpus) {
  InterruptRow row;
  for (const unsigned cpu : cpus) {
    const std::optional<std::uint64_t> count = parse_unsigned(take_word(counts));
    if (!count) {
      break;
    }
    row.set(cpu, *count);
  }
  return row;
}

// Into memory of the caller's, so that it neither allocates nor faults; empty when it cannot be
// read.
template <std::size_t kSize>
std::string_view read_into(std::array<char, kSize>& buffer, const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return {};
  }
  const ssize_t got = ::read(fd, buffer.data(), buffer.size());
  ::close(fd);
  return {buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
}

std::optional<std::uint64_t> read_migrations(const std::string& path) {
  std::array<char, 4096> buffer;  // nr_migrations is among the first ten of some forty lines
  return parse_migrations(read_into(buffer, path));
}

void fill_usage(ThreadCounts& counts) {
  rusage usage{};
  if (::getrusage(RUSAGE_THREAD, &usage) != 0) {
    return;
  }
  counts.voluntary_switches = static_cast<std::uint64_t>(usage.ru_nvcsw);
  counts.involuntary_switches = static_cast<std::uint64_t>(usage.ru_nivcsw);
  counts.minor_faults = static_cast<std::uint64_t>(usage.ru_minflt);
  counts.major_faults = static_cast<std::uint64_t>(usage.ru_majflt);
}

constexpr const char* kSchedPath = "/proc/thread-self/sched";

}  // namespace

std::optional<std::string> read_kernel_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return std::nullopt;
  }
  std::string text;
  std::array<char, 16384> buffer;
  ssize_t got = 0;
  do {
    got = ::read(fd, buffer.data(), buffer.size());
    if (got > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(got));
    }
  } while (got > 0 || (got < 0 && errno == EINTR));
  ::close(fd);
  if (got < 0) {
    return std::nullopt;
  }
  return text;
}

std::optional<std::string> keyed_value(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos && trimmed(line.substr(0, colon)) == key) {
      return std::string(trimmed(line.substr(colon + 1)));
    }
  }
  return std::nullopt;
}

std::optional<std::uint64_t> parse_unsigned(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::optional<std::uint64_t> InterruptRow::on_cpu(unsigned cpu) const {
  for (const auto& [number, count] : counts_) {
    if (number == cpu) {
      return count;
    }
  }
  return std::nullopt;
}

std::optional<InterruptRow> parse_interrupt_row(std::string_view text, std::string_view name) {
  const std::vector<unsigned> cpus = parse_cpu_header(take_line(text));
  while (!cpus.empty() && !text.empty()) {
    const std::string_view line = take_line(text);
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos && trimmed(line.substr(0, colon)) == name) {
      return parse_row(line.substr(colon + 1), cpus);
    }
  }
  return std::nullopt;
}

std::vector<std::string> interrupt_row_names(std::string_view text) {
  std::vector<std::string> names;
  take_line(text);
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
      names.emplace_back(trimmed(line.substr(0, colon)));
    }
  }
  return names;
}

InterruptCounts parse_interrupts(std::string_view text) {
  return {parse_interrupt_row(text, "TLB"), parse_interrupt_row(text, "CAL")};
}

std::optional<std::uint64_t> parse_vmstat_row(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    std::string_view line = take_line(text);
    if (take_word(line) == name) {
      return parse_unsigned(take_word(line));
    }
  }
  return std::nullopt;
}

std::vector<std::string> vmstat_row_names(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    names.emplace_back(take_word(line));
  }
  return names;
}

InterruptCounts read_interrupts(const std::string& root) {
  return parse_interrupts(read_kernel_file(root + "/proc/interrupts").value_or(""));
}

std::optional<std::uint64_t> interrupts_between(const std::optional<InterruptRow>& before,
                                                const std::optional<InterruptRow>& after,
                                                unsigned cpu) {
  const auto first = before ? before->on_cpu(cpu) : std::nullopt;
  const auto second = after ? after->on_cpu(cpu) : std::nullopt;
  if (!first || !second) {
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(*second - *first);
}

ThreadCounts operator-(const ThreadCounts& later, const ThreadCounts& earlier) {
  ThreadCounts result{
      .voluntary_switches = later.voluntary_switches - earlier.voluntary_switches,
      .involuntary_switches = later.involuntary_switches - earlier.involuntary_switches,
      .minor_faults = later.minor_faults - earlier.minor_faults,
      .major_faults = later.major_faults - earlier.major_faults,
      .migrations = std::nullopt,
  };
  if (later.migrations && earlier.migrations) {
    result.migrations = *later.migrations - *earlier.migrations;
  }
  return result;
}

std::optional<std::uint64_t> parse_migrations(std::string_view sched_text) {
  const std::optional<std::string> value = keyed_value(sched_text, "se.nr_migrations");
  return value ? parse_unsigned(*value) : std::nullopt;
}

ThreadCounts thread_counts_before(const std::string& root) {
  ThreadCounts counts;
  counts.migrations = read_migrations(root + kSchedPath);
  fill_usage(counts);
  return counts;
}

ThreadCounts thread_counts_after(const std::string& root) {
  ThreadCounts counts;
  fill_usage(counts);
  counts.migrations = read_migrations(root + kSchedPath);
  return counts;
}

}  // namespace flushwalk
