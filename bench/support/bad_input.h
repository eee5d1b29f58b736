// What cannot be done with what the user gave (an argument, a folder, a file), as a value.
//
// Functions of this room that can fail for such a reason return a Problem; the program prints its
// line and exits with kBadInputExit. Nothing here throws, and nothing already written is lost.
#ifndef FLUSHWALK_BENCH_SUPPORT_BAD_INPUT_H_
#define FLUSHWALK_BENCH_SUPPORT_BAD_INPUT_H_

#include <string>

namespace flushwalk {

inline constexpr int kBadInputExit = 2;

struct Problem {
  std::string subject;  // what it concerns: a flag, or a path
  std::string text;     // what is wrong with it, and what is allowed

  // "SUBJECT: TEXT", without a line end.
  std::string line() const { return subject + ": " + text; }

  friend bool operator==(const Problem&, const Problem&) = default;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_BAD_INPUT_H_
