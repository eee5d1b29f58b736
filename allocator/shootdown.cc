#include "allocator/shootdown.h"

#include <fmt/core.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "allocator/shootdown_backends.h"

namespace flushwalk {
namespace {

class NoShootdown final : public Shootdown {
 public:
  int flush(std::span<const Range> /*ranges*/) override { return 0; }
  int map(const Range& /*range*/) override { return 0; }
};

// noop: an mprotect a range, which finds nothing to change. Source: mprotect(2).
class Noop final : public Shootdown {
 public:
  int flush(std::span<const Range> ranges) override {
    for (const Range& range : ranges) {
      ++calls_;
      if (const int error = protect(range, PROT_READ | PROT_WRITE); error != 0) {
        return error;
      }
    }
    return 0;
  }
  int map(const Range& /*range*/) override { return 0; }
};

// membarrier: one MEMBARRIER_CMD_PRIVATE_EXPEDITED a flush, whatever its ranges; none without any.
// Every CPU that runs a thread of this process is interrupted, and does nothing then. Not in the
// kernel's TLB row: it is a function call interrupt.
//
// Errors: of the registration, which the first flush tells: ENOSYS before Linux 4.14, or without
// CONFIG_MEMBARRIER. Source: membarrier(2).
class Membarrier final : public Shootdown {
 public:
  Membarrier() : unregistered_(call(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)) {}

  int flush(std::span<const Range> ranges) override {
    if (ranges.empty() || unregistered_ != 0) {
      return ranges.empty() ? 0 : unregistered_;
    }
    ++calls_;
    return call(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
  }
  int map(const Range& /*range*/) override { return 0; }

 private:
  static int call(int command) { return syscall(SYS_membarrier, command, 0, 0) == 0 ? 0 : errno; }

  int unregistered_;  // an errno
};

struct Facts {
  const char* name;
  const char* call;
  ShootdownFamily family;
};

Facts facts_of(ShootdownKind kind) {
  switch (kind) {
    case ShootdownKind::none:
      return {"none", "", ShootdownFamily::none};
    case ShootdownKind::noop:
      return {"noop", "mprotect", ShootdownFamily::none};
    case ShootdownKind::membarrier:
      return {"membarrier", "membarrier(PRIVATE_EXPEDITED)", ShootdownFamily::none};
    case ShootdownKind::mprotect_range:
      return {"mprotect_range", "mprotect(READ|WRITE|EXEC)", ShootdownFamily::range};
    case ShootdownKind::cold_range:
      return {"cold_range", "madvise(COLD)", ShootdownFamily::range};
    case ShootdownKind::mprotect:
      return {"mprotect", "mprotect(NONE)", ShootdownFamily::revoke};
    case ShootdownKind::munmap:
      return {"munmap", "munmap", ShootdownFamily::revoke};
    case ShootdownKind::guard:
      return {"guard", "madvise(GUARD_INSTALL) on shared memory", ShootdownFamily::revoke};
    case ShootdownKind::dontneed:
      return {"dontneed", "madvise(DONTNEED)", ShootdownFamily::drop};
  }
  return {"unknown", "", ShootdownFamily::none};
}

}  // namespace

std::string_view name_of(ShootdownKind kind) { return facts_of(kind).name; }

ShootdownFamily family_of(ShootdownKind kind) { return facts_of(kind).family; }

bool revokes(ShootdownKind kind) { return family_of(kind) == ShootdownFamily::revoke; }

bool flushes_tlb(ShootdownKind kind) { return family_of(kind) != ShootdownFamily::none; }

bool interrupts(ShootdownKind kind) {
  return flushes_tlb(kind) || kind == ShootdownKind::membarrier;
}

bool wants_touched_pages(ShootdownKind kind) {
  return flushes_tlb(kind) && kind != ShootdownKind::mprotect_range;
}

bool splits_mappings(Gather gather, ShootdownKind kind) {
  const bool splits = kind == ShootdownKind::mprotect_range || kind == ShootdownKind::mprotect ||
                      kind == ShootdownKind::munmap;
  return splits && is_array(gather);
}

Arena::Memory memory_for(ShootdownKind kind) {
  return kind == ShootdownKind::dontneed ? Arena::Memory::anonymous : Arena::Memory::shared;
}

Gather gather_for(ShootdownKind kind) {
  const ShootdownFamily family = family_of(kind);
  const bool takes = family == ShootdownFamily::revoke || family == ShootdownFamily::drop;
  return takes ? Gather::runs : Gather::hull;
}

std::string why_senseless(Gather gather, ShootdownKind kind) {
  if (gather_for(kind) != Gather::runs || gather == Gather::runs) {
    return {};
  }
  return fmt::format("{} takes {} away, and {} covers slots in use: it goes with runs alone",
                     name_of(kind), revokes(kind) ? "access" : "data", name_of(gather));
}

std::unique_ptr<Shootdown> make_shootdown(ShootdownKind kind, Arena* arena) {
  switch (kind) {
    case ShootdownKind::none:
      break;
    case ShootdownKind::noop:
      return std::make_unique<Noop>();
    case ShootdownKind::membarrier:
      return std::make_unique<Membarrier>();
    case ShootdownKind::mprotect_range:
      return make_mprotect_range(*arena);
    case ShootdownKind::cold_range:
      return make_cold_range();
    case ShootdownKind::mprotect:
      return make_mprotect_none();
    case ShootdownKind::munmap:
      return make_munmap(*arena);
    case ShootdownKind::guard:
      return make_guard();
    case ShootdownKind::dontneed:
      assert(arena->memory() == Arena::Memory::anonymous);
      return make_dontneed();
  }
  return std::make_unique<NoShootdown>();
}

std::string why_unsupported(ShootdownKind kind) {
  if (kind == ShootdownKind::none) {
    return {};
  }
  std::string error;
  const auto arena = Arena::create(kPageSize, kPageSize, &error, memory_for(kind));
  if (arena == nullptr) {
    return error;
  }
  *Arena::at(arena->base()) = 1;
  const auto shootdown = make_shootdown(kind, arena.get());
  const Range page = arena->range();
  if (const int failed = shootdown->flush(std::span(&page, 1)); failed != 0) {
    return fmt::format("the kernel refuses {}: {}", facts_of(kind).call, std::strerror(failed));
  }
  return {};
}

}  // namespace flushwalk
