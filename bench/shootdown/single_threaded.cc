#include "bench/shootdown/single_threaded.h"

#include <fmt/core.h>

#include <array>
#include <cstring>
#include <memory>

#include "bench/shootdown/timed_operation.h"
#include "bench/support/proof.h"

namespace flushwalk {

// What the two processes share.
struct SingleThreaded::Mailbox {
  unsigned samples;
  std::array<char, 256> error;  // a line; empty: all went well
  std::array<Sample, kSamplesPerBatch> taken;
};

namespace {

constexpr char kBuild = 'b';
constexpr char kTake = 't';

int operate_untimed(Target& target) {
  const int failed = target.make_ready();
  return failed != 0 ? failed : target.operate();
}

// 0 or errno.
int take_sample(Target& target, const Clock& clock, Ticks period, SingleThreaded::Sample* sample) {
  int failed = target.make_ready();
  if (failed != 0) {
    return failed;
  }
  const Usage before = read_usage();
  const OperationTimes times = timed_operation(clock, target, &failed);
  const Usage after = read_usage();
  *sample = {times.begin, times.end, after.switches - before.switches,
             after.faults - before.faults};
  wait_until(clock, times.begin + period);
  return failed;
}

}  // namespace

SingleThreaded::Mailbox& SingleThreaded::mailbox() const {
  return *static_cast<Mailbox*>(process_->shared());
}

std::unique_ptr<SingleThreaded> SingleThreaded::start(const TargetShape& shape, const Clock& clock,
                                                      Ticks period, std::string* error) {
  // In the child alone: the parent's stays empty.
  const auto target = std::make_shared<std::unique_ptr<Target>>();
  const auto service = [=](char order, void* shared) {
    Mailbox& mail = *static_cast<Mailbox*>(shared);
    std::string line;
    if (order == kBuild) {
      *target = Target::build(shape, &line);
    } else if (order == kTake) {
      int failed = operate_untimed(**target);
      for (unsigned i = 0; failed == 0 && i < mail.samples; ++i) {
        failed = take_sample(**target, clock, period, &mail.taken[i]);
      }
      line = failed == 0 ? "" : std::strerror(failed);
    }
    mail.error.fill('\0');
    line.copy(mail.error.data(), mail.error.size() - 1);
    return true;
  };
  auto process = ChildProcess::start(sizeof(Mailbox), service, error);
  if (process == nullptr) {
    return nullptr;
  }
  std::unique_ptr<SingleThreaded> made(new SingleThreaded(std::move(process)));
  if (!made->process_->order(kBuild)) {
    *error = "the process of one thread has ended";
    return nullptr;
  }
  *error = made->mailbox().error.data();
  return error->empty() ? std::move(made) : nullptr;
}

std::span<const SingleThreaded::Sample> SingleThreaded::take(unsigned samples, std::string* error) {
  Mailbox& mail = mailbox();
  mail.samples = samples;
  if (!process_->order(kTake)) {
    *error = "the process of one thread has ended";
    return {};
  }
  *error = mail.error.data();
  return error->empty() ? std::span<const Sample>(mail.taken).first(samples)
                        : std::span<const Sample>();
}

}  // namespace flushwalk
