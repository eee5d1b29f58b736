#include "bench/counters/event_name.h"

#include <fmt/core.h>

#include <algorithm>

namespace flushwalk {
namespace {

Problem problem(std::string_view text, const std::string& what) {
  return {"--counters", fmt::format("{}: {}", text.empty() ? "an empty name" : text, what)};
}

// Takes the levels (:u, :k, :uk) off the end.
void take_levels(std::string_view* rest, EventName* name) {
  const std::size_t colon = rest->rfind(':');
  if (colon == std::string_view::npos || colon == 0 || (*rest)[colon - 1] == ':') {
    return;
  }
  const std::string_view levels = rest->substr(colon + 1);
  if (levels == "u") {
    name->kernel = false;
  } else if (levels == "k") {
    name->user = false;
  } else if (levels != "uk" && levels != "ku") {
    return;
  }
  *rest = rest->substr(0, colon);
}

std::variant<EventName, Problem> parse_table(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view file = text.substr(0, colon);
  if (file != kInterruptsTable && file != kVmstatTable) {
    return problem(text, fmt::format("tables are {} and {}", kInterruptsTable, kVmstatTable));
  }
  const std::string_view row = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  if (row.empty() || row == "*") {
    return problem(text, "a row of the table is wanted, as in /proc/interrupts:TLB");
  }
  return EventName{.text = std::string(text),
                   .source = EventSource::table,
                   .event = std::string(file),
                   .filter = {},
                   .row = std::string(row)};
}

bool is_tracepoint(std::string_view event) {
  const std::size_t colon = event.find(':');
  return colon != std::string_view::npos && colon != 0 && colon + 1 < event.size() &&
         event.find(':', colon + 1) == std::string_view::npos;
}

}  // namespace

std::variant<EventName, Problem> parse_event_name(std::string_view text) {
  if (text.starts_with('/')) {
    return parse_table(text);
  }
  EventName name;
  name.text = text;
  std::string_view rest = text;
  take_levels(&rest, &name);
  if (const std::size_t slash = rest.find('/'); slash != std::string_view::npos) {
    if (rest.back() != '/' || rest.size() < slash + 3) {
      return problem(text, "a filter stands between two slashes, as in tlb:tlb_flush/reason==1/");
    }
    name.filter = rest.substr(slash + 1, rest.size() - slash - 2);
    rest = rest.substr(0, slash);
  }
  name.event = rest;
  if (rest.empty() || rest.find_first_of(" \t") != std::string_view::npos) {
    return problem(text, "not the name of an event");
  }
  if (is_tracepoint(rest)) {
    name.source = EventSource::tracepoint;
  } else if (!name.filter.empty()) {
    return problem(text, "only a tracepoint (system:name) takes a filter");
  }
  return name;
}

std::vector<std::string> split_event_list(std::string_view text) {
  std::vector<std::string> parts(1);
  bool in_filter = false;
  for (const char c : text) {
    std::string& part = parts.back();
    if (c == ',' && !in_filter) {
      parts.emplace_back();
      continue;
    }
    // A table's own slashes begin its name.
    in_filter ^= c == '/' && !part.empty() && !part.starts_with('/');
    part += c;
  }
  return parts;
}

}  // namespace flushwalk
