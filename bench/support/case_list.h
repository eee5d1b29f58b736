// CaseList: the cases that --cases=FILE names, one a line, as --dry-run prints them: a choice of
// any length, which a regular expression on the command line is not (Linux takes 128 KiB an
// argument).
#ifndef FLUSHWALK_BENCH_SUPPORT_CASE_LIST_H_
#define FLUSHWALK_BENCH_SUPPORT_CASE_LIST_H_

#include <map>
#include <optional>
#include <string>
#include <variant>

#include "bench/support/bad_input.h"

namespace flushwalk {

class CaseList {
 public:
  // Empty lines count for nothing. A Problem when the file cannot be read or names no case.
  static std::variant<CaseList, Problem> read(const std::string& path);

  // Whether the list has the name; and notes that there is such a case.
  bool selects(const std::string& name);

  // A name for which no case was asked: a Problem, once every case has been.
  std::optional<Problem> unknown() const;

 private:
  explicit CaseList(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::map<std::string, bool> names_;  // and whether there is such a case
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_CASE_LIST_H_
