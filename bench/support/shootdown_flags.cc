#include "bench/support/shootdown_flags.h"

#include <fmt/core.h>

#include "allocator/shootdown.h"

namespace flushwalk {

void ShootdownFlags::add(CommandLine* line) {
  line->add_text("--shootdown", shootdowns_, "see --list-shootdowns");
  line->add_text(
      "--responders", responders_,
      "threads of this process on other CPUs, which a shootdown interrupts; all: as many as "
      "there is room for");
  line->add_switch("--list-shootdowns", &list_, "say which this kernel has, and stop");
}

std::optional<ExitCode> ShootdownFlags::answer() const {
  if (!list_) {
    return std::nullopt;
  }
  for (const ShootdownKind kind : kShootdownKinds) {
    const std::string reason = why_unsupported(kind);
    fmt::print("{:<16}{:<6}{}\n", name_of(kind), name_of(gather_for(kind)),
               reason.empty() ? "available" : reason);
  }
  return ExitCode{0};
}

}  // namespace flushwalk
