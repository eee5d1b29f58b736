// The range family: a real shootdown of whole ranges that no live user of them notices.
#include "allocator/range_set.h"
#include "allocator/shootdown_backends.h"
#include "allocator/vectored_advice.h"

namespace flushwalk {
namespace {

// mprotect_range: toggles exec on read-write data. One mprotect flushes a range when it changes the
// permission of all of it. So the set of executable ranges is kept: a range that is all executable
// loses it, one without any gains it; one of both kinds needs two calls. A shootdown takes place
// where the range has a page in the page tables, touched since or not.
//
// Errors: EACCES where a policy forbids memory that is writable and executable (SELinux execmem);
// ENOMEM at vm.max_map_count, for an array of ranges. Source: mprotect(2); change_protection().
class MprotectRange final : public Shootdown {
 public:
  explicit MprotectRange(const Arena& arena) : arena_(arena) {}

  int flush(std::span<const Range> ranges) override {
    for (const Range& range : ranges) {
      if (const int error = flush_one(range); error != 0) {
        return error;
      }
    }
    return 0;
  }
  int map(const Range& /*range*/) override { return 0; }
  int settle() override {
    if (executable_.size() == 0) {
      return 0;
    }
    const int error = protect(arena_.range(), PROT_READ | PROT_WRITE);
    if (error == 0) {
      executable_.clear();
    }
    return error;
  }

 private:
  int flush_one(const Range& range) {
    // Each executable range is a mapping, of which the kernel has a limit.
    if (executable_.size() >= kMostExecutableRanges && !executable_.covers(range)) {
      ++calls_;
      if (const int error = settle(); error != 0) {
        return error;
      }
    }
    const bool all_executable = executable_.covers(range);
    if (!all_executable) {
      if (const int error = set(range, PROT_READ | PROT_WRITE | PROT_EXEC); error != 0) {
        return error;
      }
      if (!executable_.intersects(range)) {
        executable_.add(range);
        return 0;
      }
      executable_.add(range);
    }
    if (const int error = set(range, PROT_READ | PROT_WRITE); error != 0) {
      return error;
    }
    executable_.remove(range);
    return 0;
  }

  int set(const Range& range, int protection) {
    ++calls_;
    return protect(range, protection);
  }

  const Arena& arena_;
  RangeSet executable_;
};

// cold_range: MADV_COLD, a call a range. The kernel clears the accessed bit of each page and
// flushes the range once, if there was one set: so a shootdown takes place where a page was touched
// since the last flush, and the load touches one in each range before each flush. Permissions and
// mappings stay as they are, however many ranges there are.
//
// Errors: EINVAL before Linux 5.4, or of locked memory. Source: madvise(2);
// madvise_cold_or_pageout_pte_range().
class ColdRange final : public Shootdown {
 public:
  int flush(std::span<const Range> ranges) override {
    for (const Range& range : ranges) {
      ++calls_;
      if (const int error = advise(range, kAdviceCold); error != 0) {
        return error;
      }
    }
    return 0;
  }
  int map(const Range& /*range*/) override { return 0; }
};

}  // namespace

std::unique_ptr<Shootdown> make_mprotect_range(const Arena& arena) {
  return std::make_unique<MprotectRange>(arena);
}

std::unique_ptr<Shootdown> make_cold_range() { return std::make_unique<ColdRange>(); }

}  // namespace flushwalk
