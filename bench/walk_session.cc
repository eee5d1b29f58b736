#include "bench/walk_session.h"

#include <fmt/core.h>
#include <regex.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "bench/machine_description.h"
#include "bench/measurements.h"
#include "bench/walk_rows.h"
#include "topology/cpu_list.h"
#include "topology/pinned_thread.h"

namespace flushwalk {
namespace {

constexpr int kFailedExit = 1;
constexpr int kInterruptedExit = 128 + SIGINT;

std::atomic<bool> stop_requested{false};

extern "C" void request_stop(int /*signal*/) {
  stop_requested.store(true, std::memory_order_relaxed);
}

// The first Ctrl-C ends the run after the current sample, a second one at once.
void install_stop_handler() {
  struct sigaction action {};
  action.sa_handler = request_stop;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

// --benchmark_filter as Google Benchmark means it: an extended regular expression, found anywhere
// in the name; with a `-` before it, what is left out. (Not std::regex: g++ 12 warns about it in
// sanitizer builds.)
class Filter {
 public:
  explicit Filter(const std::string& text) : negative_(text.starts_with('-')) {
    const std::string pattern =
        text.empty() || text == "all" ? "." : text.substr(negative_ ? 1 : 0);
    failed_ = regcomp(&regex_, pattern.c_str(), REG_EXTENDED | REG_NOSUB);
  }
  ~Filter() {
    if (failed_ == 0) {
      regfree(&regex_);
    }
  }
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;

  // Why the text is no regular expression; empty when it is one.
  std::string problem() const {
    char text[256] = "";
    if (failed_ != 0) {
      regerror(failed_, &regex_, text, sizeof(text));
    }
    return text;
  }
  bool selects(const std::string& name) const {
    return (regexec(&regex_, name.c_str(), 0, nullptr, 0) == 0) != negative_;
  }

 private:
  bool negative_;
  int failed_;
  regex_t regex_;
};

TopologyFacts topology_facts(const topology::Machine& machine) {
  TopologyFacts facts;
  facts.packages = static_cast<unsigned>(machine.packages());
  facts.numa_nodes = static_cast<unsigned>(machine.numa_nodes());
  facts.cores = static_cast<unsigned>(machine.cores());
  facts.pus = static_cast<unsigned>(machine.pus().size());
  facts.usable_cpus = topology::format_cpu_list(machine.usable_cpus());
  facts.this_system = machine.is_this_system();
  facts.hwloc_version = machine.hwloc_version();
  facts.summary = machine.summary();
  return facts;
}

}  // namespace

WalkSession::WalkSession(const WalkOptions& options, topology::Machine machine)
    : options_(options), machine_(std::move(machine)) {}

std::variant<std::unique_ptr<WalkSession>, Problem> WalkSession::start(const WalkOptions& options,
                                                                       const std::string& filter) {
  auto machine = topology::Machine::discover();
  if (!machine.ok()) {
    return Problem{"topology", machine.error()};
  }
  std::unique_ptr<WalkSession> session(new WalkSession(options, std::move(machine).value()));
  if (auto problem = session->choose_cases(filter)) {
    return *problem;
  }
  if (auto problem = session->choose_cpus()) {
    return *problem;
  }
  if (options.dry_run || options.lists_tests) {
    return session;
  }
  session->clock_ = make_clock();
  if (auto problem = session->open_files()) {
    return *problem;
  }
  const auto pinned = topology::pin_this_thread(session->machine_, session->most_.initiator);
  if (!pinned.ok()) {
    return Problem{"--cpus", pinned.error()};
  }
  install_stop_handler();
  return session;
}

std::optional<Problem> WalkSession::choose_cases(const std::string& filter_text) {
  auto made = make_groups(options_.axes);
  if (Problem* const problem = std::get_if<Problem>(&made)) {
    return *problem;
  }
  const Filter filter(filter_text);
  if (const std::string problem = filter.problem(); !problem.empty()) {
    return Problem{"--benchmark_filter", fmt::format("`{}`: {}", filter_text, problem)};
  }
  for (WalkGroup& group : std::get<std::vector<WalkGroup>>(made)) {
    std::erase_if(group.walks,
                  [&](Walk walk) { return !filter.selects(case_name(group.axes, walk)); });
    if (!group.walks.empty()) {
      states_.emplace_back(group.walks.size());
      groups_.push_back(std::move(group));
    }
  }
  if (groups_.empty()) {
    return Problem{"--benchmark_filter", fmt::format("{} matches no case", filter_text)};
  }
  std::set<ShootdownKind> kinds;
  for (const WalkGroup& group : groups_) {
    const ShootdownKind kind = group.axes.shootdown;
    std::string reason = kinds.insert(kind).second ? why_unsupported(kind) : "";
    if (reason.empty()) {
      reason = why_too_large(group.axes.load, kind);
    }
    if (!reason.empty()) {
      return Problem{"--shootdown", fmt::format("{}: {}", name_of(kind), reason)};
    }
  }
  return std::nullopt;
}

std::optional<Problem> WalkSession::choose_cpus() {
  unsigned most = 0;
  for (const WalkGroup& group : groups_) {
    most = std::max(most, group.axes.responders);
  }
  const int responders = static_cast<int>(most);
  auto chosen = options_.cpus.empty()
                    ? topology::choose_compact(machine_, responders)
                    : topology::choose_listed(machine_, options_.cpus, responders);
  if (!chosen.ok()) {
    return Problem{options_.cpus.empty() ? "--responders" : "--cpus", chosen.error()};
  }
  most_ = std::move(chosen).value();
  return std::nullopt;
}

topology::Placement WalkSession::placement(unsigned responders) const {
  topology::Placement placement = most_;
  placement.responders.resize(responders);
  return placement;
}

std::optional<Problem> WalkSession::open_files() {
  if (options_.out.empty()) {
    return std::nullopt;
  }
  if (mkdir(options_.out.c_str(), 0777) != 0 && errno != EEXIST) {
    return Problem{"--out", fmt::format("{}: {}", options_.out, std::strerror(errno))};
  }
  auto opened = CsvWriter::open(options_.out + "/measurements.csv", measurement_header());
  if (Problem* const problem = std::get_if<Problem>(&opened)) {
    return Problem{"--out", problem->line()};
  }
  measurements_ = std::move(std::get<CsvWriter>(opened));
  // A folder that several runs add to keeps the description of the first.
  const std::string path = options_.out + "/machine.json";
  struct stat existing {};
  if (stat(path.c_str(), &existing) == 0) {
    return std::nullopt;
  }
  MachineInputs inputs;
  inputs.command_line = options_.command_line;
  inputs.created = std::time(nullptr);
  inputs.topology = topology_facts(machine_);
  inputs.clock = clock_->description();
  const auto problem = write_file_atomically(path, machine_json_text(describe_machine(inputs)));
  return problem ? std::optional(Problem{"--out", problem->line()}) : std::nullopt;
}

void WalkSession::print_cases(std::ostream& out) const {
  for (std::size_t group = 0; group < groups_.size(); ++group) {
    for (std::size_t walk = 0; walk < groups_[group].walks.size(); ++walk) {
      out << name(group, walk) << '\n';
    }
  }
}

bool WalkSession::fail(std::string reason) {
  error_ = std::move(reason);
  failed_ = true;
  return false;
}

const WalkSession::CaseResult* WalkSession::next(std::size_t group, std::size_t walk) {
  CaseState& state = states_[group][walk];
  if (state.shown == state.measured.size() && !measure(group)) {
    return nullptr;
  }
  return &state.measured[state.shown++];
}

// One more repetition of all the group's cases.
bool WalkSession::measure(std::size_t group) {
  if (stop_requested.load(std::memory_order_relaxed)) {
    return fail("interrupted");
  }
  if (current_group_ != group) {
    current_.reset();
    current_placement_ = placement(groups_[group].axes.responders);
    std::string error;
    current_ = WalkMeasurement::prepare(
        groups_[group], {*clock_, machine_, current_placement_, options_.samples, stop_requested},
        &error);
    current_group_ = group;
    if (current_ == nullptr) {
      current_group_.reset();
      return fail(error);
    }
  }
  std::string error;
  std::vector<WalkResult> results = current_->measure(&error);
  if (results.empty()) {
    return fail(error);
  }
  if (!write_rows(group, &results)) {
    return false;
  }
  report_progress(group);
  return true;
}

bool WalkSession::write_rows(std::size_t group, std::vector<WalkResult>* results) {
  const RowContext context{groups_[group], current_placement_, *clock_, current_->listed_blocks(),
                           current_->dirty_blocks()};
  for (std::size_t walk = 0; walk < results->size(); ++walk) {
    WalkResult& result = (*results)[walk];
    CaseState& state = states_[group][walk];
    const auto repetition = static_cast<unsigned>(state.measured.size());
    const std::vector<MeasurementRow> rows = make_rows(context, walk, repetition, &result);
    for (const MeasurementRow& row : rows) {
      if (!measurements_) {
        break;
      }
      if (const auto problem = measurements_->write_row(measurement_cells(row))) {
        return fail(problem->line());
      }
    }
    CaseResult shown;
    for (const Ticks ticks : result.flush.values()) {
      shown.flush_ns.push_back(clock_->ticks_to_ns(ticks));
    }
    shown.visited_blocks = result.report.visited;
    shown.stale_slots = result.stale_slots;
    if (result.expected != 0) {
      shown.proven_share = static_cast<double>(rows.front().shootdowns_proven) /
                           static_cast<double>(result.expected);
    }
    shown.valid = rows.front().valid();
    state.measured.push_back(std::move(shown));
    ++done_;
  }
  return true;
}

void WalkSession::report_progress(std::size_t group) {
  if (!options_.progress) {
    return;
  }
  std::uint64_t cases = 0;
  for (const WalkGroup& each : groups_) {
    cases += each.walks.size();
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started_;
  nlohmann::ordered_json line;
  line["case"] = name(group, groups_[group].walks.size() - 1);
  line["done"] = done_;
  line["total"] = cases * options_.repetitions;
  line["seconds"] = seconds.count();
  std::cerr << line.dump() + "\n";
}

int WalkSession::exit_code() const {
  if (stop_requested.load(std::memory_order_relaxed)) {
    return kInterruptedExit;
  }
  return failed_ ? kFailedExit : 0;
}

}  // namespace flushwalk
