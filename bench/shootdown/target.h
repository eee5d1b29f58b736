// Target: pages of private anonymous memory, and one operation on them, over and over.
//
// The pages are the middle of a longer mapping, with a page before and one after, as freed memory
// is part of a heap: what changes a part of a mapping splits it, and undoing joins it again. Of
// munmap_whole and mremap they are a mapping of their own. Around it all lies a reservation that
// no other mapping of the process comes near to, or is joined with.
//
// mremap moves the pages forth and back between two places of the reservation; the place that it
// moves to is reserved, and unmapping that (no page was ever there) is part of the call.
#ifndef FLUSHWALK_BENCH_SHOOTDOWN_TARGET_H_
#define FLUSHWALK_BENCH_SHOOTDOWN_TARGET_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "allocator/geometry.h"
#include "allocator/vectored_advice.h"
#include "bench/shootdown/operations.h"

namespace flushwalk {

inline constexpr unsigned kMostTargetPages = 1024;
inline constexpr unsigned kMostHugePages = 64;  // 128 MiB

struct TargetShape {
  Operation operation = Operation::mprotect;
  unsigned pages = 1;  // 1..kMostTargetPages, of huge ones kMostHugePages
  PageSize page_size = PageSize::small;
  bool touched = true;  // false: no page is ever touched
};

class Target {
 public:
  // Maps, and touches once. nullptr, with one line in *error: no memory, no address space, the
  // kernel refuses, or pages that should be huge are not.
  static std::unique_ptr<Target> build(const TargetShape& shape, std::string* error);
  ~Target();
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  // Untimed, before each operation: undoes the last one and writes to each page. 0 or errno.
  // Once more without an operation it does nothing.
  int make_ready();
  // The operation: its system calls and nothing else; allocates nothing. make_ready() came before.
  // 0, or the errno of the first call that failed.
  int operate();
  // System calls that one operation makes.
  std::uint64_t calls() const { return calls_; }

  // What it works on now.
  Range pages() const { return {at_, at_ + bytes_}; }
  // The first address of each page that it touches. The pages are there after make_ready().
  std::vector<Address> page_addresses() const;
  // Why the touched pages are not all huge, where they should be, as one line; empty when they are.
  std::string why_not_huge() const;

 private:
  explicit Target(const TargetShape& shape);
  std::size_t bytes_to_next_page() const;
  std::string map();
  int advise_pages(const Range& range) const;
  int undo();
  void touch() const;
  int protect(int permissions) const;
  int move();
  int advise_each(int advice) const;

  TargetShape shape_;
  std::size_t unit_;   // bytes of a page
  std::size_t bytes_;  // from the first page to the last
  std::uint64_t calls_ = 1;
  Address reserved_ = 0;  // 0: nothing yet
  std::size_t reserved_bytes_ = 0;
  Address at_ = 0;
  Address other_ = 0;  // of mremap: where the pages go
  bool ready_ = false;
  bool operated_ = false;
  bool executable_ = false;
  std::vector<Range> ranges_;                 // of every other page
  std::unique_ptr<VectoredAdvice> vectored_;  // of dontneed_vectored
};

// Whether this kernel has what the operation needs, found out by trying it twice on a page: empty,
// or the reason why not.
std::string why_unsupported(Operation operation);
// The same of pages of that size: transparent huge pages may be off, or none be left.
std::string why_unsupported(PageSize size);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SHOOTDOWN_TARGET_H_
