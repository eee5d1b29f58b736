#include "bench/walk_axes.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace flushwalk {
namespace {

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0;;) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    parts.push_back(text.substr(begin, comma - begin));
    if (comma == text.size()) {
      return parts;
    }
    begin = comma + 1;
  }
}

// Reads one flag's list into *values; keeps the first problem of all flags.
class AxisReader {
 public:
  template <class Value>
  void numbers(const char* flag, const std::string& text, Value low, Value high,
               std::vector<Value>* values) {
    for (const std::string_view part : split(text)) {
      Value value{};
      const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
      if (error != std::errc() || end != part.data() + part.size() || value < low || value > high) {
        fail(flag, fmt::format("{} is not in {}..{}", quoted(part), low, high));
        return;
      }
      add(flag, part, value, values);
    }
  }

  template <class Value, class Values>
  void names(const char* flag, const std::string& text, const Values& allowed,
             std::vector<Value>* values) {
    for (const std::string_view part : split(text)) {
      const auto found = std::find_if(std::begin(allowed), std::end(allowed),
                                      [&](Value value) { return name_of(value) == part; });
      if (found == std::end(allowed)) {
        std::string all;
        for (const Value value : allowed) {
          all += fmt::format("{}{}", all.empty() ? "" : ", ", name_of(value));
        }
        fail(flag, fmt::format("{} is not one of {}", quoted(part), all));
        return;
      }
      add(flag, part, *found, values);
    }
  }

  void fail(const char* flag, std::string text) {
    if (!problem_) {
      problem_ = Problem{flag, std::move(text)};
    }
  }

  const std::optional<Problem>& problem() const { return problem_; }

 private:
  static std::string quoted(std::string_view part) {
    return part.empty() ? "an empty value" : std::string(part);
  }

  template <class Value>
  void add(const char* flag, std::string_view part, Value value, std::vector<Value>* values) {
    if (std::find(values->begin(), values->end(), value) != values->end()) {
      fail(flag, fmt::format("{} is named twice", part));
      return;
    }
    values->push_back(value);
  }

  std::optional<Problem> problem_;
};

constexpr Walk kWalks[] = {Walk::free_list, Walk::xarray};

std::vector<LoadShape> make_loads(const std::vector<std::uint64_t>& blocks,
                                  const std::vector<unsigned>& full,
                                  const std::vector<unsigned>& dirty,
                                  const std::vector<unsigned>& dirty_slots,
                                  const std::vector<unsigned>& queues) {
  std::vector<LoadShape> loads;
  for (const std::uint64_t b : blocks) {
    for (const unsigned f : full) {
      for (const unsigned d : dirty) {
        for (const unsigned s : dirty_slots) {
          for (const unsigned q : queues) {
            loads.push_back({b, f, d, s, q});
          }
        }
      }
    }
  }
  return loads;
}

}  // namespace

std::variant<std::vector<WalkGroup>, Problem> make_groups(const AxisTexts& texts) {
  constexpr unsigned kMostResponders = 65'535;
  AxisReader reader;
  std::vector<Walk> walks;
  std::vector<std::uint64_t> blocks;
  std::vector<unsigned> full, dirty, dirty_slots, queues, responders;
  std::vector<ShootdownKind> shootdowns;
  reader.names("--walk", texts.walk, kWalks, &walks);
  reader.numbers<std::uint64_t>("--blocks", texts.blocks, 1, kMostBlocks, &blocks);
  reader.numbers("--full", texts.full, 0U, 100U, &full);
  reader.numbers("--dirty", texts.dirty, 0U, 100U, &dirty);
  reader.numbers("--dirty-slots", texts.dirty_slots, 1U, kMaxAllocPages, &dirty_slots);
  reader.numbers("--queues", texts.queues, 1U, kMostQueues, &queues);
  reader.names("--shootdown", texts.shootdown, kShootdownKinds, &shootdowns);
  reader.numbers("--responders", texts.responders, 0U, kMostResponders, &responders);
  for (const unsigned slots : dirty_slots) {
    if (!std::has_single_bit(slots)) {
      reader.fail("--dirty-slots", fmt::format("{} is not a power of two", slots));
    }
  }
  if (reader.problem()) {
    return *reader.problem();
  }
  std::vector<WalkGroup> groups;
  for (const LoadShape& load : make_loads(blocks, full, dirty, dirty_slots, queues)) {
    for (const ShootdownKind shootdown : shootdowns) {
      for (const unsigned count : responders) {
        groups.push_back({{load, shootdown, count}, walks});
      }
    }
  }
  return groups;
}

std::string case_name(const GroupAxes& axes, Walk walk) {
  std::string name = fmt::format(
      "flush_walk/walk:{}/check:locked/gather:{}/shootdown:{}/blocks:{}/full:{}/dirty:{}",
      name_of(walk), name_of(gather_for(axes.shootdown)), name_of(axes.shootdown), axes.load.blocks,
      axes.load.full_percent, axes.load.dirty_percent);
  if (axes.load.dirty_slots != 1) {
    name += fmt::format("/dirty_slots:{}", axes.load.dirty_slots);
  }
  return name + fmt::format("/queues:{}/responders:{}", axes.load.queues, axes.responders);
}

}  // namespace flushwalk
