// ResponderCrew: the responders of shootdown_bench, whatever they do, behind one face.
//
// Three things differ: whether a shootdown of this process interrupts them, whether their clocks
// show it, and whether they count. Those asleep are interrupted by nothing that the suite could
// see: an idle CPU keeps no page tables of a user, and its next task flushes.
#ifndef FLUSHWALK_BENCH_SHOOTDOWN_RESPONDER_CREW_H_
#define FLUSHWALK_BENCH_SHOOTDOWN_RESPONDER_CREW_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "bench/shootdown/other_processes.h"
#include "bench/support/case_group.h"
#include "bench/support/gap_loop.h"
#include "bench/support/responders.h"
#include "bench/support/working_set.h"

namespace flushwalk {

// What a responder does, beside reading its clock.
enum class Activity {
  none,         // there are no responders
  spin,         // nothing
  read,         // reads a page of its working set each turn
  write,        // writes one
  system_call,  // makes one each turn
  sleep,        // no clock either
  another_process,
};
inline constexpr Activity kActivities[] = {Activity::spin,  Activity::read,
                                           Activity::write, Activity::system_call,
                                           Activity::sleep, Activity::another_process};
std::string_view name_of(Activity activity);
// True of those that have a working set.
constexpr bool has_pages(Activity activity) {
  return activity == Activity::read || activity == Activity::write;
}
// True where a shootdown of this process should interrupt them, and their clocks would tell.
constexpr bool is_interrupted(Activity activity) {
  return activity != Activity::none && activity != Activity::sleep &&
         activity != Activity::another_process;
}

class ResponderCrew {
 public:
  struct Plan {
    Activity activity;
    unsigned working_set;  // pages, where it has some
    std::size_t rivals;    // of their counters
    std::size_t gaps;      // kept of one run, by each
  };
  // On the context's responder CPUs, asleep. The calling thread is the only one of the process.
  // nullptr, with one line in *error.
  static std::unique_ptr<ResponderCrew> start(const Plan& plan, const MeasuringContext& context,
                                              std::string* error);

  // Returns when all do what they are to do; false, with one line in *error.
  bool run(std::string* error);
  bool pause(std::string* error);

  // Those that count; null where nobody does.
  Responders* counting() const { return is_interrupted(activity_) ? responders_.get() : nullptr; }
  // Of the last run: empty of those asleep.
  std::span<const Gap> gaps(std::size_t i) const;
  std::size_t lost_gaps(std::size_t i) const;
  // None of another process.
  ThreadCounts counts(std::size_t i) const;

 private:
  explicit ResponderCrew(Activity activity) : activity_(activity) {}

  Activity activity_;
  std::unique_ptr<WorkingSet> working_set_;
  std::unique_ptr<Responders> responders_;
  std::unique_ptr<OtherProcesses> others_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SHOOTDOWN_RESPONDER_CREW_H_
