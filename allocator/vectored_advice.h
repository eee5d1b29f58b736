// Vectored advice: one kind of madvise over many ranges of this process, in as few system calls as
// the kernel lets it: process_madvise on oneself for up to 1,024 ranges a call (Linux 6.13 on,
// which lifted the limits on what may be advised so), else one madvise a range. Which of the two is
// found out by trying, at construction. Source: process_madvise(2), madvise(2).
//
// One system call is not one shootdown. Of 128 pages the kernel's tracepoint tlb:tlb_flush counted
// one flush for a call of MADV_DONTNEED (private anonymous memory, Linux 6.18), and 128 for one of
// MADV_GUARD_INSTALL.
#ifndef FLUSHWALK_ALLOCATOR_VECTORED_ADVICE_H_
#define FLUSHWALK_ALLOCATOR_VECTORED_ADVICE_H_

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "allocator/geometry.h"

namespace flushwalk {

// Old headers lack them.
inline constexpr int kAdviceDontneed = 4;
inline constexpr int kAdviceCold = 20;           // Linux 5.4
inline constexpr int kAdviceGuardInstall = 102;  // Linux 6.13; shared memory: 6.15
inline constexpr int kAdviceGuardRemove = 103;

// 0 or errno.
int advise(const Range& range, int advice);

class VectoredAdvice {
 public:
  // UIO_MAXIOV: more ranges in a call are refused.
  static constexpr std::size_t kMostRanges = 1024;

  explicit VectoredAdvice(int advice);
  ~VectoredAdvice();
  VectoredAdvice(const VectoredAdvice&) = delete;
  VectoredAdvice& operator=(const VectoredAdvice&) = delete;

  // Advises the ranges in their order; 0, or the errno of the first that failed, behind which none
  // is advised. Adds the system calls made to *calls. Allocates nothing. Not by two threads at
  // once.
  int operator()(std::span<const Range> ranges, std::uint64_t* calls);

  bool vectored() const { return process_ != kNone; }

 private:
  static constexpr int kNone = -1;

  int one_by_one(std::span<const Range> ranges, std::uint64_t* calls) const;

  int advice_;
  int process_ = kNone;  // what names this process in the call
  int opened_ = kNone;   // a pidfd to close
  std::array<iovec, kMostRanges> vectors_{};
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_VECTORED_ADVICE_H_
