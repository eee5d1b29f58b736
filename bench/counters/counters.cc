#include "bench/counters/counters.h"

#include <fmt/core.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <ostream>
#include <system_error>

#include "bench/counters/counter_group.h"
#include "bench/counters/table_counts.h"
#include "bench/support/kernel_tables.h"

namespace flushwalk {
namespace {

// Descriptors that the run itself opens later: result files, tables, memory.
constexpr std::size_t kSpareDescriptors = 32;
// The hardware event that any PMU has, and any user may have.
constexpr const char* kWitness = "cycles:u";

// What each of the threads may take.
std::size_t descriptors_for_each(std::size_t threads) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return std::numeric_limits<std::size_t>::max();
  }
  std::size_t open = 0;
  std::error_code ignored;
  for (auto it = std::filesystem::directory_iterator("/proc/self/fd", ignored);
       it != std::filesystem::directory_iterator(); it.increment(ignored)) {
    ++open;
  }
  const auto most = static_cast<std::size_t>(limit.rlim_cur);
  const std::size_t taken = open + kSpareDescriptors;
  return most > taken ? (most - taken) / std::max<std::size_t>(threads, 1) : 0;
}

class Chooser {
 public:
  Chooser(const Encoder& encoder, PerfCalls& calls) : encoder_(encoder), calls_(calls) {}

  // An element of --counters.
  std::optional<Problem> add(const std::string& element) {
    if (element == kDefaultCounters) {
      add_default();
    } else if (is_set(element)) {
      for (const SetEvent* const event : events_of(element, encoder_.cpu_pmus())) {
        add_of_set(*event);
      }
    } else {
      return add_named(element);
    }
    return std::nullopt;
  }

  std::vector<PlannedCounter> take() { return std::move(chosen_); }

 private:
  void add_default() {
    const bool pmu = has_pmu(encoder_, calls_);
    for (const SetEvent* const event : events_of("all", encoder_.cpu_pmus())) {
      const auto name = std::get<EventName>(parse_event_name(event->name));
      const auto encoded = encoder_.encode(name);
      const EncodedEvent* const known = std::get_if<EncodedEvent>(&encoded);
      const EventKind kind = known != nullptr                         ? known->kind
                             : name.source == EventSource::tracepoint ? EventKind::tracepoint
                                                                      : EventKind::hardware;
      const bool in_memory_alone = event->sets == "memory";
      // Without a PMU one row says why there are none.
      const bool wanted = kind == EventKind::hardware
                              ? (pmu && !in_memory_alone) || (!pmu && name.text == kWitness)
                          : kind == EventKind::software ? true
                                                        : !pmu;
      if (wanted) {
        add_of_set(*event);
        add_for_ordinary_users(name, known);
      }
    }
  }

  // What an ordinary user may see of a software event: its hits in user mode.
  void add_for_ordinary_users(const EventName& name, const EncodedEvent* encoded) {
    if (encoded == nullptr || encoded->kind != EventKind::software || !name.kernel) {
      return;
    }
    const int error = CounterGroup(calls_).add(*encoded);
    const auto in_user_mode = parse_event_name(name.text + ":u");
    if ((error == EACCES || error == EPERM) && std::holds_alternative<EventName>(in_user_mode)) {
      const auto again = encoder_.encode(std::get<EventName>(in_user_mode));
      if (const EncodedEvent* const event = std::get_if<EncodedEvent>(&again)) {
        add_counter({*event});
      }
    }
  }

  // A set's event is never bad input: what is wrong with it becomes its fault.
  void add_of_set(const SetEvent& event) {
    add_event(std::get<EventName>(parse_event_name(event.name)));
  }

  std::optional<Problem> add_named(const std::string& element) {
    auto name = parse_event_name(element);
    if (const Problem* const problem = std::get_if<Problem>(&name)) {
      return *problem;
    }
    const auto refused = add_event(std::get<EventName>(name));
    if (refused && refused->why != NotEncoded::unreadable) {
      return Problem{"--counters", fmt::format("{}: {}", element, refused->text)};
    }
    return std::nullopt;
  }

  std::optional<NotEncoded> add_event(const EventName& name) {
    if (name.source == EventSource::table) {
      for (PlannedCounter& counter : plan_table(name)) {
        add_counter(std::move(counter));
      }
      return std::nullopt;
    }
    auto encoded = encoder_.encode(name);
    if (EncodedEvent* const event = std::get_if<EncodedEvent>(&encoded)) {
      add_counter({*event});
      return std::nullopt;
    }
    const NotEncoded& refused = std::get<NotEncoded>(encoded);
    PlannedCounter counter;
    counter.event.name = name;
    counter.event.kind =
        name.source == EventSource::tracepoint ? EventKind::tracepoint : EventKind::hardware;
    const bool forbidden = refused.why == NotEncoded::unreadable && refused.error == EACCES;
    counter.fault = {forbidden ? CounterStatus::permission_denied : CounterStatus::not_supported,
                     refused.error, refused.text, ""};
    if (const std::size_t colon = refused.text.find(": ");
        refused.why == NotEncoded::unreadable && colon != std::string::npos) {
      counter.fault.reason = refused.text.substr(0, colon);
      counter.fault.remedy = refused.text.substr(colon + 2);
    }
    add_counter(std::move(counter));
    return refused;
  }

