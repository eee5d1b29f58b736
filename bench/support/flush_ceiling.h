// Flush ceiling: up to how many pages this kernel flushes page by page, above which it drops the
// whole TLB. x86 tells it to root alone (debugfs); everybody can see it: with page by page a flush
// of one more page costs more, and at the step it costs less. 33 pages cost more than 34.
#ifndef FLUSHWALK_BENCH_SUPPORT_FLUSH_CEILING_H_
#define FLUSHWALK_BENCH_SUPPORT_FLUSH_CEILING_H_

#include <optional>
#include <span>
#include <string>

#include "bench/support/clock.h"

namespace flushwalk {

struct FlushCeiling {
  std::optional<unsigned> pages;  // nullopt: no step was seen
  std::string how;                // the figures behind it, or why there are none
};

// The cost of a flush of a number of pages, and of as many in a second, independent half of the
// rounds.
struct FlushCost {
  unsigned pages = 0;
  double first_ns = 0;
  double second_ns = 0;
};

// The pages before the one step in costs of 1, 2, 3, ... pages. A step is a fall from one size to
// the next which both halves show, which is far larger than what neighbours differ in elsewhere,
// and which the sizes next to it on either side bear out. nullopt where there is none, or a second
// one.
std::optional<unsigned> find_ceiling(std::span<const FlushCost> costs);

// Times mprotect from read-write to none of 1 to 96 touched pages: minima of rounds through all
// sizes. The calling thread is pinned, and no other thread of the process runs. Takes 0.05 s, on a
// busy machine 0.2.
FlushCeiling measure_flush_ceiling(const Clock& clock);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_FLUSH_CEILING_H_
