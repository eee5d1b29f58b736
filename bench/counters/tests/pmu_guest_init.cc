// The first process of the guest that scripts/pmu_guest boots: mounts what the test reads, runs the
// test, says how it ended, and switches the guest off.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace {

void mount_at(const char* type, const char* folder) {
  mkdir(folder, 0755);
  if (mount(type, folder, type, 0, nullptr) != 0) {
    std::printf("%s on %s: %s\n", type, folder, std::strerror(errno));
  }
}

int run_test() {
  const pid_t child = fork();
  if (child == 0) {
    const char* const arguments[] = {"/counters_test", "--gtest_color=no", nullptr};
    execv(arguments[0], const_cast<char* const*>(arguments));
    _exit(127);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) {
    return 126;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

int main() {
  mkdir("/tmp", 0777);
  mount_at("proc", "/proc");
  mount_at("sysfs", "/sys");
  mount_at("tracefs", "/sys/kernel/tracing");
  std::printf("pmu_guest: the test ended with %d\n", run_test());
  std::fflush(stdout);
  sync();
  reboot(RB_POWER_OFF);
  return 1;
}
