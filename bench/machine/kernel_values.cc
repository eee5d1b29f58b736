#include "bench/machine/kernel_values.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string_view>

#include "bench/support/kernel_tables.h"

namespace flushwalk {

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

std::optional<std::int64_t> read_signed(const std::string& path) {
  const std::optional<std::string> line = read_line(path);
  if (!line) {
    return std::nullopt;
  }
  const bool negative = line->starts_with('-');
  const auto number = parse_unsigned(std::string_view(*line).substr(negative ? 1 : 0));
  if (!number || *number > 1U << 30) {
    return std::nullopt;
  }
  const auto value = static_cast<std::int64_t>(*number);
  return negative ? -value : value;
}

std::optional<bool> read_switch(const std::string& path) {
  const std::optional<std::string> line = read_line(path);
  if (line == "1" || line == "Y") {
    return true;
  }
  return line == "0" || line == "N" ? std::optional(false) : std::nullopt;
}

std::optional<std::uint64_t> read_kib(const std::string& path) {
  std::optional<std::string> line = read_line(path);
  if (!line || line->back() != 'K') {
    return std::nullopt;
  }
  line->pop_back();
  return parse_unsigned(*line);
}

std::optional<std::string> read_chosen_word(const std::string& path) {
  const std::optional<std::string> line = read_line(path);
  const std::size_t open = line ? line->find('[') : std::string::npos;
  const std::size_t close = line ? line->find(']') : std::string::npos;
  if (open == std::string::npos || close == std::string::npos || close < open) {
    return std::nullopt;
  }
  return line->substr(open + 1, close - open - 1);
}

std::optional<std::string> read_cpus(const std::string& path) {
  if (!read_kernel_file(path)) {
    return std::nullopt;
  }
  const std::string line = read_line(path).value_or("");
  return line.empty() || line.find("(null)") != std::string::npos ? "none" : line;
}

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

// /dev/kmsg gives a record a read, waits at its end unless told not to (EAGAIN), and tells by EPIPE
// of records that were overwritten meanwhile.
std::optional<std::string> read_kernel_log(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    return std::nullopt;
  }
  std::string text;
  std::array<char, 16384> record;
  for (;;) {
    const ssize_t got = ::read(fd, record.data(), record.size());
    if (got > 0) {
      text.append(record.data(), static_cast<std::size_t>(got));
    } else if (got == 0 || (errno != EPIPE && errno != EINTR)) {
      break;
    }
  }
  ::close(fd);
  return text.empty() ? std::nullopt : std::optional(text);
}

}  // namespace flushwalk
