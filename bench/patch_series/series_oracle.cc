#include "bench/patch_series/series_oracle.h"

#include <fmt/core.h>

#include <cstring>
#include <memory>
#include <utility>

#include "allocator/watched_allocator.h"
#include "bench/patch_series/round.h"

namespace flushwalk {
namespace {

// Performs the operations of a sequence.
class WatchedRound {
 public:
  WatchedRound(WatchedAllocator& watched, std::uint32_t buffers)
      : watched_(watched), buffers_(buffers) {}

  void perform(const std::vector<Operation>& operations) {
    for (const Operation& operation : operations) {
      perform(operation);
    }
  }
  void free_all() {
    for (auto& buffer : buffers_) {
      free(&buffer);
    }
  }

 private:
  using Buffer = std::optional<WatchedAllocator::Lease>;

  void perform(const Operation& operation) {
    VmapAllocator& allocator = watched_.allocator();
    Buffer& buffer = buffers_[operation.buffer];
    switch (operation.action) {
      case Action::alloc:
        buffer = watched_.map(operation.queue, operation.pages);
        break;
      case Action::new_block:
        buffer = watched_.take(allocator.alloc_new_block(operation.queue, operation.pages),
                               operation.pages);
        break;
      case Action::same_block:
        buffer = watched_.take(
            allocator.alloc_in_block(buffers_[operation.beside]->pages.start, operation.pages),
            operation.pages);
        break;
      case Action::free:
        free(&buffer);
        break;
      case Action::unmap_aliases:
        watched_.unmap_aliases();
        break;
    }
  }
  void free(Buffer* buffer) {
    if (*buffer) {
      watched_.unmap(**buffer);
      buffer->reset();
    }
  }

  WatchedAllocator& watched_;
  std::vector<Buffer> buffers_;
};

}  // namespace

std::optional<OracleReport> watch_round(const Workload& workload, const Behaviors& revision,
                                        std::string* error) {
  const auto watched =
      WatchedAllocator::create(series_options(workload, revision), watching_backend(), {}, error);
  if (watched == nullptr) {
    return std::nullopt;
  }
  const Sequence sequence = workload.make(workload, watched->allocator().geometry());
  WatchedRound round(*watched, sequence.buffers);
  round.perform(sequence.prepare);
  round.perform(sequence.timed);
  round.free_all();
  watched->unmap_aliases();
  watched->allocator().release_retired();
  if (watched->system_errno() != 0 || watched->lost_live_pages() != 0) {
    *error = watched->system_errno() != 0
                 ? fmt::format("--oracle: {}", std::strerror(watched->system_errno()))
                 : fmt::format("--oracle: {} pages in use were lost", watched->lost_live_pages());
    return std::nullopt;
  }
  return watched->oracle().report();
}

}  // namespace flushwalk
