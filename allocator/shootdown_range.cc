// The range family: a real shootdown of whole ranges that no live user of them notices.
#include <algorithm>
#include <cstddef>
#include <vector>

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

  // A walk that finds what it found before, as it does in a benchmark, toggles the same ranges
  // back: known by comparing them, without the set's searches, which cost more than 3 % of 1,024
  // short mprotects.
  int flush(std::span<const Range> ranges) override {
    if (executable_.size() == 0 && toggled_.empty() && can_toggle(ranges)) {
      return gain(ranges);
    }
    if (!toggled_.empty() && std::ranges::equal(ranges, toggled_)) {
      return lose();
    }
    for (const Range& range : toggled_) {
      executable_.add(range);
    }
    toggled_.clear();
    for (const Range& range : ranges) {
      if (const int error = flush_one(range); error != 0) {
        return error;
      }
    }
    return 0;
  }
  int map(const Range& /*range*/) override { return 0; }
  int settle() override {
    if (executable_.size() == 0 && toggled_.empty()) {
      return 0;
    }
    const int error = protect(arena_.range(), PROT_READ | PROT_WRITE);
    if (error == 0) {
      executable_.clear();
      toggled_.clear();
    }
    return error;
  }

 private:
  // Ascending, disjoint, and no more than are kept apart.
  static bool can_toggle(std::span<const Range> ranges) {
    for (std::size_t i = 1; i < ranges.size(); ++i) {
      if (ranges[i].start < ranges[i - 1].end) {
        return false;
      }
    }
    return ranges.size() <= kMostExecutableRanges;
  }

  // Nothing is executable: the ranges become so.
  int gain(std::span<const Range> ranges) {
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      if (const int error = set(ranges[i], PROT_READ | PROT_WRITE | PROT_EXEC); error != 0) {
        ranges = ranges.first(i);
        toggled_.assign(ranges.begin(), ranges.end());
        return error;
      }
    }
    toggled_.assign(ranges.begin(), ranges.end());
    return 0;
  }

  // What gain() made executable is so no more.
  int lose() {
    for (std::size_t i = 0; i < toggled_.size(); ++i) {
      if (const int error = set(toggled_[i], PROT_READ | PROT_WRITE); error != 0) {
        toggled_.erase(toggled_.begin(), toggled_.begin() + static_cast<std::ptrdiff_t>(i));
        return error;
      }
    }
    toggled_.clear();
    return 0;
  }

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
  // What is executable, in one of the two: the ranges of the last flush, before which nothing was,
  // or whatever flushes of different ranges have come to.
  std::vector<Range> toggled_;
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
