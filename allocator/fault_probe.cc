#include "allocator/fault_probe.h"

#include <setjmp.h>
#include <signal.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "allocator/arena.h"

namespace flushwalk {
namespace {

// The handler runs on the thread that faulted, so what it touches is that thread's own.
thread_local sigjmp_buf recovery;
thread_local volatile sig_atomic_t probing = 0;
thread_local volatile sig_atomic_t fault_code = 0;

struct sigaction previous_segv;
struct sigaction previous_bus;

void on_fault(int signal, siginfo_t* info, void* context) {
  if (probing != 0) {
    fault_code = info->si_code;
    siglongjmp(recovery, 1);
  }
  const struct sigaction& previous = signal == SIGSEGV ? previous_segv : previous_bus;
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  } else {
    // The access is repeated on return, and then ends the process as if there had been no handler.
    ::signal(signal, SIG_DFL);
  }
}

void install_handler() {
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGSEGV, &action, &previous_segv) != 0 ||
      sigaction(SIGBUS, &action, &previous_bus) != 0) {
    throw std::system_error(errno, std::generic_category(), "sigaction");
  }
}

// SA_NODEFER leaves the signal unblocked in the handler, so the mask need not be saved and
// restored.
template <class Access>
ProbeResult probe(Access&& access) {
  static const bool installed = (install_handler(), true);
  static_cast<void>(installed);
  volatile std::uint8_t value = 0;
  if (sigsetjmp(recovery, 0) != 0) {
    probing = 0;
    return {.faulted = true, .signal_code = fault_code, .value = 0};
  }
  probing = 1;
  value = access();
  probing = 0;
  return {.faulted = false, .signal_code = 0, .value = value};
}

}  // namespace

ProbeResult probe_read(Address address) {
  return probe([address] { return *Arena::at(address); });
}

ProbeResult probe_write(Address address, std::uint8_t value) {
  return probe([address, value] {
    *Arena::at(address) = value;
    return value;
  });
}

std::string_view fault_name(int signal_code) {
  switch (signal_code) {
    case SEGV_ACCERR:
      return "SEGV_ACCERR";
    case SEGV_MAPERR:
      return "SEGV_MAPERR";
    default:
      return "fault";
  }
}

}  // namespace flushwalk
