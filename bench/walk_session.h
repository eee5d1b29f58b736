// Walk session: one run of flush_walk_bench: its cases, its machine, its result files.
//
// Google Benchmark calls case after case, all repetitions of one before the next. The session
// measures a group's repetition when the first of its walks asks for it, all selected walks in
// turn, writes their rows, and keeps the times for the others. One load is in memory at a time.
#ifndef FLUSHWALK_BENCH_WALK_SESSION_H_
#define FLUSHWALK_BENCH_WALK_SESSION_H_

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "bench/bad_input.h"
#include "bench/clock.h"
#include "bench/csv_writer.h"
#include "bench/walk_axes.h"
#include "bench/walk_measurement.h"
#include "bench/walk_options.h"
#include "topology/machine.h"
#include "topology/placement.h"

namespace flushwalk {

class WalkSession {
 public:
  // One case in one repetition, for Google Benchmark to show.
  struct CaseResult {
    std::vector<double> flush_ns;  // ascending
    std::uint64_t visited_blocks = 0;
    std::uint64_t stale_slots = 0;
    double proven_share = 1;  // of the expected shootdowns
    bool valid = false;
  };

  // Checks everything that can be checked, pins the calling thread to the initiator's CPU and opens
  // the result files. filter: Google Benchmark's; cases that it leaves out are not measured.
  static std::variant<std::unique_ptr<WalkSession>, Problem> start(const WalkOptions& options,
                                                                   const std::string& filter);

  const WalkOptions& options() const { return options_; }
  const std::vector<WalkGroup>& groups() const { return groups_; }
  std::string name(std::size_t group, std::size_t walk) const {
    return case_name(groups_[group].axes, groups_[group].walks[walk]);
  }
  void print_cases(std::ostream& out) const;

  // The case's next repetition; nullptr, with error(), when it could not be measured.
  const CaseResult* next(std::size_t group, std::size_t walk);
  const std::string& error() const { return error_; }

  // 0; 1 when a case could not be measured; 130 after Ctrl-C.
  int exit_code() const;

 private:
  struct CaseState {
    std::vector<CaseResult> measured;  // by repetition
    std::size_t shown = 0;
  };

  WalkSession(const WalkOptions& options, topology::Machine machine);
  std::optional<Problem> choose_cases(const std::string& filter);
  std::optional<Problem> choose_cpus();
  std::optional<Problem> open_files();
  bool measure(std::size_t group);
  bool write_rows(std::size_t group, std::vector<WalkResult>* results);
  void report_progress(std::size_t group);
  bool fail(std::string reason);
  topology::Placement placement(unsigned responders) const;

  WalkOptions options_;
  topology::Machine machine_;
  std::optional<Clock> clock_;
  std::vector<WalkGroup> groups_;
  topology::Placement most_;  // for the largest number of responders
  std::optional<CsvWriter> measurements_;

  std::vector<std::vector<CaseState>> states_;  // by group and walk
  std::optional<std::size_t> current_group_;
  topology::Placement current_placement_;
  std::unique_ptr<WalkMeasurement> current_;
  std::string error_;
  bool failed_ = false;
  std::uint64_t done_ = 0;  // case repetitions
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_WALK_SESSION_H_
