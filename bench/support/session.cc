#include "bench/support/session.h"

#include <fmt/core.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <utility>

#include "bench/counters/counters_description.h"
#include "bench/support/machine_description.h"
#include "bench/support/measurements.h"
#include "bench/support/this_machine.h"
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

}  // namespace

Session::Session(const RunOptions& options, topology::Machine machine)
    : options_(options), machine_(std::move(machine)) {}

std::variant<std::unique_ptr<Session>, Problem> Session::start(const RunOptions& options,
                                                               CaseGroups groups,
                                                               const std::string& filter) {
  auto machine = topology::Machine::discover();
  if (!machine.ok()) {
    return Problem{"topology", machine.error()};
  }
  std::unique_ptr<Session> session(new Session(options, std::move(machine).value()));
  if (auto problem = session->choose_cases(std::move(groups), filter)) {
    return *problem;
  }
  if (auto problem = session->choose_cpus()) {
    return *problem;
  }
  if (auto problem = session->choose_counters()) {
    return *problem;
  }
  if (options.dry_run || options.lists_tests) {
    return session;
  }
  session->clock_ = make_clock();
  if (auto problem = session->open_files()) {
    return *problem;
  }
  if (auto problem = session->find_mechanism()) {
    return *problem;
  }
  if (auto problem = session->describe_this_machine()) {
    return *problem;
  }
  install_stop_handler();
  return session;
}

std::optional<Problem> Session::choose_cases(CaseGroups groups, const std::string& filter_text) {
  const CaseFilter filter(filter_text);
  if (const std::string problem = filter.problem(); !problem.empty()) {
    return Problem{"--benchmark_filter", fmt::format("`{}`: {}", filter_text, problem)};
  }
  std::optional<CaseList> list;
  if (!options_.cases.empty()) {
    auto read = CaseList::read(options_.cases);
    if (const Problem* const problem = std::get_if<Problem>(&read)) {
      return *problem;
    }
    list = std::move(std::get<CaseList>(read));
  }
  if (auto problem = take_chosen(std::move(groups), filter, list ? &*list : nullptr)) {
    return problem;
  }
  if (auto problem = list ? list->unknown() : std::nullopt) {
    return problem;
  }
  if (groups_.empty()) {
    return Problem{"--benchmark_filter", fmt::format("{} matches no case", filter_text)};
  }
  return std::nullopt;
}

