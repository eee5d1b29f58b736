// WalkOracle: --oracle of flush_walk_bench: the load of a group once more on real memory, with a
// backend that revokes. After a flush by a walk each freed page is given to a new owner and looked
// at through its old address.
//
// One thread and one flush: what the walk finds is all that there is to show, and the oracle for
// threads (allocator/oracle.h) would show the same. Untimed.
#ifndef FLUSHWALK_BENCH_FLUSH_WALK_WALK_ORACLE_H_
#define FLUSHWALK_BENCH_FLUSH_WALK_WALK_ORACLE_H_

#include <memory>
#include <optional>
#include <string>

#include "bench/flush_walk/load.h"
#include "bench/flush_walk/timed_flush.h"
#include "bench/support/oracle_counts.h"

namespace flushwalk {

class WalkOracle {
 public:
  // nullptr, with one line in *error: no memory for the freed pages, or the kernel refuses.
  static std::unique_ptr<WalkOracle> build(const LoadShape& shape, std::string* error);

  // nullopt, with one line in *error, when a call of the system failed.
  std::optional<OracleCounts> look(const Way& way, std::string* error);

 private:
  explicit WalkOracle(std::unique_ptr<Load> load) : load_(std::move(load)) {}

  std::unique_ptr<Load> load_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_FLUSH_WALK_WALK_ORACLE_H_
