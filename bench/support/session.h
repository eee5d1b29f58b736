// Session: one run of a bench: its cases, its machine, its result files.
//
// Google Benchmark calls case after case, all repetitions of one before the next. The session
// measures a group's repetition when the first of its cases asks for it, all of them in turn,
// writes their rows, and keeps the times for the others. One group's Measurement is in memory at a
// time.
#ifndef FLUSHWALK_BENCH_SUPPORT_SESSION_H_
#define FLUSHWALK_BENCH_SUPPORT_SESSION_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "bench/counters/counters.h"
#include "bench/support/bad_input.h"
#include "bench/support/case_filter.h"
#include "bench/support/case_group.h"
#include "bench/support/case_list.h"
#include "bench/support/clock.h"
#include "bench/support/csv_writer.h"
#include "bench/support/run_options.h"
#include "bench/support/shootdown_mechanism.h"
#include "topology/machine.h"
#include "topology/placement.h"

namespace flushwalk {

class Session {
 public:
  // Checks everything that can be checked, pins the calling thread and opens the result files.
  // filter: Google Benchmark's; cases that it leaves out are not measured.
  static std::variant<std::unique_ptr<Session>, Problem> start(const RunOptions& options,
                                                               CaseGroups groups,
                                                               const std::string& filter);

  const RunOptions& options() const { return options_; }
  std::size_t groups() const { return groups_.size(); }
  std::size_t cases(std::size_t group) const { return groups_[group].names.size(); }
  const std::string& name(std::size_t group, std::size_t which) const {
    return groups_[group].names[which];
  }
  // An empty line between groups.
  void print_cases(std::ostream& out) const;

  // The case's next repetition; nullptr, with error(), when it could not be measured. Its rows have
  // been written.
  const CaseOutcome* next(std::size_t group, std::size_t which);
  const std::string& error() const { return error_; }

  // What is to be said on standard error of the counters; or nothing.
  std::string counters_remark() const { return counters_ ? counters_->remark() : ""; }

  // 0; 1 when a case could not be measured; 130 after Ctrl-C.
  int exit_code() const;

 private:
  struct CaseState {
    std::vector<CaseOutcome> measured;  // by repetition; without their rows
    std::size_t shown = 0;
  };
  struct Group {
    std::unique_ptr<CaseGroup> cases;
    std::vector<std::string> names;
    std::vector<CaseState> states;
  };

  Session(const RunOptions& options, topology::Machine machine);
  std::optional<Problem> choose_cases(CaseGroups groups, const std::string& filter);
  std::optional<Problem> take_chosen(CaseGroups groups, const CaseFilter& filter, CaseList* list);
  std::optional<Problem> choose_cpus();
  std::optional<Problem> choose_counters();
  std::optional<Problem> open_files();
  std::size_t most_responders() const;
  std::string missing_description() const;
  std::optional<Problem> find_mechanism();
  std::optional<Problem> describe_this_machine() const;
  bool prepare(std::size_t group);
  bool measure(std::size_t group);
  bool keep(Group* group, std::vector<CaseOutcome> outcomes);
  void report_progress(const Group& group) const;
  bool fail(std::string reason);

  RunOptions options_;
  topology::Machine machine_;
  std::optional<Clock> clock_;
  std::vector<Group> groups_;
  // By name, each for the largest number of responders.
  std::map<std::string, topology::Placement, std::less<>> placements_;
  MechanismFinding mechanism_;
  std::unique_ptr<Counters> counters_;  // null: none are wanted
  std::optional<CsvWriter> measurements_;
  std::optional<CsvWriter> counts_;

  std::optional<std::size_t> current_group_;
  topology::Placement current_placement_;
  std::unique_ptr<Measurement> current_;
  std::string error_;
  bool failed_ = false;
  std::uint64_t done_ = 0;  // case repetitions
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_SESSION_H_
