// CaseFilter: --benchmark_filter as Google Benchmark means it: an extended regular expression,
// found anywhere in the name; with a `-` before it, what is left out.
#ifndef FLUSHWALK_BENCH_SUPPORT_CASE_FILTER_H_
#define FLUSHWALK_BENCH_SUPPORT_CASE_FILTER_H_

#include <regex.h>

#include <string>

namespace flushwalk {

class CaseFilter {
 public:
  // Not std::regex: g++ 12 warns about it in sanitizer builds.
  explicit CaseFilter(const std::string& text) : negative_(text.starts_with('-')) {
    const std::string pattern =
        text.empty() || text == "all" ? "." : text.substr(negative_ ? 1 : 0);
    failed_ = regcomp(&regex_, pattern.c_str(), REG_EXTENDED | REG_NOSUB);
  }
  ~CaseFilter() {
    if (failed_ == 0) {
      regfree(&regex_);
    }
  }
  CaseFilter(const CaseFilter&) = delete;
  CaseFilter& operator=(const CaseFilter&) = delete;

  // Why the text is no regular expression; empty when it is one.
  std::string problem() const {
    char text[256] = "";
    if (failed_ != 0) {
      regerror(failed_, &regex_, text, sizeof(text));
    }
    return text;
  }

  // problem() is empty.
  bool selects(const std::string& name) const {
    return (regexec(&regex_, name.c_str(), 0, nullptr, 0) == 0) != negative_;
  }

 private:
  bool negative_;
  int failed_;
  regex_t regex_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_CASE_FILTER_H_
