#include "bench/shootdown/child_process.h"

#include <fmt/core.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "bench/shootdown/own_pages.h"

namespace flushwalk {
namespace {

// A peer that is gone is an error, not a signal.
bool send_byte(int socket, char byte) {
  ssize_t sent = 0;
  do {
    sent = ::send(socket, &byte, 1, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == 1;
}

bool receive_byte(int socket, char* byte) {
  ssize_t received = 0;
  do {
    received = ::recv(socket, byte, 1, 0);
  } while (received < 0 && errno == EINTR);
  return received == 1;
}

}  // namespace

std::unique_ptr<ChildProcess> ChildProcess::start(std::size_t shared_bytes, const Service& service,
                                                  std::string* error) {
  std::unique_ptr<ChildProcess> child(new ChildProcess);
  const auto failed = [&](const char* call) {
    *error = fmt::format("a child process: {}: {}", call, std::strerror(errno));
    return nullptr;
  };
  void* const shared = mmap(nullptr, shared_bytes, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (shared == MAP_FAILED) {
    return failed("mmap");
  }
  child->shared_ = shared;
  child->shared_bytes_ = shared_bytes;
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
    return failed("socketpair");
  }
  child->socket_ = sockets[0];
  const pid_t parent = getpid();
  child->child_ = fork();
  if (child->child_ == 0) {
    close(sockets[0]);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // The parent may be gone already.
    if (getppid() == parent) {
      serve(sockets[1], shared, service);
    }
    _exit(0);
  }
  close(sockets[1]);
  if (child->child_ < 0) {
    return failed("fork");
  }
  take_pages_back();
  return child;
}

ChildProcess::~ChildProcess() {
  if (child_ > 0) {
    kill(child_, SIGKILL);
    while (waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  if (socket_ >= 0) {
    close(socket_);
  }
  if (shared_ != nullptr) {
    munmap(shared_, shared_bytes_);
  }
}

void ChildProcess::serve(int socket, void* shared, const Service& service) {
  for (char order = 0; receive_byte(socket, &order);) {
    if (!service(order, shared) || !send_byte(socket, order)) {
      return;
    }
  }
}

bool ChildProcess::send(char what) const { return send_byte(socket_, what); }

bool ChildProcess::wait() const {
  char answer = 0;
  return receive_byte(socket_, &answer);
}

bool ChildProcess::answered() const {
  char answer = 0;
  return ::recv(socket_, &answer, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

}  // namespace flushwalk
