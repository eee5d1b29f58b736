// A value, or the reason why there is none. Bad input and a system that refuses are answers in this
// room, not exceptions: an error is one line of plain text without a full stop, made to stand
// behind the name of the argument ("--cpus: CPU 5 does not exist; ...").
#ifndef FLUSHWALK_TOPOLOGY_RESULT_H_
#define FLUSHWALK_TOPOLOGY_RESULT_H_

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace flushwalk::topology {

struct Error {
  std::string message;
};

// Converts from a T or from an Error. value() of an error, and error() of a value, are programming
// mistakes (asserted).
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : content_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return std::holds_alternative<T>(content_); }

  const T& value() const& {
    assert(ok());
    return *std::get_if<T>(&content_);
  }
  T& value() & {
    assert(ok());
    return *std::get_if<T>(&content_);
  }
  T&& value() && {
    assert(ok());
    return std::move(*std::get_if<T>(&content_));
  }

  const std::string& error() const {
    assert(!ok());
    return std::get_if<Error>(&content_)->message;
  }

 private:
  std::variant<T, Error> content_;
};

// For what has nothing to give but success: `return Done{};`.
using Done = std::monostate;

}  // namespace flushwalk::topology

#endif  // FLUSHWALK_TOPOLOGY_RESULT_H_
