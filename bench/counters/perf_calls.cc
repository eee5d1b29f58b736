#include "bench/counters/perf_calls.h"

#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace flushwalk {
namespace {

class KernelCalls final : public PerfCalls {
 public:
  int open(const perf_event_attr& attr, int leader) override {
    const long fd = syscall(SYS_perf_event_open, &attr, 0, -1, leader, PERF_FLAG_FD_CLOEXEC);
    return fd < 0 ? -errno : static_cast<int>(fd);
  }
  int set_filter(int fd, const std::string& filter) override {
    return ioctl(fd, PERF_EVENT_IOC_SET_FILTER, filter.c_str()) < 0 ? -errno : 0;
  }
  int enable(int leader) override { return control(leader, PERF_EVENT_IOC_ENABLE); }
  int disable(int leader) override { return control(leader, PERF_EVENT_IOC_DISABLE); }
  long read(int leader, void* buffer, std::size_t bytes) override {
    const ssize_t got = ::read(leader, buffer, bytes);
    return got < 0 ? -errno : got;
  }
  void close(int fd) override { ::close(fd); }

 private:
  static int control(int leader, unsigned long request) {
    return ioctl(leader, request, PERF_IOC_FLAG_GROUP) < 0 ? -errno : 0;
  }
};

}  // namespace

PerfCalls& PerfCalls::real() {
  static KernelCalls calls;
  return calls;
}

}  // namespace flushwalk
