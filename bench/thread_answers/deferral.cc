#include "bench/thread_answers/deferral.h"

#include <algorithm>

#include "allocator/ledger.h"
#include "bench/patch_series/round.h"

namespace flushwalk {
namespace {

class DeferralRound {
 public:
  DeferralRound(const Workload& workload, const Behaviors& revision)
      : allocator_([&] {
          VmapAllocator::Options options = series_options(workload, revision);
          options.ledger = &ledger_;
          return options;
        }()) {
    const Sequence sequence = workload.make(workload, allocator_.geometry());
    buffers_.resize(sequence.buffers);
    for (const std::vector<Operation>* const part : {&sequence.prepare, &sequence.timed}) {
      for (const Operation& operation : *part) {
        perform(operation);
      }
    }
    for (const Waiting& one : waiting_) {
      end(one, false);
    }
  }

  Deferrals take() { return std::move(found_); }

 private:
  struct Buffer {
    Address address = 0;
    unsigned pages = 0;
  };
  struct Waiting {
    Range pages;
    bool of_full_block;
    std::uint64_t flushes;
  };

  void perform(const Operation& operation) {
    Buffer& buffer = buffers_[operation.buffer];
    switch (operation.action) {
      case Action::alloc:
        keep(operation, allocator_.alloc(operation.queue, operation.pages));
        break;
      case Action::new_block:
        keep(operation, allocator_.alloc_new_block(operation.queue, operation.pages));
        break;
      case Action::same_block:
        keep(operation,
             allocator_.alloc_in_block(buffers_[operation.beside].address, operation.pages));
        break;
      case Action::free:
        free(&buffer);
        break;
      case Action::unmap_aliases:
        allocator_.unmap_aliases();
        flushed();
        break;
    }
  }

  void keep(const Operation& operation, const AllocReport& report) {
    buffers_[operation.buffer] = {report.error == Error::none ? report.address : 0,
                                  operation.pages};
  }

  void free(Buffer* buffer) {
    if (buffer->address == 0) {
      return;
    }
    const Range pages{buffer->address, buffer->address + buffer->pages * kPageSize};
    const FreeReport report = allocator_.free(buffer->address, buffer->pages);
    buffer->address = 0;
    found_.freed_pages += pages.pages();
    if (!report.block_freed) {
      waiting_.push_back({pages, report.free == 0, 0});
    }
  }

  // A request's pages are one range and covered together: its first page tells.
  void flushed() {
    const auto over = [&](Waiting& one) {
      ++one.flushes;
      if (ledger_.is_stale(one.pages.start)) {
        return false;
      }
      end(one, true);
      return true;
    };
    waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(), over), waiting_.end());
  }

  void end(const Waiting& one, bool ended) {
    if (!one.of_full_block && one.flushes < (ended ? 2U : 1U)) {
      return;
    }
    found_.of_full_blocks.push_back(
        {.flushes = one.flushes, .ns = 0, .pages = one.pages.pages(), .ended = ended});
  }

  Ledger ledger_;
  VmapAllocator allocator_;
  std::vector<Buffer> buffers_;
  std::vector<Waiting> waiting_;
  Deferrals found_;
};

}  // namespace

Deferrals count_deferrals(const Workload& workload, const Behaviors& revision) {
  return DeferralRound(workload, revision).take();
}

}  // namespace flushwalk