  void add_counter(PlannedCounter counter) {
    const auto same = [&](const PlannedCounter& other) {
      return other.event.name.text == counter.event.name.text;
    };
    if (std::none_of(chosen_.begin(), chosen_.end(), same)) {
      chosen_.push_back(std::move(counter));
    }
  }

  const Encoder& encoder_;
  PerfCalls& calls_;
  std::vector<PlannedCounter> chosen_;
};

}  // namespace

int perf_event_paranoid() {
  std::string text = read_kernel_file("/proc/sys/kernel/perf_event_paranoid").value_or("");
  text.erase(std::min(text.find('\n'), text.size()));
  int value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : -1;
}

bool has_pmu(const Encoder& encoder, PerfCalls& calls) {
  const auto encoded = encoder.encode(std::get<EventName>(parse_event_name(kWitness)));
  const EncodedEvent* const event = std::get_if<EncodedEvent>(&encoded);
  return event != nullptr && CounterGroup(calls).add(*event) == 0;
}

std::variant<std::unique_ptr<Counters>, Problem> Counters::make(const CounterRequest& request,
                                                                PerfCalls& calls,
                                                                EncoderSources sources) {
  if (request.events == kNoCounters) {
    return nullptr;
  }
  const Encoder encoder(std::move(sources));
  if (!encoder.broken().empty()) {
    return Problem{"--counters", encoder.broken()};
  }
  Chooser chooser(encoder, calls);
  for (const std::string& element : split_event_list(request.events)) {
    if (element == kNoCounters) {
      return Problem{"--counters", "none goes with nothing else"};
    }
    if (const auto problem = chooser.add(element)) {
      return *problem;
    }
  }
  std::unique_ptr<Counters> counters(new Counters());
  counters->request_ = request;
  counters->calls_ = &calls;
  counters->cpu_pmus_ = encoder.cpu_pmus();
  counters->metrics_ = metrics_for(encoder.cpu_pmus());
  counters->descriptors_each_ = descriptors_for_each(request.threads);
  counters->plan_ = make_counter_plan(
      chooser.take(), {request.rotation, counters->descriptors_each_, perf_event_paranoid()},
      calls);
  for (const PlannedCounter& counter : counters->plan_.counters) {
    if (counter.fault.error == EINVAL && !counter.event.name.filter.empty()) {
      return Problem{"--counters",
                     fmt::format("{}: {}", counter.event.name.text, counter.fault.reason)};
    }
  }
  return counters;
}

std::string Counters::remark() const {
  std::string cut;
  for (const PlannedCounter& counter : plan_.counters) {
    if (counter.fault.error == EMFILE || counter.fault.error == ENFILE) {
      cut += fmt::format("{}{}", cut.empty() ? "" : ", ", counter.event.name.text);
    }
  }
  return cut.empty() ? ""
                     : fmt::format(
                           "--counters: too many file descriptors (see ulimit -n): not "
                           "counted are {}",
                           cut);
}

CounterCost Counters::measure_cost() const { return measure_counter_cost(plan_, *calls_); }

void list_counters(std::ostream& out, PerfCalls& calls, EncoderSources sources) {
  const Encoder encoder(std::move(sources));
  Chooser chooser(encoder, calls);
  if (!encoder.broken().empty()) {
    out << encoder.broken() << '\n';
    return;
  }
  static_cast<void>(chooser.add("all"));
  const CounterPlan plan =
      make_counter_plan(chooser.take(), {.paranoid = perf_event_paranoid()}, calls);
  const std::vector<const SetEvent*> events = events_of("all", encoder.cpu_pmus());
  for (const PlannedCounter& counter : plan.counters) {
    const EventName& name = counter.event.name;
    const auto found = std::find_if(events.begin(), events.end(), [&](const SetEvent* event) {
      return event->name == name.text ||
             (event->name.ends_with('*') &&
              name.text.starts_with(event->name.substr(0, event->name.size() - 1)));
    });
    const std::string said = counter.countable() ? "can be counted here"
                             : counter.fault.remedy.empty()
                                 ? counter.fault.reason
                                 : fmt::format("{}; what would allow it: {}", counter.fault.reason,
                                               counter.fault.remedy);
    out << fmt::format("{:<28} {:<16} {:<11}{}; {}\n", name.text,
                       found == events.end() ? "" : (*found)->sets, name_of(counter.event.kind),
                       found == events.end() ? "" : (*found)->meaning, said);
  }
}

}  // namespace flushwalk
