#include "allocator/oracle.h"

#include <algorithm>
#include <cassert>
#include <deque>
#include <utility>

#include "allocator/rcu.h"

namespace flushwalk {
namespace {

// What a page's next owner writes. WatchedAllocator's users write something else.
constexpr std::uint8_t kNextOwner = 0xa5;
// Of each kind.
constexpr std::size_t kMostTold = 4;

}  // namespace

std::string_view name_of(AliasKind kind) {
  switch (kind) {
    case AliasKind::missed:
      return "missed";
    case AliasKind::window:
      return "window";
    case AliasKind::planted:
      return "planted";
    case AliasKind::reused:
      return "reused";
  }
  return "unknown";
}

// A request that was freed. `kinds`: of its pages that were found stale, so that each is counted
// once a kind.
struct StaleOracle::Freed {
  Lease lease;
  FreeReport report;
  bool of_block = false;
  std::uint64_t freed_ns = 0;
  std::uint64_t flushes = 0;  // that have promised it and returned
  std::map<Address, AliasKind> kinds{};
};

// What one flush must have done when it returns.
struct StaleOracle::Promise {
  std::vector<Freed> freed;           // whose pages it awaits
  std::vector<Freed> stale;           // which earlier flushes owe
  std::uint64_t lazy_taken_at = 0;    // a serial number; 0: not yet
  std::set<std::uint64_t> windows{};  // that it was in, by the serial number of the doom
};

namespace {

// The promise that this thread's flush is to keep, where takes_lazy_list() notes its moment.
thread_local std::uint64_t* lazy_taken_at = nullptr;

}  // namespace

StaleOracle::StaleOracle(const Arena& arena, const Geometry& geometry, Shootdown& backend,
                         const Options& options)
    : arena_(arena),
      geometry_(geometry),
      backend_(backend),
      options_(options),
      pages_(new OraclePage[arena.bytes() >> kPageShift]),
      doomed_(new std::atomic<std::uint64_t>[arena.bytes() / geometry.block_bytes() + 1]()),
      left_(new std::atomic<std::uint64_t>[arena.bytes() / geometry.block_bytes() + 1]()) {
  assert(backend.gather() == Gather::runs && arena.base() % geometry.block_bytes() == 0);
}

StaleOracle::~StaleOracle() = default;

std::uint64_t StaleOracle::ns_since_begin() const {
  const auto passed = std::chrono::steady_clock::now() - begin_;
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(passed).count());
}

// With the page's lock held. The fence: a load that has read through a restored translation comes
// after the new stamp, which map() has stored before it restored.
ProbeResult StaleOracle::probe(Address page) {
  probes_.fetch_add(1, std::memory_order_relaxed);
  *arena_.next_owner(page) = kNextOwner;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const ProbeResult result = options_.access.read(page);
  if (!result.faulted && result.value != kNextOwner) {
    strange_.fetch_add(1, std::memory_order_relaxed);
  }
  return result;
}

// --- hand-out and free

int StaleOracle::map(const Range& range) {
  const std::uint64_t stamp = stamp_.fetch_add(1, std::memory_order_relaxed) + 1;
  for (Address page = range.start; page < range.end; page += kPageSize) {
    hand_out(page, stamp);
  }
  // Who is handed out is of no doomed block.
  for (std::uint64_t block = block_number(range.start); block <= block_number(range.end - 1);
       ++block) {
    doomed_[block].store(0, std::memory_order_relaxed);
  }
  return backend_.map(range);
}

