// Shootdown axes: the cases of shootdown_bench, from what the command line asks for. Cases that
// differ in the arm alone form a group: their samples are taken in turn.
#ifndef FLUSHWALK_BENCH_SHOOTDOWN_SHOOTDOWN_AXES_H_
#define FLUSHWALK_BENCH_SHOOTDOWN_SHOOTDOWN_AXES_H_

#include <string>
#include <variant>
#include <vector>

#include "bench/shootdown/operations.h"
#include "bench/shootdown/responder_crew.h"
#include "bench/shootdown/target.h"
#include "bench/support/bad_input.h"

namespace flushwalk {

inline constexpr unsigned kMostRate = 1'000'000;

// Of both kinds of cases.
struct ShootdownGroup {
  Operation operation = Operation::mprotect;
  unsigned pages = 1;
  PageSize page_size = PageSize::small;
  Activity activity = Activity::none;
  unsigned working_set = 0;  // pages of each responder
  unsigned rate = 0;         // operations a second at most; 0: as they come
  unsigned responders = 0;
  unsigned initiators = 0;  // 0: one, which is timed operation by operation
  std::vector<Arm> arms;

  TargetShape target(Arm arm) const {
    return {operation_of(operation, arm), pages, page_size, arm != Arm::untouched};
  }
};

// The flags' texts: comma separated lists.
struct ShootdownTexts {
  std::string operation = "mprotect";
  std::string arms = "operation";  // or "all", or a list
  std::string pages = "1";
  std::string page_size = "4k";
  std::string responders = "0";
  std::string responder_does = "spin";
  std::string working_set = "16";
  std::string rate = "5000";
  std::string initiators;  // empty: each operation is timed
};

// Every combination that differs: without responders there is one of activity, without pages of
// theirs one of working set. A Problem names the flag, the value and what is allowed; what does
// not go together is one.
std::variant<std::vector<ShootdownGroup>, Problem> make_shootdown_groups(
    const ShootdownTexts& texts);

// "shootdown/operation:mprotect/arm:operation/pages:1/page_size:4k/responder_does:spin/...", or
// "shootdown_throughput/operation:.../arm:.../pages:1/page_size:4k/initiators:2".
std::string case_name(const ShootdownGroup& group, Arm arm);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SHOOTDOWN_SHOOTDOWN_AXES_H_
