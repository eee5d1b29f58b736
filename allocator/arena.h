// Arena: real memory behind the allocator's addresses.
//
// One sparse memfd, mapped twice, shared and NORESERVE. The first mapping is the address space
// whose slots the allocator hands out: one VMA, untouched parts cost nothing, a hull over 255 GiB
// is a range like any other. The second shows the same frames under other addresses: it is where a
// page's next owner lives. A slot whose old address still reads what the next owner writes is a
// stale alias, for all to see.
//
// An anonymous arena is private memory without a file, and without a second mapping: what takes
// pages away there takes their data, so no alias can be shown with it. MADV_DONTNEED needs it: of
// shared memory it lets the next access have the same page again.
//
// The mappings lie low in the address space, far below where the kernel puts new ones (top down),
// so that a hole which a munmap leaves in the arena is not where a malloc elsewhere in the process
// lands.
#ifndef FLUSHWALK_ALLOCATOR_ARENA_H_
#define FLUSHWALK_ALLOCATOR_ARENA_H_

#include <cassert>
#include <cstdint>
#include <memory>
#include <string>

#include "allocator/geometry.h"

namespace flushwalk {

class Arena {
 public:
  enum class Memory { shared, anonymous };

  // `bytes` of address space, a multiple of `align`, which base() is aligned to (a power of two, at
  // least a page). nullptr on failure, with one line in *error.
  static std::unique_ptr<Arena> create(std::uint64_t bytes, std::uint64_t align, std::string* error,
                                       Memory memory = Memory::shared);
  // The longest arena of which so many (at least one) find room beside each other.
  static std::uint64_t most_bytes(unsigned arenas, Memory memory);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  Memory memory() const { return fd_ < 0 ? Memory::anonymous : Memory::shared; }
  Address base() const { return base_; }
  std::uint64_t bytes() const { return bytes_; }
  Range range() const { return {base_, base_ + bytes_}; }

  // The byte at an allocator's address, as a pointer. It may be revoked.
  static volatile std::uint8_t* at(Address address) {
    return reinterpret_cast<volatile std::uint8_t*>(address);
  }
  // The same byte of the same frame under the next owner's mapping: always readable and writable.
  // Not of an anonymous arena.
  volatile std::uint8_t* next_owner(Address address) const {
    assert(memory() == Memory::shared);
    return reinterpret_cast<volatile std::uint8_t*>(owner_base_ + (address - base_));
  }

  // Maps the frames of `range` (of an anonymous arena: new ones) at their own addresses again,
  // which must be a hole. 0 or errno (EEXIST: taken).
  int map_again(const Range& range) const;

 private:
  Arena(int fd, Address base, Address owner_base, std::uint64_t bytes)
      : fd_(fd), base_(base), owner_base_(owner_base), bytes_(bytes) {}

  int fd_;  // -1: anonymous
  Address base_;
  Address owner_base_;  // 0: anonymous
  std::uint64_t bytes_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_ARENA_H_
