#include "bench/counters/counter_group.h"

#include <cerrno>
#include <utility>

namespace flushwalk {

CounterGroup::~CounterGroup() { close_all(); }

CounterGroup::CounterGroup(CounterGroup&& other) noexcept
    : calls_(other.calls_),
      fds_(std::exchange(other.fds_, {})),
      buffer_(std::move(other.buffer_)) {}

CounterGroup& CounterGroup::operator=(CounterGroup&& other) noexcept {
  std::swap(calls_, other.calls_);
  std::swap(fds_, other.fds_);
  std::swap(buffer_, other.buffer_);
  return *this;
}

// The leader last: members that lose it would become leaders, and be scheduled.
void CounterGroup::close_all() {
  while (!fds_.empty()) {
    drop_last();
  }
}

void CounterGroup::drop_last() {
  calls_->close(fds_.back());
  fds_.pop_back();
  buffer_.resize(3 + fds_.size());
}

int CounterGroup::add(const EncodedEvent& event) {
  perf_event_attr attr = event.attr;
  // A member follows its leader.
  attr.disabled = fds_.empty() ? 1 : 0;
  attr.read_format =
      PERF_FORMAT_GROUP | PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
  const int fd = calls_->open(attr, fds_.empty() ? -1 : fds_.front());
  if (fd < 0) {
    return -fd;
  }
  fds_.push_back(fd);
  buffer_.resize(3 + fds_.size());
  if (event.name.filter.empty()) {
    return 0;
  }
  const int filtered = calls_->set_filter(fd, event.name.filter);
  if (filtered < 0) {
    drop_last();
  }
  return -filtered;
}

int CounterGroup::enable() { return fds_.empty() ? 0 : -calls_->enable(fds_.front()); }

int CounterGroup::disable() { return fds_.empty() ? 0 : -calls_->disable(fds_.front()); }

int CounterGroup::read() {
  if (fds_.empty()) {
    return 0;
  }
  const std::size_t bytes = buffer_.size() * sizeof(std::uint64_t);
  const long got = calls_->read(fds_.front(), buffer_.data(), bytes);
  if (got < 0) {
    return static_cast<int>(-got);
  }
  return static_cast<std::size_t>(got) == bytes && buffer_[0] == fds_.size() ? 0 : ENODATA;
}

}  // namespace flushwalk
