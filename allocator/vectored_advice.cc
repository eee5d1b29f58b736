#include "allocator/vectored_advice.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace flushwalk {
namespace {

// PIDFD_SELF: this process, without a descriptor. Linux 6.14 calls it -20000, later ones -10001.
constexpr int kSelves[] = {-10001, -20000};

long process_madvise_of(int process, const iovec* vectors, std::size_t count, int advice) {
  return syscall(SYS_process_madvise, process, vectors, count, advice, 0U);
}

// No vector at all is advised without a harm; what a kernel does not let this process advise on
// itself, or a name it does not know, is an error all the same.
bool can_advise(int process, int advice) {
  return process_madvise_of(process, nullptr, 0, advice) == 0;
}

}  // namespace

int advise(const Range& range, int advice) {
  return madvise(reinterpret_cast<void*>(range.start), range.end - range.start, advice) == 0
             ? 0
             : errno;
}

VectoredAdvice::VectoredAdvice(int advice) : advice_(advice) {
  for (const int self : kSelves) {
    if (can_advise(self, advice)) {
      process_ = self;
      return;
    }
  }
  opened_ = static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0U));
  if (opened_ >= 0 && can_advise(opened_, advice)) {
    process_ = opened_;
  }
}

VectoredAdvice::~VectoredAdvice() {
  if (opened_ >= 0) {
    close(opened_);
  }
}

int VectoredAdvice::one_by_one(std::span<const Range> ranges, std::uint64_t* calls) const {
  for (const Range& range : ranges) {
    ++*calls;
    if (const int error = advise(range, advice_); error != 0) {
      return error;
    }
  }
  return 0;
}

int VectoredAdvice::operator()(std::span<const Range> ranges, std::uint64_t* calls) {
  if (!vectored()) {
    return one_by_one(ranges, calls);
  }
  // The kernel may do less than it was asked for: up to the range that fails, or 2 GiB. The call
  // that begins with what is left tells why, or goes on.
  Address from = ranges.empty() ? 0 : ranges.front().start;
  while (!ranges.empty()) {
    const std::size_t count = std::min(ranges.size(), kMostRanges);
    for (std::size_t i = 0; i < count; ++i) {
      const Address start = i == 0 ? from : ranges[i].start;
      vectors_[i] = {reinterpret_cast<void*>(start), ranges[i].end - start};
    }
    ++*calls;
    const long advised = process_madvise_of(process_, vectors_.data(), count, advice_);
    if (advised <= 0) {
      return advised < 0 ? errno : EAGAIN;
    }
    auto left = static_cast<std::uint64_t>(advised);
    while (!ranges.empty() && left >= ranges.front().end - from) {
      left -= ranges.front().end - from;
      ranges = ranges.subspan(1);
      from = ranges.empty() ? 0 : ranges.front().start;
    }
    from += left;
  }
  return 0;
}

}  // namespace flushwalk
