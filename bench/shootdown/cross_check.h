// Cross-check: the loop of will-it-scale's tlb_flush2, as it is described, in its unit: so that
// both can be held side by side. Each thread has a private mapping of 1 MiB, and goes over its
// pages: a page is written, discarded with madvise(DONTNEED), and read back. One page is a loop.
// After each pass the mapping is unmapped and another taken: a page that was read back has the
// zero page, and to write there again would change a present translation, which is a second
// shootdown in each loop (half the loops a second with two threads).
//
// A page that is read back must be zero: otherwise a stale translation was used.
#ifndef FLUSHWALK_BENCH_SHOOTDOWN_CROSS_CHECK_H_
#define FLUSHWALK_BENCH_SHOOTDOWN_CROSS_CHECK_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

#include "bench/support/bad_input.h"

namespace flushwalk {

// The loop, in the calling thread, until `stop`; *loops is what has been done of it. 0, or the
// errno of an mmap or madvise that failed; EFAULT: a page was not zero when it was read
// back.
int discard_loop(const std::atomic<bool>& stop, std::atomic<std::uint64_t>* loops);

struct CrossCheckTexts {
  std::string seconds = "5";  // that are counted, of each number of threads; 1..3600
  std::string placement;      // a name of topology/placement.h
};

// Measures 1, 2, ... threads, up to those that the placement has room for, and prints a line for
// each: "threads  loops/s  by thread". A Problem is bad input; what fails later is in *error, as
// one line, and the lines before it have been printed.
std::optional<Problem> cross_check(const CrossCheckTexts& texts, std::ostream& out,
                                   std::string* error);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SHOOTDOWN_CROSS_CHECK_H_
