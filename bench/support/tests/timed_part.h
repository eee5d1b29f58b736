// What tests of a timed part share: allocations are counted (timed_part.cc replaces operator new,
// and the linker wraps the C library's functions: flushwalk_counts_allocations()); of system calls
// the kernel kills the process at the first one that is not allowed (seccomp).
#ifndef FLUSHWALK_BENCH_SUPPORT_TESTS_TIMED_PART_H_
#define FLUSHWALK_BENCH_SUPPORT_TESTS_TIMED_PART_H_

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <utility>
#include <vector>

#include "allocator/shootdown.h"
#include "allocator/tests/sanitizers.h"

namespace flushwalk {

// Sanitizers allocate and make system calls of their own.
inline constexpr bool kSanitized = kAddressSanitizer || kThreadSanitizer;

// Of this thread so far.
std::size_t allocations();

// A backend that does what must not be done in a timed part.
class Misbehaving final : public Shootdown {
 public:
  explicit Misbehaving(void (*act)()) : act_(act) {}
  int flush(std::span<const Range> /*ranges*/) override {
    act_();
    return 0;
  }
  int map(const Range& /*range*/) override { return 0; }

 private:
  void (*act_)();
};

// What it does; each allocation is one.
void allocate_new();
void allocate_malloc();
void ask_for_the_process();

constexpr int kNoSeccomp = 77;

// From here on the process may leave, read the clock, and make the calls of the backend, and is
// killed by any other. False: there is no seccomp here.
bool allow_calls_of_only(ShootdownKind kind);
// The same, with one call of that number (SYS_mremap).
struct SystemCall {
  long number;
};
bool allow_calls_of_only(SystemCall call);

// In a forked child under such a filter: act(), whose result is the exit code. The wait status.
// allowed: a ShootdownKind or a SystemCall.
template <class Allowed, class Act>
int run_under_filter(Allowed allowed, Act&& act) {
  const pid_t child = fork();
  if (child == 0) {
    _exit(allow_calls_of_only(allowed) ? std::forward<Act>(act)() : kNoSeccomp);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_TESTS_TIMED_PART_H_
