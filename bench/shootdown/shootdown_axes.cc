#include "bench/shootdown/shootdown_axes.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "bench/support/axis_reader.h"
#include "bench/support/working_set.h"

namespace flushwalk {
namespace {

constexpr unsigned kMostThreads = 65'535;

struct Axes {
  std::vector<Operation> operations;
  std::optional<std::vector<Arm>> arms;  // nullopt: all
  std::vector<unsigned> pages;
  std::vector<PageSize> page_sizes;
  std::vector<unsigned> responders;
  std::vector<Activity> activities;
  std::vector<unsigned> working_sets;
  std::vector<unsigned> rates;
  std::vector<unsigned> initiators;
};

// Why the arm makes no sense in a case of that kind.
std::string why_no_arm(Operation operation, Arm arm, bool throughput) {
  if (throughput && arm == Arm::single_threaded) {
    return "initiators are threads of one process: single_threaded does not go with --initiators";
  }
  return why_senseless(operation, arm);
}

std::vector<Arm> arms_of(const Axes& axes, Operation operation) {
  if (axes.arms) {
    return *axes.arms;
  }
  std::vector<Arm> arms;
  for (const Arm arm : kArms) {
    if (why_no_arm(operation, arm, !axes.initiators.empty()).empty()) {
      arms.push_back(arm);
    }
  }
  return arms;
}

void read_arms(const ShootdownTexts& texts, AxisReader* reader, Axes* axes) {
  if (texts.arms == "all") {
    return;
  }
  reader->names("--arms", texts.arms, kArms, &axes->arms.emplace());
  for (const Operation operation : axes->operations) {
    for (const Arm arm : *axes->arms) {
      std::string reason = why_no_arm(operation, arm, !texts.initiators.empty());
      if (!reason.empty()) {
        reader->fail("--arms", std::move(reason));
      }
    }
  }
}

void read_pages(const ShootdownTexts& texts, AxisReader* reader, Axes* axes) {
  reader->numbers("--pages", texts.pages, 1U, kMostTargetPages, &axes->pages);
  reader->names("--page-size", texts.page_size, kPageSizes, &axes->page_sizes);
  const auto huge = std::find(axes->page_sizes.begin(), axes->page_sizes.end(), PageSize::huge);
  for (const unsigned pages : axes->pages) {
    if (huge != axes->page_sizes.end() && pages > kMostHugePages) {
      reader->fail("--pages",
                   fmt::format("{} of 2m are too many: up to {}", pages, kMostHugePages));
    }
  }
}

// What is about responders, and says nothing where initiators interrupt each other.
void read_initiators(const ShootdownTexts& texts, AxisReader* reader, Axes* axes) {
  if (texts.initiators.empty()) {
    return;
  }
  reader->numbers("--initiators", texts.initiators, 1U, kMostThreads, &axes->initiators);
  const ShootdownTexts defaults;
  const std::pair<const char*, bool> given[] = {
      {"--responders", texts.responders != defaults.responders},
      {"--responder-does", texts.responder_does != defaults.responder_does},
      {"--working-set", texts.working_set != defaults.working_set},
      {"--rate", texts.rate != defaults.rate}};
  for (const auto& [flag, is_given] : given) {
    if (is_given) {
      reader->fail(flag,
                   "does not go with --initiators: they interrupt each other, as fast as "
                   "they can");
    }
  }
}

std::vector<ShootdownGroup> with_initiators(const Axes& axes, const ShootdownGroup& shape) {
  std::vector<ShootdownGroup> groups;
  for (const unsigned initiators : axes.initiators) {
    groups.push_back(shape);
    groups.back().initiators = initiators;
  }
  return groups;
}

std::vector<ShootdownGroup> with_responders(const Axes& axes, const ShootdownGroup& shape) {
  std::vector<ShootdownGroup> groups;
  const auto add = [&](unsigned responders, Activity activity, unsigned working_set) {
    for (const unsigned rate : axes.rates) {
      ShootdownGroup& group = groups.emplace_back(shape);
      group.responders = responders;
      group.activity = activity;
      group.working_set = working_set;
      group.rate = rate;
    }
  };
  for (const unsigned responders : axes.responders) {
    if (responders == 0) {
      add(0, Activity::none, 0);
      continue;
    }
    for (const Activity activity : axes.activities) {
      if (!has_pages(activity)) {
        add(responders, activity, 0);
        continue;
      }
      for (const unsigned working_set : axes.working_sets) {
        add(responders, activity, working_set);
      }
    }
  }
  return groups;
}

}  // namespace

std::variant<std::vector<ShootdownGroup>, Problem> make_shootdown_groups(
    const ShootdownTexts& texts) {
  AxisReader reader;
  Axes axes;
  reader.names("--operation", texts.operation, kOperations, &axes.operations);
  read_arms(texts, &reader, &axes);
  read_pages(texts, &reader, &axes);
  reader.numbers("--responders", texts.responders, 0U, kMostThreads, &axes.responders);
  reader.names("--responder-does", texts.responder_does, kActivities, &axes.activities);
  reader.numbers("--working-set", texts.working_set, 1U, kMostWorkingSetPages, &axes.working_sets);
  reader.numbers("--rate", texts.rate, 0U, kMostRate, &axes.rates);
  read_initiators(texts, &reader, &axes);
  if (reader.problem()) {
    return *reader.problem();
  }
  std::vector<ShootdownGroup> groups;
  for (const Operation operation : axes.operations) {
    for (const PageSize page_size : axes.page_sizes) {
      for (const unsigned pages : axes.pages) {
        ShootdownGroup shape;
        shape.operation = operation;
        shape.pages = pages;
        shape.page_size = page_size;
        shape.arms = arms_of(axes, operation);
        const auto made =
            axes.initiators.empty() ? with_responders(axes, shape) : with_initiators(axes, shape);
        groups.insert(groups.end(), made.begin(), made.end());
      }
    }
  }
  return groups;
}

std::string case_name(const ShootdownGroup& group, Arm arm) {
  const std::string work =
      fmt::format("operation:{}/arm:{}/pages:{}/page_size:{}", name_of(group.operation),
                  name_of(arm), group.pages, name_of(group.page_size));
  if (group.initiators != 0) {
    return fmt::format("shootdown_throughput/{}/initiators:{}", work, group.initiators);
  }
  return fmt::format("shootdown/{}/responder_does:{}/working_set:{}/rate:{}/responders:{}", work,
                     name_of(group.activity), group.working_set, group.rate, group.responders);
}

}  // namespace flushwalk
