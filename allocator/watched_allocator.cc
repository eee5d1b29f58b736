#include "allocator/watched_allocator.h"

#include <fmt/core.h>

#include "allocator/rcu.h"

namespace flushwalk {

std::unique_ptr<WatchedAllocator> WatchedAllocator::create(VmapAllocator::Options options,
                                                           ShootdownKind kind,
                                                           const StaleOracle::Options& watch,
                                                           std::string* error) {
  std::unique_ptr<WatchedAllocator> made(new WatchedAllocator);
  const std::uint64_t block_bytes = options.geometry.block_bytes();
  // Room above for who wants the first block at another hash.
  const std::uint64_t blocks = options.space_blocks + options.cpus.count();
  made->arena_ = Arena::create(blocks * block_bytes, block_bytes, error);
  if (made->arena_ == nullptr) {
    return nullptr;
  }
  // The first block whose hash belongs to the same CPU as that of the model's first one, so that
  // counts are the same with memory and without.
  Address first = made->arena_->base();
  const Geometry model = options.geometry;
  while (model.hash_input(first) % options.cpus.count() !=
         model.hash_input(model.first_block()) % options.cpus.count()) {
    first += block_bytes;
  }
  options.geometry = Geometry(first, model.slots());
  made->backend_ = make_shootdown(kind, made->arena_.get());
  made->oracle_ =
      std::make_unique<StaleOracle>(*made->arena_, options.geometry, *made->backend_, watch);
  options.shootdown = made->oracle_.get();
  options.observer = made->oracle_.get();
  made->access_ = watch.access;
  made->allocator_ = std::make_unique<VmapAllocator>(std::move(options));
  return made;
}

std::uint8_t WatchedAllocator::live_byte(const Lease& lease) {
  return static_cast<std::uint8_t>(1 + lease.stamp % 100);
}

// The caller's use of what was handed out to it.
WatchedAllocator::Lease WatchedAllocator::used(const Range& pages) {
  const Lease lease = oracle_->lease(pages);
  for (Address page = pages.start; page < pages.end; page += kPageSize) {
    lost_live_pages_ += access_.write(page, live_byte(lease)).faulted ? 1 : 0;
  }
  return lease;
}

template <class Report>
Report WatchedAllocator::noted(Report report) {
  int none = 0;
  if (report.error == Error::system) {
    system_errno_.compare_exchange_strong(none, report.system_errno);
  }
  return report;
}

std::optional<WatchedAllocator::Lease> WatchedAllocator::map(unsigned queue, std::uint64_t pages) {
  const AllocReport report = noted(allocator_->map_ram(queue, pages));
  if (report.reclaim) {
    noted(*report.reclaim);
  }
  if (report.error != Error::none) {
    return std::nullopt;
  }
  return used({report.address, report.address + (pages << kPageShift)});
}

std::optional<WatchedAllocator::Lease> WatchedAllocator::take(const AllocReport& handed_out,
                                                              std::uint64_t pages) {
  if (noted(handed_out).error != Error::none) {
    return std::nullopt;
  }
  const Range range{handed_out.address, handed_out.address + (pages << kPageShift)};
  if (const int failed = oracle_->map(range); failed != 0) {
    AllocReport report;
    report.error = Error::system;
    report.system_errno = failed;
    noted(report);
    return std::nullopt;
  }
  return used(range);
}

FreeReport WatchedAllocator::unmap(const Lease& lease) {
  for (Address page = lease.pages.start; page < lease.pages.end; page += kPageSize) {
    const ProbeResult seen = access_.read(page);
    lost_live_pages_ += seen.faulted || seen.value != live_byte(lease) ? 1 : 0;
  }
  oracle_->about_to_free(lease);
  const FreeReport report = allocator_->unmap_ram(lease.pages.start, lease.pages.pages());
  oracle_->freed(lease, report);
  return report;
}

std::unique_lock<std::mutex> WatchedAllocator::one_flush_at_a_time() {
  std::unique_lock lock(flush_mutex_, std::defer_lock);
  if (!allocator_->revision().purge_in_walk && !lock.try_lock()) {
    const rcu::Offline waiting;
    lock.lock();
  }
  return lock;
}

FlushReport WatchedAllocator::unmap_aliases() {
  const auto lock = one_flush_at_a_time();
  return noted(oracle_->unmap_aliases(*allocator_));
}

FlushReport WatchedAllocator::drain() {
  const auto lock = one_flush_at_a_time();
  return noted(allocator_->drain());
}

FlushReport WatchedAllocator::reclaim() {
  const auto lock = one_flush_at_a_time();
  return noted(allocator_->reclaim());
}

FlushReport WatchedAllocator::purge(unsigned queue) {
  const auto lock = one_flush_at_a_time();
  return noted(allocator_->purge(queue));
}

std::string why_blind(ShootdownKind kind) {
  if (revokes(kind)) {
    return {};
  }
  return fmt::format(
      "{} leaves the old translation readable, so there is nothing to see: use guard, mprotect or "
      "munmap",
      name_of(kind));
}

ShootdownKind watching_backend() {
  return why_unsupported(ShootdownKind::guard).empty() ? ShootdownKind::guard
                                                       : ShootdownKind::mprotect;
}

}  // namespace flushwalk
