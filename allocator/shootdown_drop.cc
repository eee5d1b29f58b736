// The drop family: a flushed page loses its data and may be accessed as before.
#include "allocator/shootdown_backends.h"
#include "allocator/vectored_advice.h"

namespace flushwalk {
namespace {

// dontneed: MADV_DONTNEED of private anonymous memory: the page's frame is freed, and the next
// access gets a new one, of zeros. What allocators of userspace do with freed memory, and the one
// call that flushes once for many ranges (vectored, Linux 6.16 on). It ends an alias only together
// with the data behind it, so a stale one cannot be shown with it.
//
// Errors: EINVAL of locked memory. Source: madvise(2); madvise_dontneed_single_vma().
class Dontneed final : public Shootdown {
 public:
  Gather gather() const override { return Gather::runs; }
  int flush(std::span<const Range> ranges) override { return drop_(ranges, &calls_); }
  int map(const Range& /*range*/) override { return 0; }

 private:
  VectoredAdvice drop_{kAdviceDontneed};
};

}  // namespace

std::unique_ptr<Shootdown> make_dontneed() { return std::make_unique<Dontneed>(); }

}  // namespace flushwalk
