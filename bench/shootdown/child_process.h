// ChildProcess: a forked process of one thread that does what it is told, and shares memory with
// this one.
//
// Forked while the calling process has one thread, so that all of the C library works in it. It
// inherits the caller's CPU. It ends with the object, with the caller's thread, and when the
// service says so; nothing of what the caller would do at its own exit is done in it. Of its memory
// the caller keeps no page that the child has, too: own_pages.h.
#ifndef FLUSHWALK_BENCH_SHOOTDOWN_CHILD_PROCESS_H_
#define FLUSHWALK_BENCH_SHOOTDOWN_CHILD_PROCESS_H_

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace flushwalk {

class ChildProcess {
 public:
  // In the child, for each order: a character, which the caller's order() sent. False: it ends.
  using Service = std::function<bool(char order, void* shared)>;

  // shared_bytes: of zeroed memory. nullptr, with one line in *error.
  static std::unique_ptr<ChildProcess> start(std::size_t shared_bytes, const Service& service,
                                             std::string* error);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  void* shared() const { return shared_; }

  // Asleep until it has been carried out. False: the child is gone.
  bool order(char what) const { return send(what) && wait(); }
  // In two parts, for orders that go on while the caller does something.
  bool send(char what) const;
  bool wait() const;
  // Without waiting: it has ended, or has carried out what was sent.
  bool answered() const;

 private:
  ChildProcess() = default;
  static void serve(int socket, void* shared, const Service& service);

  void* shared_ = nullptr;
  std::size_t shared_bytes_ = 0;
  int socket_ = -1;
  pid_t child_ = -1;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SHOOTDOWN_CHILD_PROCESS_H_
