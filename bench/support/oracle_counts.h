// OracleCounts: what the oracle saw after a repetition of a case (--oracle), and its columns.
#ifndef FLUSHWALK_BENCH_SUPPORT_ORACLE_COUNTS_H_
#define FLUSHWALK_BENCH_SUPPORT_ORACLE_COUNTS_H_

#include <fmt/core.h>

#include <cstdint>
#include <optional>

#include "bench/support/measurements.h"

namespace flushwalk {

struct OracleCounts {
  std::uint64_t probed = 0;  // pages
  std::uint64_t stale = 0;   // of these, but for those in the residual window
  std::uint64_t window = 0;
};

// seen: nullopt without --oracle. may_be_stale: the case is known to leave some; where it is not,
// one stale alias makes the row invalid.
inline void put_oracle(const std::optional<OracleCounts>& seen, bool may_be_stale,
                       MeasurementRow* row) {
  if (!seen) {
    return;
  }
  row->probed_pages = seen->probed;
  row->stale_aliases = seen->stale;
  row->window_aliases = seen->window;
  if (seen->stale != 0 && !may_be_stale) {
    row->add_invalid_reason(
        fmt::format("the oracle found {} stale aliases where none should be", seen->stale));
  }
}

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_ORACLE_COUNTS_H_
