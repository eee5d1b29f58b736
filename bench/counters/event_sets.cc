#include "bench/counters/event_sets.h"

#include <algorithm>

namespace flushwalk {
namespace {

constexpr std::array kVendorTables = {&kIntelTable, &kAmdTable, &kArmTable};

bool names_one_of(std::span<const std::string_view> names, const std::vector<std::string>& pmus) {
  return std::any_of(pmus.begin(), pmus.end(), [&](const std::string& pmu) {
    return std::find(names.begin(), names.end(), pmu) != names.end();
  });
}

bool holds(std::string_view words, std::string_view word) {
  const std::vector<std::string_view> parts = parts_of(words, ' ');
  return std::find(parts.begin(), parts.end(), word) != parts.end();
}

}  // namespace

std::vector<std::string_view> parts_of(std::string_view text, char between) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(between), text.size());
    parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

bool is_set(std::string_view name) {
  return std::find(kSetNames.begin(), kSetNames.end(), name) != kSetNames.end();
}

std::vector<const EventTable*> tables_for(const std::vector<std::string>& pmus) {
  std::vector<const EventTable*> tables = {&kGeneralTable};
  for (const EventTable* const table : kVendorTables) {
    if (names_one_of(table->pmus, pmus)) {
      tables.push_back(table);
    }
  }
  if (tables.size() == 1) {
    tables.push_back(&kUnknownCpuTable);
  }
  return tables;
}

std::vector<const SetEvent*> events_of(std::string_view set, const std::vector<std::string>& pmus) {
  std::vector<const SetEvent*> events;
  for (const EventTable* const table : tables_for(pmus)) {
    for (const SetEvent& event : table->events) {
      const bool lacking = std::any_of(pmus.begin(), pmus.end(), [&](const std::string& pmu) {
        return holds(event.lacking, pmu);
      });
      if (!lacking && (set == "all" || holds(event.sets, set))) {
        events.push_back(&event);
      }
    }
  }
  return events;
}

std::vector<const Metric*> metrics_for(const std::vector<std::string>& pmus) {
  std::vector<const Metric*> metrics;
  for (const EventTable* const table : tables_for(pmus)) {
    for (const Metric& metric : table->metrics) {
      metrics.push_back(&metric);
    }
  }
  return metrics;
}

}  // namespace flushwalk
