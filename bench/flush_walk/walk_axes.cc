#include "bench/flush_walk/walk_axes.h"

#include <fmt/core.h>

#include <bit>
#include <cstdint>

#include "bench/support/axis_reader.h"

namespace flushwalk {
namespace {

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
