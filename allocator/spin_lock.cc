#include "allocator/spin_lock.h"

namespace flushwalk {

std::string_view name_of(LockKind kind) {
  constexpr std::array<std::string_view, kLockKinds> kNames = {"block",  "queue",         "xarray",
                                                               "memory", "address_space", "other"};
  return kNames[static_cast<std::size_t>(kind)];
}

}  // namespace flushwalk
