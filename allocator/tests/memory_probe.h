// What the tests of the arena and of the backends share: a small arena whose pages are marked, and
// looks at memory that may be revoked. Accesses go through process_vm_readv and _writev on the
// process itself, which answer EFAULT where a load or store would be a SIGSEGV.
#ifndef FLUSHWALK_ALLOCATOR_TESTS_MEMORY_PROBE_H_
#define FLUSHWALK_ALLOCATOR_TESTS_MEMORY_PROBE_H_

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "allocator/arena.h"
#include "allocator/shootdown.h"

namespace flushwalk {

inline Address address_of(volatile std::uint8_t* pointer) {
  return reinterpret_cast<Address>(pointer);
}

// The byte at an address, or -errno.
inline int read_byte(Address address) {
  std::uint8_t byte = 0;
  iovec local{&byte, 1};
  iovec remote{reinterpret_cast<void*>(address), 1};
  return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1 ? byte : -errno;
}

inline int write_byte(Address address, std::uint8_t byte) {
  iovec local{&byte, 1};
  iovec remote{reinterpret_cast<void*>(address), 1};
  return process_vm_writev(getpid(), &local, 1, &remote, 1, 0) == 1 ? 0 : -errno;
}

// Whether a VMA is there at all: tells SEGV_ACCERR (yes) from SEGV_MAPERR (no).
inline bool is_mapped(Address address) {
  return msync(reinterpret_cast<void*>(address), kPageSize, MS_ASYNC) == 0;
}

inline std::vector<std::string> maps() {
  std::ifstream in("/proc/self/maps");
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  return lines;
}

// "rw-s" and the like; empty in a hole.
inline std::string permissions(Address address) {
  for (const std::string& line : maps()) {
    unsigned long start = 0;
    unsigned long end = 0;
    char bits[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &start, &end, bits) == 3 && start <= address &&
        address < end) {
      return bits;
    }
  }
  return {};
}

// What /proc/self/smaps says of the mapping of an address behind "KEY:"; empty where nothing.
inline std::string map_detail(Address address, const std::string& key) {
  std::ifstream in("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    unsigned long start = 0;
    unsigned long end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &start, &end) == 2) {
      inside = start <= address && address < end;
    } else if (inside && line.starts_with(key + ":")) {
      return line.substr(key.size() + 1);
    }
  }
  return {};
}

// Those that this kernel has.
inline std::vector<ShootdownKind> revoking_kinds() {
  std::vector<ShootdownKind> kinds;
  for (const ShootdownKind kind : kShootdownKinds) {
    if (revokes(kind) && why_unsupported(kind).empty()) {
      kinds.push_back(kind);
    }
  }
  return kinds;
}

// Whether this kernel lets a process advise itself by process_madvise, tried with a pidfd.
inline bool advises_vectors() {
  const int self = static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0));
  alignas(kPageSize) static std::uint8_t page[kPageSize];
  const iovec vector{page, kPageSize};
  const bool can = syscall(SYS_process_madvise, self, &vector, 1, MADV_DONTNEED, 0) == kPageSize;
  close(self);
  return can;
}

// The system calls of a flush of that many ranges, each on its own.
inline std::uint64_t expected_calls(ShootdownKind kind, std::uint64_t ranges) {
  switch (kind) {
    case ShootdownKind::none:
      return 0;
    case ShootdownKind::membarrier:
      return ranges == 0 ? 0 : 1;
    case ShootdownKind::guard:
    case ShootdownKind::dontneed:
      return advises_vectors() ? (ranges + 1023) / 1024 : ranges;
    default:
      return ranges;
  }
}

class ArenaTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kPages = 64;

  void SetUp() override { make_arena(Arena::Memory::shared); }

  void make_arena(Arena::Memory memory) {
    std::string error;
    arena = Arena::create(kPages * kPageSize, kPages * kPageSize, &error, memory);
    ASSERT_NE(arena, nullptr) << error;
    if (const int got = read_byte(arena->base()); got == -EPERM || got == -ENOSYS) {
      GTEST_SKIP() << "process_vm_readv: " << std::strerror(-got);
    }
    for (std::uint64_t page = 0; page < kPages; ++page) {
      ASSERT_EQ(write_byte(at(page), mark(page)), 0);
    }
  }
  Address at(std::uint64_t page) const { return arena->base() + page * kPageSize; }
  Range pages(std::uint64_t from, std::uint64_t to) const { return {at(from), at(to)}; }
  static std::uint8_t mark(std::uint64_t page) { return static_cast<std::uint8_t>(page + 100); }

  // Exactly the pages of `revoked` fault; the others still hold what was written.
  void expect_revoked(const std::vector<std::uint64_t>& revoked, bool still_mapped) {
    for (std::uint64_t page = 0; page < kPages; ++page) {
      const bool faults = std::find(revoked.begin(), revoked.end(), page) != revoked.end();
      EXPECT_EQ(read_byte(at(page)), faults ? -EFAULT : mark(page)) << "page " << page;
      EXPECT_EQ(is_mapped(at(page)), !faults || still_mapped) << "page " << page;
    }
  }
  static int flush(Shootdown& shootdown, std::vector<Range> ranges) {
    return shootdown.flush(ranges);
  }

  std::unique_ptr<Arena> arena;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_TESTS_MEMORY_PROBE_H_
