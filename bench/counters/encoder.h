// Encoder: from an event's name to what perf_event_open() wants, and, where there is no such event,
// to what the user may have meant.
//
// libpfm4 knows hardware and software events. Tracepoints are looked up in tracefs by their id
// file: libpfm4 finds them only where debugfs is mounted. Rows of tables need no encoding.
#ifndef FLUSHWALK_BENCH_COUNTERS_ENCODER_H_
#define FLUSHWALK_BENCH_COUNTERS_ENCODER_H_

#include <linux/perf_event.h>

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "bench/counters/event_name.h"

namespace flushwalk {

enum class EventKind { hardware, software, tracepoint, table };
// "hardware", "software", "tracepoint", "table".
std::string_view name_of(EventKind kind);

struct EncodedEvent {
  EventName name;
  EventKind kind = EventKind::hardware;
  perf_event_attr attr{};  // without the flags of a group; of a table unused
};

// Why an event has no encoding.
struct NotEncoded {
  enum Why {
    unknown,     // there is no such event: the text names the nearest ones
    other_cpu,   // libpfm4 knows it, but not of this CPU
    never_hits,  // the levels leave nothing to count
    unreadable,  // it may be there, but tracefs is not to be read; see error
  };
  Why why = unknown;
  std::string text;
  int error = 0;  // errno of `unreadable`
};

// Where an encoder looks.
struct EncoderSources {
  // Folders that tracefs may be mounted on.
  std::vector<std::string> tracefs = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
  // Where it is on none of them, mounts it for itself, if it may.
  bool mount_tracefs = true;
  // Takes pmu::event of any CPU that libpfm4 knows: to test encodings without that CPU.
  bool any_cpu = false;
};

class Encoder {
 public:
  // Sets LIBPFM_ENCODE_INACTIVE in this process; call it before there are other threads.
  explicit Encoder(EncoderSources sources = {});

  std::variant<EncodedEvent, NotEncoded> encode(const EventName& name) const;

  // libpfm4's names of the CPU's PMUs, its generic ones (perf, perf_raw) left out; empty where it
  // knows none.
  const std::vector<std::string>& cpu_pmus() const { return cpu_pmus_; }
  // Empty, or why libpfm4 could not be started.
  const std::string& broken() const { return broken_; }

 private:
  std::variant<EncodedEvent, NotEncoded> encode_pmu(const EventName& name) const;
  std::variant<EncodedEvent, NotEncoded> encode_tracepoint(const EventName& name) const;
  std::optional<std::string> other_cpus_with(const std::string& event) const;
  NotEncoded unknown(const EventName& name) const;
  std::vector<std::string> all_names() const;

  EncoderSources sources_;
  std::vector<std::string> cpu_pmus_;
  std::string broken_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_COUNTERS_ENCODER_H_
