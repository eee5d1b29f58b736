#include "bench/shootdown/cross_check.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <deque>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "allocator/geometry.h"
#include "bench/support/axis_reader.h"
#include "topology/machine.h"
#include "topology/pinned_thread.h"
#include "topology/placement.h"

namespace flushwalk {
namespace {

constexpr std::size_t kMappingBytes = std::size_t{1} << 20;
constexpr unsigned kMostSeconds = 3600;
constexpr std::chrono::seconds kWarmUp{1};

// Private and empty, of one pass.
class FreshMapping {
 public:
  FreshMapping()
      : memory_(mmap(nullptr, kMappingBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                     -1, 0)),
        failed_(memory_ == MAP_FAILED ? errno : 0) {}
  ~FreshMapping() {
    if (failed_ == 0) {
      munmap(memory_, kMappingBytes);
    }
  }
  FreshMapping(const FreshMapping&) = delete;
  FreshMapping& operator=(const FreshMapping&) = delete;

  int failed() const { return failed_; }  // an errno, or 0
  unsigned char* memory() const { return static_cast<unsigned char*>(memory_); }

 private:
  void* memory_;
  int failed_;
};

// One thread's; each has its cache lines for itself.
struct alignas(128) Counted {
  std::atomic<std::uint64_t> loops{0};
  std::atomic<int> failed{0};
};

class Threads {
 public:
  // On each CPU one, at once at work. False, with one line in *error.
  bool start(const topology::Machine& machine, const std::vector<int>& cpus, std::string* error) {
    for (const int cpu : cpus) {
      Counted& mine = counted_.emplace_back();
      auto thread = topology::PinnedThread::start(
          machine, cpu, [this, &mine](const std::stop_token&) { work(&mine); });
      if (!thread.ok()) {
        *error = thread.error();
        return false;
      }
      threads_.push_back(std::move(thread).value());
    }
    return true;
  }
  ~Threads() { stop_.store(true, std::memory_order_relaxed); }

  // An errno of any thread.
  int failed() const {
    for (const Counted& each : counted_) {
      if (const int failed = each.failed.load(std::memory_order_relaxed); failed != 0) {
        return failed;
      }
    }
    return 0;
  }
  std::vector<std::uint64_t> loops() const {
    std::vector<std::uint64_t> all;
    for (const Counted& each : counted_) {
      all.push_back(each.loops.load(std::memory_order_relaxed));
    }
    return all;
  }

 private:
  void work(Counted* mine) const {
    mine->failed.store(discard_loop(stop_, &mine->loops), std::memory_order_relaxed);
  }

  std::atomic<bool> stop_{false};
  std::deque<Counted> counted_;                  // keeps its elements' addresses
  std::vector<topology::PinnedThread> threads_;  // last: joined before what they use goes
};

// A line of the table; nullopt, with one line in *error.
std::optional<std::string> measure(const topology::Machine& machine,
                                   const topology::Placement& placement,
                                   std::chrono::seconds length, std::string* error) {
  std::vector<int> cpus{placement.initiator};
  cpus.insert(cpus.end(), placement.responders.begin(), placement.responders.end());
  Threads threads;
  if (!threads.start(machine, cpus, error)) {
    return std::nullopt;
  }
  std::this_thread::sleep_for(kWarmUp);
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<std::uint64_t> before = threads.loops();
  std::this_thread::sleep_for(length);
  const std::vector<std::uint64_t> after = threads.loops();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  if (const int failed = threads.failed(); failed != 0) {
    *error = failed == EFAULT ? "a discarded page still had its data: a stale translation"
                              : fmt::format("mmap or madvise(DONTNEED): {}", std::strerror(failed));
    return std::nullopt;
  }
  double all = 0;
  std::string each;
  for (std::size_t i = 0; i < cpus.size(); ++i) {
    const double rate = static_cast<double>(after[i] - before[i]) / seconds.count();
    all += rate;
    each += fmt::format("{}{:.0f}", i == 0 ? "" : " ", rate);
  }
  return fmt::format("{:>7} {:>11.0f}  {}\n", cpus.size(), all, each);
}

}  // namespace

int discard_loop(const std::atomic<bool>& stop, std::atomic<std::uint64_t>* loops) {
  std::uint64_t done = 0;
  while (!stop.load(std::memory_order_relaxed)) {
    const FreshMapping mapping;
    if (mapping.failed() != 0) {
      return mapping.failed();
    }
    for (std::size_t at = 0; at < kMappingBytes && !stop.load(std::memory_order_relaxed);
         at += kPageSize) {
      volatile unsigned char* const page = mapping.memory() + at;
      *page = 1;
      if (madvise(mapping.memory() + at, kPageSize, MADV_DONTNEED) != 0) {
        return errno;
      }
      if (*page != 0) {
        return EFAULT;
      }
      loops->store(++done, std::memory_order_relaxed);
    }
  }
  return 0;
}

std::optional<Problem> cross_check(const CrossCheckTexts& texts, std::ostream& out,
                                   std::string* error) {
  AxisReader reader;
  std::vector<unsigned> seconds;
  reader.numbers("--seconds", texts.seconds, 1U, kMostSeconds, &seconds);
  if (!reader.problem() && seconds.size() != 1) {
    reader.fail("--seconds", fmt::format("{} is more than one number", texts.seconds));
  }
  if (reader.problem()) {
    return reader.problem();
  }
  const auto machine = topology::Machine::discover();
  if (!machine.ok()) {
    return Problem{"topology", machine.error()};
  }
  const auto widest = topology::widest_placement(machine.value(), texts.placement);
  if (!widest.ok()) {
    return Problem{"--placement", widest.error()};
  }
  for (std::size_t others = 0; others <= widest.value().responders.size(); ++others) {
    topology::Placement placement = widest.value();
    placement.responders.resize(others);
    const auto line =
        measure(machine.value(), placement, std::chrono::seconds(seconds.front()), error);
    if (!line) {
      return std::nullopt;
    }
    out << (others == 0 ? "threads     loops/s  by thread\n" : "") << *line << std::flush;
  }
  return std::nullopt;
}

}  // namespace flushwalk
