// Range axes: the cases of flush_range_bench, from what the command line asks for. Cases that
// differ in gather and code alone form a group: they flush the same ranges, and their samples are
// taken in turn.
#ifndef FLUSHWALK_BENCH_FLUSH_RANGE_RANGE_AXES_H_
#define FLUSHWALK_BENCH_FLUSH_RANGE_RANGE_AXES_H_

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "allocator/flush_plan.h"
#include "allocator/shootdown.h"
#include "bench/flush_range/dirty_ranges.h"
#include "bench/support/bad_input.h"

namespace flushwalk {

// Who makes the system calls.
enum class Code {
  suite,    // the backend, as every bench uses it
  by_hand,  // a plain loop (by_hand.h)
};
inline constexpr Code kCodes[] = {Code::suite, Code::by_hand};
std::string_view name_of(Code code);

struct RangeRival {
  Gather gather;
  Code code;

  friend bool operator==(const RangeRival&, const RangeRival&) = default;
};

struct RangeGroup {
  RangeShape shape;
  ShootdownKind shootdown = ShootdownKind::mprotect_range;
  unsigned working_set = 0;  // pages
  unsigned responders = 0;
  std::vector<RangeRival> rivals;

  // Gathers of both kinds: of one range, and of an array.
  bool mixed() const;
};

// The flags' texts: comma separated lists.
struct RangeTexts {
  std::string ranges = "1,8,64";
  std::string pages = "8";
  std::string gap = "block";
  std::string gather = "auto";  // or a list
  std::string shootdown = "mprotect_range";
  std::string working_set = "0";
  std::string code = "suite";
  std::string responders = "0";
};

// Every combination, shapes outermost. A Problem names the flag, the value and what is allowed;
// what does not go together is one.
std::variant<std::vector<RangeGroup>, Problem> make_range_groups(const RangeTexts& texts);

// "flush_range/gather:hull/shootdown:mprotect_range/ranges:8/pages:8/gap:block/working_set:0/...".
std::string case_name(const RangeGroup& group, const RangeRival& rival);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_FLUSH_RANGE_RANGE_AXES_H_