void StaleOracle::hand_out(Address address, std::uint64_t stamp) {
  for (;;) {
    {
      OraclePage::Held page(page_at(address));
      const PageState state = page.state();
      if (state == PageState::live) {
        const std::lock_guard guard(mutex_);
        ++report_.handed_out_twice;
      }
      if (state != PageState::awaited) {
        StaleAlias alias;
        bool stale = false;
        if (state == PageState::freeing || state == PageState::freed) {
          probed_at_reuse_.fetch_add(1, std::memory_order_relaxed);
          const ProbeResult result = probe(address);
          stale = !result.faulted;
          alias = {.kind = page.planted() ? AliasKind::planted : AliasKind::reused,
                   .address = address,
                   .slot = geometry_.slot(address),
                   .of_block = false,
                   .found_ns = ns_since_begin(),
                   .block_now = "given back",
                   .read = result.value};
        }
        page.hand_out(stamp);
        if (stale) {
          count(alias);
        }
        return;
      }
    }
    const rcu::Offline waiting;
    sched_yield();
  }
}

StaleOracle::Lease StaleOracle::lease(const Range& pages) const {
  const OraclePage::Held page(page_at(pages.start));
  return {pages, page.stamp(), ns_since_begin()};
}

void StaleOracle::about_to_free(const Lease& lease) {
  for (Address address = lease.pages.start; address < lease.pages.end; address += kPageSize) {
    OraclePage::Held page(page_at(address));
    page.set(PageState::freeing);
  }
}

void StaleOracle::freed(const Lease& lease, const FreeReport& report) {
  bool any = false;
  for (Address address = lease.pages.start; address < lease.pages.end; address += kPageSize) {
    OraclePage::Held page(page_at(address));
    if (page.is(PageState::freeing, lease.stamp)) {
      page.set(PageState::freed);
      any = true;
    }
  }
  const bool of_block = lease.pages.pages() <= geometry_.max_alloc_pages();
  Freed freed{lease, report, of_block, ns_since_begin()};
  const std::lock_guard guard(mutex_);
  report_.freed_pages += lease.pages.pages();
  if (any) {
    pending_.push_back(std::move(freed));
  }
}

// --- inside the allocator

std::uint64_t StaleOracle::next_serial() {
  return serial_.fetch_add(1, std::memory_order_acq_rel) + 1;
}

void StaleOracle::block_doomed(Address block_start) {
  doomed_[block_number(block_start)].store(next_serial(), std::memory_order_release);
}

void StaleOracle::block_unlocked() {
  if (options_.also != nullptr) {
    options_.also->block_unlocked();
  }
}

void StaleOracle::block_left(Address block_start) {
  left_[block_number(block_start)].store(next_serial(), std::memory_order_release);
}

void StaleOracle::takes_lazy_list() {
  if (lazy_taken_at != nullptr) {
    *lazy_taken_at = next_serial();
  }
}

int StaleOracle::flush(std::span<const Range> ranges) {
  if (options_.plant_every == 0) {
    return backend_.flush(ranges);
  }
  for (const Range& range : ranges) {
    if (const int failed = flush_or_plant(range); failed != 0) {
      return failed;
    }
  }
  return 0;
}

// The pages of the range are locked all along, so that a probe comes before or after it.
int StaleOracle::flush_or_plant(const Range& range) {
  std::deque<OraclePage::Held> pages;
  std::vector<OraclePage::Held*> unprobed;
  std::uint64_t plantable = 0;
  for (Address address = range.start; address < range.end; address += kPageSize) {
    OraclePage::Held& page = pages.emplace_back(page_at(address));
    const PageState state = page.state();
    if (state == PageState::freeing || state == PageState::freed || state == PageState::awaited) {
      unprobed.push_back(&page);
      plantable += page.covered() || page.planted() ? 0U : 1U;
    }
  }
  const bool plant = plantable != 0 && ++ranges_seen_ % options_.plant_every == 0;
  if (!plant) {
    if (const int failed = backend_.flush(std::span(&range, 1)); failed != 0) {
      return failed;
    }
  }
  std::uint64_t healed = 0;
  for (OraclePage::Held* const page : unprobed) {
    if (!plant) {
      healed += page->planted() ? 1U : 0U;
      page->set_covered();
    } else if (!page->covered()) {
      page->set_planted();
    }
  }
  const std::lock_guard guard(mutex_);
  report_.planted += plant ? plantable : 0;
  report_.planted -= healed;
  report_.planted_covered += healed;
  return 0;
}

