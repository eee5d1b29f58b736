// The revoke family: an access to a flushed page is a SIGSEGV until map().
#include <cstddef>
#include <mutex>
#include <vector>

#include "allocator/range_set.h"
#include "allocator/shootdown_backends.h"
#include "allocator/spin_lock.h"
#include "allocator/vectored_advice.h"

namespace flushwalk {
namespace {

// What splits the mapping, a call a range. It remembers which pages it has revoked, and map()
// restores those. A flush and a map() at the same time never mean the same pages (freed ones, and
// ones just handed out), so the lock guards the book-keeping alone, and a flush takes it once: the
// set's insertions wait for the next map(), for they cost several percent of 1,024 short calls.
class Splitting : public Shootdown {
 public:
  Gather gather() const final { return Gather::runs; }

  int flush(std::span<const Range> ranges) final {
    std::size_t done = 0;
    int error = 0;
    for (; done < ranges.size(); ++done) {
      ++calls_;
      error = revoke(ranges[done]);
      if (error != 0) {
        break;
      }
    }
    note(ranges.first(done));
    return error;
  }

  int map(const Range& range) final {
    std::vector<Range> parts;
    {
      const std::lock_guard guard(lock_);
      enter_new();
      revoked_.for_each_in(range, [&](const Range& part) { parts.push_back(part); });
    }
    for (const Range& part : parts) {
      if (const int error = restore(part); error != 0) {
        return error;
      }
      const std::lock_guard guard(lock_);
      revoked_.remove(part);
    }
    return 0;
  }

 private:
  virtual int revoke(const Range& range) = 0;
  virtual int restore(const Range& range) = 0;

  // Bounded by the longest flush: where flushes come without a map() between them, the set takes
  // over what it does not hold yet.
  void note(std::span<const Range> ranges) {
    const std::lock_guard guard(lock_);
    if (new_.size() + ranges.size() > new_.capacity()) {
      enter_new();
    }
    new_.insert(new_.end(), ranges.begin(), ranges.end());
  }

  // The caller holds the lock.
  void enter_new() {
    for (const Range& range : new_) {
      revoked_.add(range);
    }
    new_.clear();
  }

  SpinLock lock_;
  RangeSet revoked_;
  std::vector<Range> new_;  // revoked too, and not yet in the set
};

// mprotect: to PROT_NONE. The page keeps its place in the page tables; an access is SEGV_ACCERR. A
// run that lies alone costs two mappings. Errors: ENOMEM at vm.max_map_count. Source: mprotect(2).
class MprotectNone final : public Splitting {
  int revoke(const Range& range) override { return protect(range, PROT_NONE); }
  int restore(const Range& range) override { return protect(range, PROT_READ | PROT_WRITE); }
};

// munmap: leaves a hole, so an access is SEGV_MAPERR. A run that lies alone costs one mapping. It
// also frees page tables, where it empties them. Errors: ENOMEM at vm.max_map_count; of map()
// EEXIST, where somebody else has mapped the hole. Source: munmap(2).
class Munmap final : public Splitting {
 public:
  explicit Munmap(const Arena& arena) : arena_(arena) {}

 private:
  int revoke(const Range& range) override {
    return ::munmap(reinterpret_cast<void*>(range.start), range.end - range.start) == 0 ? 0 : errno;
  }
  int restore(const Range& range) override { return arena_.map_again(range); }

  const Arena& arena_;
};

// guard: MADV_GUARD_INSTALL puts a marker in the page tables in each page's place, so an access is
// SEGV_MAPERR; no mapping is split, and a range flush over guards leaves them. Vectored where the
// kernel has that; even so it flushes range by range. map() removes the markers, and the next
// access finds the same frame again; it needs to know of no flush before, for removing none does no
// harm.
//
// Errors: EINVAL before Linux 6.13, of shared memory before 6.15, or of locked memory.
// Source: madvise(2); madvise_guard_install().
class Guard final : public Shootdown {
 public:
  Gather gather() const override { return Gather::runs; }
  int flush(std::span<const Range> ranges) override { return install_(ranges, &calls_); }
  int map(const Range& range) override { return advise(range, kAdviceGuardRemove); }

 private:
  VectoredAdvice install_{kAdviceGuardInstall};
};

}  // namespace

std::unique_ptr<Shootdown> make_mprotect_none() { return std::make_unique<MprotectNone>(); }

std::unique_ptr<Shootdown> make_munmap(const Arena& arena) {
  return std::make_unique<Munmap>(arena);
}

std::unique_ptr<Shootdown> make_guard() { return std::make_unique<Guard>(); }

}  // namespace flushwalk
