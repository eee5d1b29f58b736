// Shootdown flags: --shootdown, --responders and --list-shootdowns of the benches that flush.
#ifndef FLUSHWALK_BENCH_SUPPORT_SHOOTDOWN_FLAGS_H_
#define FLUSHWALK_BENCH_SUPPORT_SHOOTDOWN_FLAGS_H_

#include <optional>
#include <string>

#include "bench/support/run_options.h"

namespace flushwalk {

class ShootdownFlags {
 public:
  // The texts, which hold the defaults, outlive the flags.
  ShootdownFlags(std::string* shootdowns, std::string* responders)
      : shootdowns_(shootdowns), responders_(responders) {}

  void add(CommandLine* line);

  // After --list-shootdowns: the list has been printed, and this is the exit code.
  std::optional<ExitCode> answer() const;

 private:
  std::string* shootdowns_;
  std::string* responders_;
  bool list_ = false;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_SHOOTDOWN_FLAGS_H_
