// A stand-in for the kernel's side of perf: a PMU of so many counters, errnos on demand,
// descriptors that run out, and a book of what was called. Counts and times are what a test says.
#ifndef FLUSHWALK_BENCH_COUNTERS_TESTS_PERF_STAND_IN_H_
#define FLUSHWALK_BENCH_COUNTERS_TESTS_PERF_STAND_IN_H_

#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "bench/counters/perf_calls.h"

namespace flushwalk {

class PerfStandIn final : public PerfCalls {
 public:
  struct Event {
    perf_event_attr attr{};
    int leader = -1;
    std::uint64_t count = 0;
    std::string filter{};
  };

  std::size_t hardware_counters = 4;  // that a group may take
  std::size_t descriptors = 1000;     // that may be open at once
  // errno of opening an event; 0: it opens.
  std::function<int(const perf_event_attr&)> refuse = [](const perf_event_attr&) { return 0; };
  int filter_error = 0;
  int read_error = 0;
  bool short_reads = false;
  // Groups of that many hardware events open, and never run.
  std::size_t never_runs_from = 1000;
  std::map<int, Event> events;
  std::vector<std::string> calls;  // "enable 3", "disable 3", "read 3"

  // While the group is on, its events count so much and so many ns pass.
  void work(std::uint64_t ns, std::uint64_t hits) {
    for (const int leader : enabled_) {
      Times& times = times_[leader];
      times.enabled += ns;
      if (hardware_in(leader) >= never_runs_from) {
        continue;
      }
      times.running += ns;
      for (auto& [fd, event] : events) {
        event.count += fd == leader || event.leader == leader ? hits : 0;
      }
    }
  }

  int open(const perf_event_attr& attr, int leader) override {
    if (const int error = refuse(attr); error != 0) {
      return -error;
    }
    if (events.size() >= descriptors) {
      return -EMFILE;
    }
    const bool hardware = is_hardware(attr);
    if (leader >= 0 && hardware && hardware_in(leader) >= hardware_counters) {
      return -EINVAL;
    }
    events[++last_fd_] = {attr, leader};
    return last_fd_;
  }
  int set_filter(int fd, const std::string& filter) override {
    events.at(fd).filter = filter;
    return -filter_error;
  }
  int enable(int leader) override {
    calls.push_back("enable " + std::to_string(leader));
    enabled_.push_back(leader);
    // A kernel has counted some ns by the time that the call returns.
    work_one(leader);
    return 0;
  }
  int disable(int leader) override {
    calls.push_back("disable " + std::to_string(leader));
    std::erase(enabled_, leader);
    return 0;
  }
  long read(int leader, void* buffer, std::size_t bytes) override {
    calls.push_back("read " + std::to_string(leader));
    if (read_error != 0) {
      return -read_error;
    }
    std::vector<std::uint64_t> words = {0, times_[leader].enabled, times_[leader].running};
    for (const auto& [fd, event] : events) {
      if (fd == leader || event.leader == leader) {
        words.push_back(event.count);
      }
    }
    words[0] = words.size() - 3;
    const std::size_t size = words.size() * sizeof(words[0]) - (short_reads ? sizeof(words[0]) : 0);
    if (size > bytes) {
      return -ENOSPC;
    }
    std::memcpy(buffer, words.data(), size);
    return static_cast<long>(size);
  }
  void close(int fd) override { events.erase(fd); }

  const std::vector<int>& enabled() const { return enabled_; }

 private:
  struct Times {
    std::uint64_t enabled = 0;
    std::uint64_t running = 0;
  };

  static bool is_hardware(const perf_event_attr& attr) {
    return attr.type != PERF_TYPE_SOFTWARE && attr.type != PERF_TYPE_TRACEPOINT;
  }
  std::size_t hardware_in(int leader) const {
    std::size_t count = 0;
    for (const auto& [fd, event] : events) {
      count += (fd == leader || event.leader == leader) && is_hardware(event.attr) ? 1U : 0U;
    }
    return count;
  }
  void work_one(int leader) {
    Times& times = times_[leader];
    ++times.enabled;
    times.running += hardware_in(leader) >= never_runs_from ? 0U : 1U;
  }

  int last_fd_ = 2;
  std::map<int, Times> times_;
  std::vector<int> enabled_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_COUNTERS_TESTS_PERF_STAND_IN_H_
