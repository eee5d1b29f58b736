// AxisReader: the comma-separated lists of a command line, each read into the values of its axis.
#ifndef FLUSHWALK_BENCH_SUPPORT_AXIS_READER_H_
#define FLUSHWALK_BENCH_SUPPORT_AXIS_READER_H_

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/support/bad_input.h"

namespace flushwalk {

// "a,b" in its parts; of an empty text one empty part.
inline std::vector<std::string_view> split_at_commas(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0;;) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    parts.push_back(text.substr(begin, comma - begin));
    if (comma == text.size()) {
      return parts;
    }
    begin = comma + 1;
  }
}

// Reads one flag's list after the other; keeps the first problem of all.
class AxisReader {
 public:
  // Numbers in low..high.
  template <class Value>
  void numbers(const char* flag, const std::string& text, Value low, Value high,
               std::vector<Value>* values) {
    for (const std::string_view part : split_at_commas(text)) {
      Value value{};
      const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
      if (error != std::errc() || end != part.data() + part.size() || value < low || value > high) {
        fail(flag, fmt::format("{} is not in {}..{}", quoted(part), low, high));
        return;
      }
      add(flag, part, value, values);
    }
  }

  // Values of `allowed`, by what name_of(value) calls them.
  template <class Value, class Values>
  void names(const char* flag, const std::string& text, const Values& allowed,
             std::vector<Value>* values) {
    for (const std::string_view part : split_at_commas(text)) {
      const auto found = std::find_if(std::begin(allowed), std::end(allowed),
                                      [&](const Value& value) { return name_of(value) == part; });
      if (found == std::end(allowed)) {
        std::string all;
        for (const Value& value : allowed) {
          all += fmt::format("{}{}", all.empty() ? "" : ", ", name_of(value));
        }
        fail(flag, fmt::format("{} is not one of {}", quoted(part), all));
        return;
      }
      add(flag, part, *found, values);
    }
  }

  // What read(part) makes of each part; nullopt: it is not one of `allowed`.
  template <class Value, class Read>
  void values(const char* flag, const std::string& text, std::string_view allowed, Read&& read,
              std::vector<Value>* values) {
    for (const std::string_view part : split_at_commas(text)) {
      const std::optional<Value> value = read(part);
      if (!value) {
        fail(flag, fmt::format("{} is not {}", quoted(part), allowed));
        return;
      }
      add(flag, part, *value, values);
    }
  }

  void fail(const char* flag, std::string text) {
    if (!problem_) {
      problem_ = Problem{flag, std::move(text)};
    }
  }

  const std::optional<Problem>& problem() const { return problem_; }

 private:
  static std::string quoted(std::string_view part) {
    return part.empty() ? "an empty value" : std::string(part);
  }

  template <class Value>
  void add(const char* flag, std::string_view part, const Value& value,
           std::vector<Value>* values) {
    if (std::find(values->begin(), values->end(), value) != values->end()) {
      fail(flag, fmt::format("{} is named twice", part));
      return;
    }
    values->push_back(value);
  }

  std::optional<Problem> problem_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_AXIS_READER_H_
