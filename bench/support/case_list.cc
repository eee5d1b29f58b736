#include "bench/support/case_list.h"

#include <fmt/core.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

namespace flushwalk {
namespace {

constexpr const char* kFlag = "--cases";

}  // namespace

std::variant<CaseList, Problem> CaseList::read(const std::string& path) {
  errno = 0;
  std::ifstream file(path);
  CaseList list(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) {
      list.names_.emplace(std::move(line), false);
    }
  }
  if (file.bad() || !file.eof()) {
    return Problem{kFlag, fmt::format("{}: cannot be read: {}", path,
                                      errno != 0 ? std::strerror(errno) : "unknown error")};
  }
  if (list.names_.empty()) {
    return Problem{kFlag, fmt::format("{}: names no case", path)};
  }
  return list;
}

bool CaseList::selects(const std::string& name) {
  const auto found = names_.find(name);
  if (found == names_.end()) {
    return false;
  }
  found->second = true;
  return true;
}

std::optional<Problem> CaseList::unknown() const {
  for (const auto& [name, known] : names_) {
    if (!known) {
      return Problem{kFlag, fmt::format("{}: {} is not among the cases of these flags; --dry-run "
                                        "prints them",
                                        path_, name)};
    }
  }
  return std::nullopt;
}

}  // namespace flushwalk
