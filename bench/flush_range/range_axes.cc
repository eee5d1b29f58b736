#include "bench/flush_range/range_axes.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "bench/flush_range/by_hand.h"
#include "bench/support/axis_reader.h"
#include "bench/support/working_set.h"

namespace flushwalk {
namespace {

// The values of --gather; nullopt for "auto".
std::optional<std::vector<Gather>> read_gathers(const RangeTexts& texts,
                                                const std::vector<ShootdownKind>& shootdowns,
                                                AxisReader* reader) {
  if (texts.gather == "auto") {
    return std::nullopt;
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
  return gathers;
}

// auto: hull, runs and full, or runs where they alone make sense.
std::vector<Gather> usual_gathers(ShootdownKind shootdown) {
  std::vector<Gather> gathers;
  for (const Gather gather : {Gather::hull, Gather::runs, Gather::full}) {
    if (why_senseless(gather, shootdown).empty()) {
      gathers.push_back(gather);
    }
  }
  return gathers;
}

std::vector<RangeRival> rivals_of(const std::vector<Gather>& gathers,
                                  const std::vector<Code>& codes) {
  std::vector<RangeRival> rivals;
  for (const Gather gather : gathers) {
    for (const Code code : codes) {
      rivals.push_back({gather, code});
    }
  }
  return rivals;
}

struct Shapes {
  std::vector<unsigned> ranges;
  std::vector<unsigned> pages;
  std::vector<std::uint64_t> gaps;

  std::vector<RangeShape> all() const {
    std::vector<RangeShape> shapes;
    for (const std::uint64_t gap : gaps) {
      for (const unsigned each : pages) {
        for (const unsigned count : ranges) {
          shapes.push_back({count, each, gap});
        }
      }
    }
    return shapes;
  }
};

}  // namespace

std::string_view name_of(Code code) { return code == Code::suite ? "suite" : "by_hand"; }

bool RangeGroup::mixed() const {
  const auto arrays = std::count_if(rivals.begin(), rivals.end(),
                                    [](const RangeRival& rival) { return is_array(rival.gather); });
  return arrays != 0 && arrays != std::ssize(rivals);
}

std::variant<std::vector<RangeGroup>, Problem> make_range_groups(const RangeTexts& texts) {
  constexpr unsigned kMostResponders = 65'535;
  AxisReader reader;
  Shapes shapes;
  std::vector<ShootdownKind> shootdowns;
  std::vector<unsigned> working_sets;
  std::vector<Code> codes;
  std::vector<unsigned> responders;
  reader.numbers("--ranges", texts.ranges, 1U, kMostRanges, &shapes.ranges);
  reader.numbers("--pages", texts.pages, 1U, kMostRangePages, &shapes.pages);
  reader.values("--gap", texts.gap, "0, block, or a number of p (pages), k, m or g, up to 131072g",
                read_gap, &shapes.gaps);
  reader.names("--shootdown", texts.shootdown, kShootdownKinds, &shootdowns);
  const std::optional<std::vector<Gather>> gathers = read_gathers(texts, shootdowns, &reader);
  reader.numbers("--working-set", texts.working_set, 0U, kMostWorkingSetPages, &working_sets);
  reader.names("--code", texts.code, kCodes, &codes);
  reader.numbers("--responders", texts.responders, 0U, kMostResponders, &responders);
  for (const ShootdownKind shootdown : shootdowns) {
    std::string reason = why_not_by_hand(shootdown);
    if (std::find(codes.begin(), codes.end(), Code::by_hand) != codes.end() && !reason.empty()) {
      reader.fail("--code", std::move(reason));
    }
  }
  if (reader.problem()) {
    return *reader.problem();
  }
  std::vector<RangeGroup> groups;
  for (const RangeShape& shape : shapes.all()) {
    for (const ShootdownKind shootdown : shootdowns) {
      const auto rivals = rivals_of(gathers ? *gathers : usual_gathers(shootdown), codes);
      for (const unsigned working_set : working_sets) {
        for (const unsigned count : responders) {
          groups.push_back({shape, shootdown, working_set, count, rivals});
        }
      }
    }
  }
  return groups;
}

std::string case_name(const RangeGroup& group, const RangeRival& rival) {
  return fmt::format(
      "flush_range/gather:{}/shootdown:{}/ranges:{}/pages:{}/gap:{}/working_set:{}/code:{}/"
      "responders:{}",
      name_of(rival.gather), name_of(group.shootdown), group.shape.ranges, group.shape.pages,
      gap_text(group.shape.gap_pages), group.working_set, name_of(rival.code), group.responders);
}

}  // namespace flushwalk
