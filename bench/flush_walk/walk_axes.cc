#include "bench/flush_walk/walk_axes.h"

#include <fmt/core.h>

#include <bit>
#include <cstdint>
#include <utility>

#include "bench/support/axis_reader.h"

namespace flushwalk {
namespace {

// The values of the axes that make a load.
struct LoadAxes {
  std::vector<std::uint64_t> blocks;
  std::vector<unsigned> full;
  std::vector<unsigned> dirty;
  std::vector<unsigned> dirty_slots;
  std::vector<Spread> spread;
  std::vector<Descriptors> descriptors;
  std::vector<IndexLayout> index;
  std::vector<unsigned> queues;

  // Every combination; the last axis turns fastest.
  std::vector<LoadShape> loads() const {
    std::vector<LoadShape> all = {LoadShape{}};
    multiply(&all, blocks, &LoadShape::blocks);
    multiply(&all, full, &LoadShape::full_percent);
    multiply(&all, dirty, &LoadShape::dirty_percent);
    multiply(&all, dirty_slots, &LoadShape::dirty_slots);
    multiply(&all, spread, &LoadShape::spread);
    multiply(&all, descriptors, &LoadShape::descriptors);
    multiply(&all, index, &LoadShape::layout);
    multiply(&all, queues, &LoadShape::queues);
    return all;
  }

 private:
  template <class Value>
  static void multiply(std::vector<LoadShape>* loads, const std::vector<Value>& values,
                       Value LoadShape::*axis) {
    std::vector<LoadShape> more;
    for (const LoadShape& load : *loads) {
      for (const Value value : values) {
        more.push_back(load);
        more.back().*axis = value;
      }
    }
    *loads = std::move(more);
  }
};

// The values of --gather, each of which goes with each shootdown; nullopt for "auto".
std::vector<std::optional<Gather>> read_gathers(const AxisTexts& texts,
                                                const std::vector<ShootdownKind>& shootdowns,
                                                AxisReader* reader) {
  if (texts.gather == "auto") {
    return {std::nullopt};
  }
  std::vector<Gather> gathers;
  reader->names("--gather", texts.gather, kGathers, &gathers);
  for (const ShootdownKind shootdown : shootdowns) {
    for (const Gather gather : gathers) {
      if (std::string reason = why_senseless(gather, shootdown); !reason.empty()) {
        reader->fail("--gather", std::move(reason));
      }
    }
  }
  return {gathers.begin(), gathers.end()};
}

// Each walk with each check, the arms of the same work beside it.
std::vector<Way> every_way(const std::vector<Walk>& walks, const std::vector<Check>& checks,
                           const std::vector<std::uint32_t>& delays) {
  std::vector<Way> ways;
  for (const Walk walk : walks) {
    for (const Check check : checks) {
      ways.emplace_back(walk, check);
      for (const std::uint32_t delay : delays) {
        ways.emplace_back(walk, check, delay);
      }
    }
  }
  return ways;
}

std::vector<std::uint32_t> read_delays(const AxisTexts& texts, AxisReader* reader) {
  constexpr std::uint32_t kLongestDelay = 1'000'000'000;
  std::vector<std::uint32_t> delays;
  if (texts.inject_delay_ns.empty()) {
    return delays;
  }
  reader->numbers("--inject-delay-ns", texts.inject_delay_ns, std::uint32_t{0}, kLongestDelay,
                  &delays);
  if (texts.parts_alone) {
    reader->fail("--inject-delay-ns",
                 "does not go with --parts-alone: a delay is in whole flushes");
  }
  return delays;
}

}  // namespace

std::variant<std::vector<WalkGroup>, Problem> make_groups(const AxisTexts& texts) {
  constexpr unsigned kMostResponders = 65'535;
  AxisReader reader;
  LoadAxes load;
  std::vector<Walk> walks;
  std::vector<Check> checks;
  std::vector<unsigned> responders;
  std::vector<ShootdownKind> shootdowns;
  reader.names("--walk", texts.walk, kWalks, &walks);
  reader.names("--check", texts.check, kChecks, &checks);
  reader.numbers<std::uint64_t>("--blocks", texts.blocks, 1, kMostBlocks, &load.blocks);
  reader.numbers("--full", texts.full, 0U, 100U, &load.full);
  reader.numbers("--dirty", texts.dirty, 0U, 100U, &load.dirty);
  reader.numbers("--dirty-slots", texts.dirty_slots, 1U, kMaxAllocPages, &load.dirty_slots);
  reader.names("--spread", texts.spread, kSpreads, &load.spread);
  reader.names("--descriptors", texts.descriptors, kDescriptors, &load.descriptors);
  reader.names("--index", texts.index, kIndexLayouts, &load.index);
  reader.numbers("--queues", texts.queues, 1U, kMostQueues, &load.queues);
  reader.names("--shootdown", texts.shootdown, kShootdownKinds, &shootdowns);
  const std::vector<std::optional<Gather>> gathers = read_gathers(texts, shootdowns, &reader);
  reader.numbers("--responders", texts.responders, 0U, kMostResponders, &responders);
  const std::vector<std::uint32_t> delays = read_delays(texts, &reader);
  for (const unsigned slots : load.dirty_slots) {
    if (!std::has_single_bit(slots)) {
      reader.fail("--dirty-slots", fmt::format("{} is not a power of two", slots));
    }
  }
  if (reader.problem()) {
    return *reader.problem();
  }
  const std::vector<Way> ways = every_way(walks, checks, delays);
  std::vector<WalkGroup> groups;
  for (const LoadShape& shape : load.loads()) {
    for (const ShootdownKind shootdown : shootdowns) {
      for (const std::optional<Gather> gather : gathers) {
        for (const unsigned count : responders) {
          groups.push_back({{shape, shootdown, count, gather},
                            ways,
                            texts.parts_alone && shootdown != ShootdownKind::none});
        }
      }
    }
  }
  return groups;
}

// Axes that came later stand in the name only where they have another value than all had before.
std::string case_name(const GroupAxes& axes, const Way& way) {
  const LoadShape& load = axes.load;
  std::string name =
      fmt::format("flush_walk/walk:{}/check:{}", name_of(way.walk), name_of(way.check));
  if (way.injected_delay_ns) {
    name += fmt::format("/injected_delay_ns:{}", *way.injected_delay_ns);
  }
  name += fmt::format("/gather:{}/shootdown:{}/blocks:{}/full:{}/dirty:{}", name_of(axes.gather()),
                      name_of(axes.shootdown), load.blocks, load.full_percent, load.dirty_percent);
  if (load.dirty_slots != 1) {
    name += fmt::format("/dirty_slots:{}", load.dirty_slots);
  }
  if (load.spread != Spread::even) {
    name += fmt::format("/spread:{}", name_of(load.spread));
  }
  if (load.descriptors != Descriptors::in_order) {
    name += fmt::format("/descriptors:{}", name_of(load.descriptors));
  }
  if (load.layout != IndexLayout::kernel) {
    name += fmt::format("/index:{}", name_of(load.layout));
  }
  return name + fmt::format("/queues:{}/responders:{}", load.queues, axes.responders);
}

}  // namespace flushwalk
