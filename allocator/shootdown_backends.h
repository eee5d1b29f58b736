// Shootdown backends: how shootdown.cc makes those of each family. Nobody else includes this.
#ifndef FLUSHWALK_ALLOCATOR_SHOOTDOWN_BACKENDS_H_
#define FLUSHWALK_ALLOCATOR_SHOOTDOWN_BACKENDS_H_

#include <sys/mman.h>

#include <cerrno>
#include <memory>

#include "allocator/shootdown.h"

namespace flushwalk {

// shootdown_range.cc
std::unique_ptr<Shootdown> make_mprotect_range(const Arena& arena);
std::unique_ptr<Shootdown> make_cold_range();
// shootdown_revoke.cc
std::unique_ptr<Shootdown> make_mprotect_none();
std::unique_ptr<Shootdown> make_munmap(const Arena& arena);
std::unique_ptr<Shootdown> make_guard();
// shootdown_drop.cc
std::unique_ptr<Shootdown> make_dontneed();

// 0 or errno.
inline int protect(const Range& range, int protection) {
  return mprotect(reinterpret_cast<void*>(range.start), range.end - range.start, protection) == 0
             ? 0
             : errno;
}

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_SHOOTDOWN_BACKENDS_H_
