#include "bench/counters/table_counts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "bench/counters/nearest_names.h"

namespace flushwalk {
namespace {

constexpr unsigned kMachine = ~0U;  // instead of a CPU

void add(unsigned cpu, std::uint64_t count, std::vector<std::pair<unsigned, std::uint64_t>>* sums) {
  for (auto& [of, sum] : *sums) {
    if (of == cpu) {
      sum += count;
      return;
    }
  }
  sums->emplace_back(cpu, count);
}

std::string why_absent(const EventName& name, const std::vector<std::string>& rows) {
  if (rows.empty()) {
    return fmt::format("{} cannot be read", name.event);
  }
  const auto near = name.row.ends_with('*') ? std::vector<std::string>()
                                            : nearest_names(name.row, rows, kSuggestions);
  return fmt::format("this kernel's {} has no such row{}{}", name.event,
                     near.empty() ? "" : "; the nearest are ", fmt::join(near, ", "));
}

}  // namespace

std::vector<PlannedCounter> plan_table(const EventName& name, const std::string& root) {
  const std::string text = read_kernel_file(root + name.event).value_or("");
  const std::vector<std::string> rows =
      name.event == kInterruptsTable ? interrupt_row_names(text) : vmstat_row_names(text);
  const bool any_ending = name.row.ends_with('*');
  const std::string begin = name.row.substr(0, name.row.size() - (any_ending ? 1 : 0));
  std::vector<PlannedCounter> planned;
  for (const std::string& row : rows) {
    if (any_ending ? row.starts_with(begin) : row == begin) {
      PlannedCounter& counter = planned.emplace_back();
      counter.event = {name, EventKind::table, {}};
      counter.event.name.row = row;
      counter.event.name.text = fmt::format("{}:{}", name.event, row);
    }
  }
  if (planned.empty()) {
    PlannedCounter& counter = planned.emplace_back();
    counter.event = {name, EventKind::table, {}};
    counter.fault = {CounterStatus::not_supported, 0, why_absent(name, rows), ""};
  }
  return planned;
}

TableCounts::TableCounts(const CounterPlan& plan, std::string root) : root_(std::move(root)) {
  for (std::size_t i = 0; i < plan.counters.size(); ++i) {
    const PlannedCounter& counter = plan.counters[i];
    if (counter.event.kind == EventKind::table && counter.countable()) {
      const EventName& name = counter.event.name;
      counters_.push_back({i, name.event == kInterruptsTable, name.row});
    }
  }
}

TableCounts::Reading TableCounts::read() const {
  std::optional<std::string> interrupts;
  std::optional<std::string> vmstat;
  Reading reading;
  for (const Counter& counter : counters_) {
    std::optional<std::string>& text = counter.per_cpu ? interrupts : vmstat;
    if (!text) {
      const auto table = counter.per_cpu ? kInterruptsTable : kVmstatTable;
      text = read_kernel_file(root_ + std::string(table)).value_or("");
    }
    reading.rows.push_back(counter.per_cpu ? parse_interrupt_row(*text, counter.row)
                                           : std::nullopt);
    reading.counts.push_back(counter.per_cpu ? std::nullopt : parse_vmstat_row(*text, counter.row));
  }
  return reading;
}

void TableCounts::begin() {
  if (!empty()) {
    before_ = read();
  }
}

void TableCounts::end(std::size_t rival) {
  if (empty()) {
    return;
  }
  const Reading after = read();
  rivals_.resize(std::max(rivals_.size(), rival + 1));
  rivals_[rival].resize(counters_.size());
  for (std::size_t i = 0; i < counters_.size(); ++i) {
    auto* const sums = &rivals_[rival][i];
    if (!counters_[i].per_cpu) {
      if (before_.counts[i] && after.counts[i]) {
        add(kMachine, *after.counts[i] - *before_.counts[i], sums);
      }
      continue;
    }
    for (const unsigned cpu : after.rows[i] ? after.rows[i]->numbers() : std::vector<unsigned>()) {
      if (const auto count = interrupts_between(before_.rows[i], after.rows[i], cpu)) {
        add(cpu, *count, sums);
      }
    }
  }
}

std::optional<std::uint64_t> TableCounts::moved(std::size_t rival, std::size_t counter,
                                                unsigned cpu) const {
  for (std::size_t i = 0; rival < rivals_.size() && i < rivals_[rival].size(); ++i) {
    if (counters_[i].index != counter) {
      continue;
    }
    for (const auto& [of, sum] : rivals_[rival][i]) {
      if (of == (counters_[i].per_cpu ? cpu : kMachine)) {
        return sum;
      }
    }
  }
  return std::nullopt;
}

}  // namespace flushwalk