// list: nullptr for all. It is asked for each name: it tells which it has in vain.
std::optional<Problem> Session::take_chosen(CaseGroups groups, const CaseFilter& filter,
                                            CaseList* list) {
  for (std::unique_ptr<CaseGroup>& group : groups) {
    std::vector<std::string> names = group->case_names();
    for (std::size_t i = names.size(); i-- > 0;) {
      if ((list != nullptr && !list->selects(names[i])) || !filter.selects(names[i])) {
        group->drop_case(i);
        names.erase(names.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    if (names.empty()) {
      continue;
    }
    if (auto problem = group->why_impossible()) {
      return problem;
    }
    std::vector<CaseState> states(names.size());
    groups_.push_back({std::move(group), std::move(names), std::move(states)});
  }
  return std::nullopt;
}

std::optional<Problem> Session::choose_cpus() {
  std::map<std::string_view, unsigned> most;
  for (const Group& group : groups_) {
    unsigned& responders = most[group.cases->placement()];
    responders = std::max(responders, group.cases->responders());
  }
  for (const auto& [name, responders] : most) {
    auto chosen = topology::choose_placement(machine_, name, static_cast<int>(responders));
    if (!chosen.ok()) {
      const char* flag = groups_.front().cases->responders_flag();
      flag = options_.placement.empty() ? flag : "--placement";
      flag = options_.cpus.empty() ? flag : "--cpus";
      return Problem{flag, chosen.error()};
    }
    placements_.emplace(name, std::move(chosen).value());
  }
  return std::nullopt;
}

std::size_t Session::most_responders() const {
  std::size_t most = 0;
  for (const auto& [name, placement] : placements_) {
    most = std::max(most, placement.responders.size());
  }
  return most;
}

// Tried on this thread; the others open the same.
std::optional<Problem> Session::choose_counters() {
  auto made = Counters::make({options_.counters, options_.counter_rotation, most_responders() + 1});
  if (const Problem* const problem = std::get_if<Problem>(&made)) {
    return *problem;
  }
  counters_ = std::move(std::get<std::unique_ptr<Counters>>(made));
  return std::nullopt;
}

std::optional<Problem> Session::open_files() {
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
  if (counters_ == nullptr) {
    return std::nullopt;
  }
  auto counts = CsvWriter::open(options_.out + "/counters.csv", counter_header());
  if (Problem* const problem = std::get_if<Problem>(&counts)) {
    return Problem{"--out", problem->line()};
  }
  counts_ = std::move(std::get<CsvWriter>(counts));
  return std::nullopt;
}

// A folder that several runs add to keeps the description of the first.
std::string Session::missing_description() const {
  const std::string path = options_.out + "/machine.json";
  struct stat existing {};
  return options_.out.empty() || stat(path.c_str(), &existing) == 0 ? std::string() : path;
}

// Asked where shootdowns are to be proven, and for the machine's description; from one initiator to
// one responder: the mechanism is the machine's.
std::optional<Problem> Session::find_mechanism() {
  topology::Placement pair = placements_.begin()->second;
  for (const auto& [name, placement] : placements_) {
    if (placement.responders.size() > pair.responders.size()) {
      pair = placement;
    }
  }
  if (pair.responders.empty() && !missing_description().empty()) {
    auto chosen = topology::choose_placement(machine_, topology::kCompact, 1);
    pair = chosen.ok() ? std::move(chosen).value() : pair;
  }
  const auto pinned = topology::pin_this_thread(machine_, pair.initiator);
  if (!pinned.ok()) {
    return Problem{"topology", pinned.error()};
  }
  if (pair.responders.empty()) {
    mechanism_.how = "there was no second CPU to flush";
  } else {
    mechanism_ = find_shootdown_mechanism(machine_, pair.responders.front(), *clock_);
  }
  return std::nullopt;
}

std::optional<Problem> Session::describe_this_machine() const {
  const std::string path = missing_description();
  if (path.empty()) {
    return std::nullopt;
  }
  const auto topology_xml = machine_.xml();
  if (!topology_xml.ok()) {
    return Problem{"topology", topology_xml.error()};
  }
  if (const auto problem =
          write_file_atomically(options_.out + "/topology.xml", topology_xml.value())) {
    return Problem{"--out", problem->line()};
  }
  MachineInputs inputs = inputs_of(machine_, *clock_);
  inputs.command_line = options_.command_line;
  inputs.shootdowns = mechanism_;
  if (counters_ != nullptr) {
    inputs.counters = describe_counters(*counters_);
  }
  const auto problem = write_file_atomically(path, machine_json_text(describe_machine(inputs)));
  return problem ? std::optional(Problem{"--out", problem->line()}) : std::nullopt;
}

void Session::print_cases(std::ostream& out) const {
  for (const Group& group : groups_) {
    if (&group != &groups_.front()) {
      out << '\n';
    }
    for (const std::string& name : group.names) {
      out << name << '\n';
    }
  }
}

bool Session::fail(std::string reason) {
  error_ = std::move(reason);
  failed_ = true;
  return false;
}

const CaseOutcome* Session::next(std::size_t group, std::size_t which) {
  CaseState& state = groups_[group].states[which];
  if (state.shown == state.measured.size() && !measure(group)) {
    return nullptr;
  }
  return &state.measured[state.shown++];
}

bool Session::prepare(std::size_t group) {
  if (current_group_ == group) {
    return true;
  }
  current_.reset();
  current_group_.reset();
  current_placement_ = placements_.find(groups_[group].cases->placement())->second;
  current_placement_.responders.resize(groups_[group].cases->responders());
  std::string error;
  current_ = groups_[group].cases->prepare(
      {*clock_, machine_, current_placement_, options_.samples, stop_requested,
       mechanism_.mechanism, counters_.get(), options_.oracle, options_.seed},
      &error);
  if (current_ == nullptr) {
    return fail(error);
  }
  current_group_ = group;
  return true;
}

// One more repetition of all the group's cases.
bool Session::measure(std::size_t which) {
  if (stop_requested.load(std::memory_order_relaxed)) {
    return fail("interrupted");
  }
  if (!prepare(which)) {
    return false;
  }
  Group& group = groups_[which];
  std::string error;
  std::vector<CaseOutcome> outcomes =
      current_->measure(static_cast<unsigned>(group.states.front().measured.size()), &error);
  if (outcomes.empty()) {
    return fail(error);
  }
  if (!keep(&group, std::move(outcomes))) {
    return false;
  }
  report_progress(group);
  return true;
}

// Writes the rows, and keeps the rest until Google Benchmark asks for it.
bool Session::keep(Group* group, std::vector<CaseOutcome> outcomes) {
  for (std::size_t which = 0; which < outcomes.size(); ++which) {
    CaseOutcome& outcome = outcomes[which];
    for (MeasurementRow& row : outcome.rows) {
      if (!measurements_) {
        break;
      }
      row.order_seed = options_.seed;
      if (const auto problem = measurements_->write_row(measurement_cells(row))) {
        return fail(problem->line());
      }
    }
    for (const CounterRow& row : outcome.counter_rows) {
      if (!counts_) {
        break;
      }
      if (const auto problem = counts_->write_row(counter_cells(row))) {
        return fail(problem->line());
      }
    }
    outcome.rows.clear();
    outcome.counter_rows.clear();
    group->states[which].measured.push_back(std::move(outcome));
    ++done_;
  }
  return true;
}

void Session::report_progress(const Group& group) const {
  if (!options_.progress) {
    return;
  }
  std::uint64_t cases = 0;
  for (const Group& each : groups_) {
    cases += each.names.size();
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started_;
  nlohmann::ordered_json line;
  line["case"] = group.names.back();
  line["done"] = done_;
  line["total"] = cases * options_.repetitions;
  line["seconds"] = seconds.count();
  if (group.states.front().measured.size() == options_.repetitions) {
    line["finished"] = group.names;
  }
  std::cerr << line.dump() + "\n";
}

int Session::exit_code() const {
  if (stop_requested.load(std::memory_order_relaxed)) {
    return kInterruptedExit;
  }
  return failed_ ? kFailedExit : 0;
}

}  // namespace flushwalk