// --- a flush and what it has promised

FlushReport StaleOracle::unmap_aliases(VmapAllocator& allocator) {
  Promise promise;
  make(&promise);
  FlushPlan plan(backend_.gather());
  FlushDetail detail;
  lazy_taken_at = &promise.lazy_taken_at;
  const FlushReport report = allocator.unmap_aliases(plan, {}, &detail);
  lazy_taken_at = nullptr;
  if (report.error != Error::none) {
    take_back(&promise);
    return report;
  }
  look(&promise, detail, allocator);
  return report;
}

void StaleOracle::make(Promise* promise) {
  {
    const std::lock_guard guard(mutex_);
    promise->freed.swap(pending_);
    promise->stale.swap(stale_);
  }
  std::vector<Freed> awaited;
  for (Freed& freed : promise->freed) {
    bool any = false;
    for (Address address = freed.lease.pages.start; address < freed.lease.pages.end;
         address += kPageSize) {
      OraclePage::Held page(page_at(address));
      if (page.is(PageState::freed, freed.lease.stamp)) {
        page.set(PageState::awaited);
        any = true;
      }
    }
    if (any) {
      awaited.push_back(std::move(freed));
    } else {
      // All of it has been probed when it was handed out again.
      ++freed.flushes;
      end(freed, true);
    }
  }
  promise->freed.swap(awaited);
}

// The flush has failed, and so promised nothing.
void StaleOracle::take_back(Promise* promise) {
  for (const Freed& freed : promise->freed) {
    for (Address address = freed.lease.pages.start; address < freed.lease.pages.end;
         address += kPageSize) {
      OraclePage::Held page(page_at(address));
      if (page.is(PageState::awaited, freed.lease.stamp)) {
        page.set(PageState::freed);
      }
    }
  }
  const std::lock_guard guard(mutex_);
  std::move(promise->freed.begin(), promise->freed.end(), std::back_inserter(pending_));
  std::move(promise->stale.begin(), promise->stale.end(), std::back_inserter(stale_));
}

void StaleOracle::look(Promise* promise, const FlushDetail& detail,
                       const VmapAllocator& allocator) {
  std::vector<Freed> still_stale;
  for (std::vector<Freed>* const list : {&promise->freed, &promise->stale}) {
    for (Freed& freed : *list) {
      ++freed.flushes;
      if (look_at(&freed, promise, detail, allocator)) {
        still_stale.push_back(std::move(freed));
      } else {
        end(freed, true);
      }
    }
  }
  const std::lock_guard guard(mutex_);
  ++report_.flushes;
  windows_.merge(promise->windows);
  std::move(still_stale.begin(), still_stale.end(), std::back_inserter(stale_));
}

// True: some page of the request is stale.
bool StaleOracle::look_at(Freed* freed, Promise* promise, const FlushDetail& detail,
                          const VmapAllocator& allocator) {
  bool any = false;
  const Range& pages = freed->lease.pages;
  for (Address address = pages.start; address < pages.end; address += kPageSize) {
    ProbeResult result;
    bool planted = false;
    BlockEnd end{};
    {
      OraclePage::Held page(page_at(address));
      if (!page.is(PageState::awaited, freed->lease.stamp) &&
          !page.is(PageState::stale, freed->lease.stamp)) {
        continue;
      }
      end = end_of_block(address);
      result = probe(address);
      planted = page.planted();
      page.set(result.faulted ? PageState::gone : PageState::stale);
    }
    if (result.faulted) {
      continue;
    }
    any = true;
    const AliasKind kind = planted ? AliasKind::planted : kind_of(address, end, promise, detail);
    const auto [known, is_new] = freed->kinds.try_emplace(address, kind);
    if (is_new || known->second != kind) {
      known->second = kind;
      StaleAlias alias = history(*freed, address, allocator);
      alias.kind = kind;
      alias.read = result.value;
      count(alias);
    }
  }
  return any;
}

