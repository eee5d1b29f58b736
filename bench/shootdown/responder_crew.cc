#include "bench/shootdown/responder_crew.h"

namespace flushwalk {
namespace {

GapLoopTurn turn_of(Activity activity) {
  switch (activity) {
    case Activity::write:
      return GapLoopTurn::write;
    case Activity::system_call:
      return GapLoopTurn::system_call;
    case Activity::none:
    case Activity::spin:
    case Activity::read:
    case Activity::sleep:
    case Activity::another_process:
      break;
  }
  return GapLoopTurn::read;
}

}  // namespace

std::string_view name_of(Activity activity) {
  switch (activity) {
    case Activity::none:
      return "none";
    case Activity::spin:
      return "spin";
    case Activity::read:
      return "read";
    case Activity::write:
      return "write";
    case Activity::system_call:
      return "system_call";
    case Activity::sleep:
      return "sleep";
    case Activity::another_process:
      return "another_process";
  }
  return "unknown";
}

std::unique_ptr<ResponderCrew> ResponderCrew::start(const Plan& plan,
                                                    const MeasuringContext& context,
                                                    std::string* error) {
  std::unique_ptr<ResponderCrew> crew(new ResponderCrew(plan.activity));
  if (plan.activity == Activity::none) {
    return crew;
  }
  const std::vector<int>& cpus = context.placement.responders;
  if (plan.activity == Activity::another_process) {
    crew->others_ = OtherProcesses::start(context.machine, cpus, context.clock, plan.gaps, error);
    return crew->others_ != nullptr ? std::move(crew) : nullptr;
  }
  crew->working_set_ = WorkingSet::create(has_pages(plan.activity) ? plan.working_set : 0, error);
  if (crew->working_set_ == nullptr) {
    return nullptr;
  }
  const Counters* const counters = is_interrupted(plan.activity) ? context.counters : nullptr;
  crew->responders_ =
      Responders::start(context.machine, cpus, context.clock, crew->working_set_->bytes(),
                        plan.gaps, error, counters, plan.rivals, turn_of(plan.activity));
  return crew->responders_ != nullptr ? std::move(crew) : nullptr;
}

bool ResponderCrew::run(std::string* error) {
  if (counting() != nullptr) {
    counting()->run();
  }
  if (others_ != nullptr && !others_->run()) {
    *error = "another process, on a responder's CPU, has ended";
    return false;
  }
  return true;
}

bool ResponderCrew::pause(std::string* error) {
  if (counting() != nullptr) {
    counting()->pause();
  }
  if (others_ != nullptr && !others_->pause()) {
    *error = "another process, on a responder's CPU, has ended";
    return false;
  }
  return true;
}

std::span<const Gap> ResponderCrew::gaps(std::size_t i) const {
  if (others_ != nullptr) {
    return others_->gaps(i);
  }
  return responders_ != nullptr ? responders_->gaps(i) : std::span<const Gap>();
}

std::size_t ResponderCrew::lost_gaps(std::size_t i) const {
  if (others_ != nullptr) {
    return others_->lost_gaps(i);
  }
  return responders_ != nullptr ? responders_->lost_gaps(i) : 0;
}

ThreadCounts ResponderCrew::counts(std::size_t i) const {
  return responders_ != nullptr ? responders_->counts(i) : ThreadCounts{};
}

}  // namespace flushwalk
