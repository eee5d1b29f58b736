#include "bench/counters/tracefs.h"

#include <fmt/core.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace flushwalk {
namespace {

// From linux/mount.h, which does not go with sys/mount.h in one file.
constexpr unsigned kCloseOnExec = 1;
constexpr unsigned kCreate = 6;  // FSCONFIG_CMD_CREATE

std::string mount_detached() {
#if defined(SYS_fsopen) && defined(SYS_fsconfig) && defined(SYS_fsmount)
  const long context = syscall(SYS_fsopen, "tracefs", kCloseOnExec);
  if (context < 0) {
    return "";
  }
  long mounted = syscall(SYS_fsconfig, context, kCreate, nullptr, nullptr, 0);
  if (mounted == 0) {
    mounted = syscall(SYS_fsmount, context, kCloseOnExec, 0);
  }
  close(static_cast<int>(context));
  return mounted < 0 ? "" : fmt::format("/proc/self/fd/{}", mounted);
#else
  return "";
#endif
}

}  // namespace

const std::string& detached_tracefs() {
  static const std::string path = mount_detached();
  return path;
}

}  // namespace flushwalk
