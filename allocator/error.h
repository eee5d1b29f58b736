// Errors: the answers an allocator call can give instead of success.
#ifndef FLUSHWALK_ALLOCATOR_ERROR_H_
#define FLUSHWALK_ALLOCATOR_ERROR_H_

#include <string_view>

namespace flushwalk {

enum class Error {
  none,
  null,           // NULL without an error code: zero pages before v6.12
  invalid,        // EINVAL: zero or too many pages, a misaligned address, a null entry
  busy,           // EBUSY: no address space left, or an index is taken
  no_memory,      // ENOMEM: a descriptor or a node could not be allocated
  not_allocated,  // a free of what was never handed out, or was freed before; the kernel does not
                  // check
  system,         // a system call of the shootdown backend failed; errno stands in the report
};

constexpr std::string_view name_of(Error error) {
  switch (error) {
    case Error::none:
      return "none";
    case Error::null:
      return "NULL";
    case Error::invalid:
      return "EINVAL";
    case Error::busy:
      return "EBUSY";
    case Error::no_memory:
      return "ENOMEM";
    case Error::not_allocated:
      return "not allocated";
    case Error::system:
      return "system call failed";
  }
  return "unknown";
}

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_ERROR_H_