StaleOracle::BlockEnd StaleOracle::end_of_block(Address page) const {
  const std::uint64_t block = block_number(page);
  return {doomed_[block].load(std::memory_order_acquire),
          left_[block].load(std::memory_order_acquire)};
}

AliasKind StaleOracle::kind_of(Address page, const BlockEnd& end, Promise* promise,
                               const FlushDetail& detail) const {
  const std::uint64_t taken_at = promise->lazy_taken_at;
  const bool inside =
      end.doomed != 0 && end.doomed < taken_at && (end.left < end.doomed || end.left > taken_at);
  const bool taken = std::any_of(detail.lazy.begin(), detail.lazy.end(), [&](const Range& area) {
    return area.start <= page && page < area.end;
  });
  if (!inside || taken) {
    return AliasKind::missed;
  }
  promise->windows.insert(end.doomed);
  return AliasKind::window;
}

StaleAlias StaleOracle::history(const Freed& freed, Address page,
                                const VmapAllocator& allocator) const {
  StaleAlias alias{.address = page,
                   .block = freed.report.serial,
                   .slot = geometry_.slot(page),
                   .of_block = freed.of_block,
                   .handed_out_ns = freed.lease.handed_out_ns,
                   .freed_ns = freed.freed_ns,
                   .found_ns = ns_since_begin(),
                   .never_used_then = freed.report.free,
                   .block_now = "gone",
                   .flushes = freed.flushes};
  const auto view = freed.of_block ? allocator.block_view(page) : std::nullopt;
  if (view && view->serial == freed.report.serial) {
    alias.block_now = view->on_list ? "on its free list" : "full";
  }
  return alias;
}

void StaleOracle::count(const StaleAlias& alias) {
  const std::lock_guard guard(mutex_);
  switch (alias.kind) {
    case AliasKind::missed:
      ++report_.missed;
      break;
    case AliasKind::window:
      ++report_.window;
      break;
    case AliasKind::planted:
      ++report_.planted_found;
      break;
    case AliasKind::reused:
      ++report_.reused_unflushed;
      break;
  }
  const auto told = std::count_if(report_.first.begin(), report_.first.end(),
                                  [&](const StaleAlias& one) { return one.kind == alias.kind; });
  if (static_cast<std::size_t>(told) < kMostTold) {
    report_.first.push_back(alias);
  }
}

Deferral StaleOracle::deferral_of(const Freed& freed, bool gone) const {
  const auto in_window = [](const auto& page) { return page.second == AliasKind::window; };
  return {.flushes = freed.flushes,
          .ns = ns_since_begin() - freed.freed_ns,
          .pages = freed.lease.pages.pages(),
          .ended = gone,
          .window = !freed.kinds.empty() &&
                    std::all_of(freed.kinds.begin(), freed.kinds.end(), in_window)};
}

// A page of a full block is what the free-list walk misses: of one that was full when the page was
// freed, or before the flush.
void StaleOracle::end(const Freed& freed, bool gone) {
  const bool missed = freed.flushes >= (gone ? 2U : 1U);
  const bool of_full = freed.of_block && freed.report.free == 0 && !freed.report.block_freed;
  if (!options_.deferrals || (!of_full && !missed)) {
    return;
  }
  const Deferral deferral = deferral_of(freed, gone);
  const std::lock_guard guard(mutex_);
  report_.deferrals.push_back(deferral);
}

OracleReport StaleOracle::report() const {
  const std::lock_guard guard(mutex_);
  OracleReport report = report_;
  report.probes = probes_.load(std::memory_order_relaxed);
  report.probed_at_reuse = probed_at_reuse_.load(std::memory_order_relaxed);
  report.windows = windows_.size();
  report.strange = strange_.load(std::memory_order_relaxed);
  for (const Freed& freed : stale_) {
    if (options_.deferrals) {
      report.deferrals.push_back(deferral_of(freed, false));
    }
  }
  return report;
}

}  // namespace flushwalk
