// Thread counters: the counters of one thread of a case, which that thread opens, switches and
// reads.
//
// Rivals are sampled in turn, and share the counters: what was counted since the last reading is
// added to one of them. Around a timed part the thread calls begin() and end(), which make the only
// system calls; between them there are none. Nothing is allocated after the start.
#ifndef FLUSHWALK_BENCH_COUNTERS_THREAD_COUNTERS_H_
#define FLUSHWALK_BENCH_COUNTERS_THREAD_COUNTERS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/counters/counter_group.h"
#include "bench/counters/counter_plan.h"

namespace flushwalk {

// What one counter has to tell of one thread and one rival.
struct CounterResult {
  CounterStatus status = CounterStatus::counted;
  std::uint64_t raw = 0;
  std::optional<std::uint64_t> time_enabled;  // ns; none of a table
  std::optional<std::uint64_t> time_running;  // ns that it was on the PMU
  std::string reason{};                       // why it was not counted

  bool counted() const {
    return status == CounterStatus::counted || status == CounterStatus::multiplexed;
  }
  // raw, as if it had run all the time that it was enabled; nullopt where it was not counted.
  std::optional<double> scaled() const;
};

class ThreadCounters {
 public:
  // For the calling thread. plan and calls outlive it.
  ThreadCounters(const CounterPlan& plan, PerfCalls& calls, std::size_t rivals);

  // Around a timed part. turn: which of the plan's turns is on, modulo their number.
  void begin(unsigned turn);
  void end();
  // What was counted since the last call is the rival's.
  void add_to(std::size_t rival);
  // It is nobody's.
  void drop();

  // For each of the plan's counters; of tables nothing. Forgets them.
  std::vector<CounterResult> take(std::size_t rival);

 private:
  struct Tally {
    std::uint64_t raw = 0;
    std::uint64_t running = 0;
  };
  struct Group {
    CounterGroup counters;
    std::vector<std::size_t> members;  // of the plan, those that were opened
    std::vector<std::uint64_t> last_counts;
    std::uint64_t last_enabled = 0;
    std::uint64_t last_running = 0;
    bool used = false;  // since the last add_to()
    int error = 0;      // of a call on it: its counts are not to be believed
  };
  struct Rival {
    std::vector<Tally> counters;                // by the plan's index
    std::vector<std::uint64_t> always_enabled;  // by group, ns
    std::vector<std::uint64_t> turn_enabled;    // likewise
  };

  void open(const std::vector<std::vector<std::size_t>>& planned, std::vector<Group>* groups);
  static void note(int error, Group* group) { group->error = error != 0 ? error : group->error; }
  void add_groups(Rival* rival);
  void add_group(Group* group, std::uint64_t* enabled, Rival* rival);
  CounterResult result_of(std::size_t counter, const Group& group, std::uint64_t enabled,
                          const Tally& tally) const;

  const CounterPlan* plan_;
  PerfCalls* calls_;
  std::vector<Group> always_;
  std::vector<Group> turns_;
  std::size_t turn_ = 0;
  std::vector<Rival> rivals_;
  Rival nobody_;
  std::vector<int> open_errors_;  // by the plan's index
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_COUNTERS_THREAD_COUNTERS_H_
