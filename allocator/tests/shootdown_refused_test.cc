// What is told of a backend that the kernel refuses, and what is done without a vectored call: seen
// in forked children whose system calls a filter refuses.
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <string>
#include <vector>

#include "allocator/tests/memory_probe.h"
#include "allocator/tests/sanitizers.h"
#include "allocator/vectored_advice.h"

namespace flushwalk {
namespace {

struct Refused {
  long call;
  std::uint32_t argument;  // its third one (membarrier: its first)
  bool any_argument;       // or whatever it is
  int error;
};

// In a forked child whose calls of that kind fail: what `work` says there. "no seccomp" where it
// cannot be had.
template <class Work>
std::string said_where_refused(const Refused& refused, Work&& work) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto errno_of = SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(refused.error);
    const std::uint32_t argument_at =
        offsetof(seccomp_data, args) + (refused.call == SYS_membarrier ? 0U : 16U);
    sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(refused.call), 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument_at),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refused.argument, 0,
                 static_cast<unsigned char>(refused.any_argument ? 0 : 1)),
        BPF_STMT(BPF_RET | BPF_K, errno_of),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{static_cast<unsigned short>(std::size(filter)), filter};
    std::string said = "no seccomp";
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0) {
      said = work();
    }
    const bool written = write(ends[1], said.data(), said.size()) >= 0;
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  std::string said(4096, '\0');
  said.resize(static_cast<std::size_t>(std::max<ssize_t>(read(ends[0], said.data(), 4096), 0)));
  close(ends[0]);
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
  return said;
}

class RefusedBackend : public ::testing::Test {
 protected:
  void SetUp() override {
    if (kThreadSanitizer || kAddressSanitizer) {
      GTEST_SKIP() << "the sanitizer needs the calls itself";
    }
  }
};

constexpr Refused any(long call, int error) { return {call, 0, true, error}; }

TEST_F(RefusedBackend, IsToldWithTheCallAndTheReason) {
  const struct {
    ShootdownKind kind;
    Refused refused;
    const char* reason;
  } cases[] = {
      {ShootdownKind::noop, any(SYS_mprotect, EPERM),
       "the kernel refuses mprotect: Operation not permitted"},
      {ShootdownKind::mprotect_range,
       {SYS_mprotect, PROT_READ | PROT_WRITE | PROT_EXEC, false, EACCES},
       "the kernel refuses mprotect(READ|WRITE|EXEC): Permission denied"},
      {ShootdownKind::cold_range,
       {SYS_madvise, kAdviceCold, false, EINVAL},
       "the kernel refuses madvise(COLD): Invalid argument"},
      {ShootdownKind::mprotect, any(SYS_mprotect, EPERM),
       "the kernel refuses mprotect(NONE): Operation not permitted"},
      {ShootdownKind::membarrier, any(SYS_membarrier, ENOSYS),
       "the kernel refuses membarrier(PRIVATE_EXPEDITED): Function not implemented"},
      {ShootdownKind::membarrier,
       {SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, false, EINVAL},
       "the kernel refuses membarrier(PRIVATE_EXPEDITED): Invalid argument"},
  };
  for (const auto& item : cases) {
    const std::string said =
        said_where_refused(item.refused, [&] { return why_unsupported(item.kind); });
    if (said == "no seccomp") {
      GTEST_SKIP() << said;
    }
    EXPECT_EQ(said, item.reason) << name_of(item.kind);
  }
  // What is refused to one backend is not held against another.
  EXPECT_EQ(said_where_refused({SYS_mprotect, PROT_READ | PROT_WRITE | PROT_EXEC, false, EACCES},
                               [] { return why_unsupported(ShootdownKind::mprotect) + "."; }),
            ".");
}

// A container's filter may know madvise and not process_madvise: then it is a call a range.
TEST_F(RefusedBackend, WithoutAVectoredCallEachRangeIsOne) {
  const auto three_ranges = [](ShootdownKind kind) {
    std::string error;
    const auto arena = Arena::create(8 * kPageSize, kPageSize, &error, memory_for(kind));
    *Arena::at(arena->base() + 4 * kPageSize) = 1;
    std::vector<Range> ranges;
    for (const std::uint64_t page : {0U, 2U, 4U}) {
      const Address start = arena->base() + page * kPageSize;
      ranges.push_back({start, start + kPageSize});
    }
    const auto shootdown = make_shootdown(kind, arena.get());
    const int failed = shootdown->flush(ranges);
    const bool done = kind == ShootdownKind::dontneed ? *Arena::at(ranges[2].start) == 0
                                                      : read_byte(ranges[2].start) == -EFAULT;
    return std::to_string(failed) + ", " + std::to_string(shootdown->calls()) + " calls" +
           (done ? ", done" : "");
  };
  for (const ShootdownKind kind : {ShootdownKind::guard, ShootdownKind::dontneed}) {
    if (!why_unsupported(kind).empty()) {
      continue;
    }
    const std::string said =
        said_where_refused(any(SYS_process_madvise, EPERM), [&] { return three_ranges(kind); });
    if (said == "no seccomp") {
      GTEST_SKIP() << said;
    }
    EXPECT_EQ(said, "0, 3 calls, done") << name_of(kind);
  }
}

}  // namespace
}  // namespace flushwalk
