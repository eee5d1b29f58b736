#include "allocator/shootdown.h"

#include <fmt/core.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "allocator/arena.h"
#include "allocator/range_set.h"
#include "allocator/spin_lock.h"

namespace flushwalk {
namespace {

int protect(const Range& range, int protection) {
  return mprotect(reinterpret_cast<void*>(range.start), range.end - range.start, protection) == 0
             ? 0
             : errno;
}

class NoShootdown final : public Shootdown {
 public:
  int flush(std::span<const Range> /*ranges*/) override { return 0; }
  int map(const Range& /*range*/) override { return 0; }
};

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

// One mprotect flushes a range when it changes the permission of all of it. So the set of
// executable ranges is kept: a range that is all executable loses it, one without any gains it; one
// of both kinds needs two calls.
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
  // Each executable range is a VMA; the kernel's default limit is 65,530.
  static constexpr std::size_t kMostExecutableRanges = 4096;

  int flush_one(const Range& range) {
    if (executable_.size() >= kMostExecutableRanges) {
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

// Revoke backends remember which pages they have revoked, and map() restores those. A flush and a
// map() at the same time never mean the same pages (freed ones, and ones just handed out), so the
// lock guards the set alone.
class Revoking : public Shootdown {
 public:
  Gather gather() const final { return Gather::runs; }

  int flush(std::span<const Range> ranges) final {
    for (const Range& range : ranges) {
      ++calls_;
      if (const int error = revoke(range); error != 0) {
        return error;
      }
      const std::lock_guard guard(lock_);
      revoked_.add(range);
    }
    return 0;
  }

  int map(const Range& range) final {
    std::vector<Range> parts;
    {
      const std::lock_guard guard(lock_);
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

  SpinLock lock_;
  RangeSet revoked_;
};

class MprotectNone final : public Revoking {
  int revoke(const Range& range) override { return protect(range, PROT_NONE); }
  int restore(const Range& range) override { return protect(range, PROT_READ | PROT_WRITE); }
};

class Munmap final : public Revoking {
 public:
  explicit Munmap(const Arena& arena) : arena_(arena) {}

 private:
  int revoke(const Range& range) override {
    return ::munmap(reinterpret_cast<void*>(range.start), range.end - range.start) == 0 ? 0 : errno;
  }
  int restore(const Range& range) override { return arena_.map_again(range); }

  const Arena& arena_;
};

}  // namespace

std::string_view name_of(ShootdownKind kind) {
  switch (kind) {
    case ShootdownKind::none:
      return "none";
    case ShootdownKind::noop:
      return "noop";
    case ShootdownKind::mprotect_range:
      return "mprotect_range";
    case ShootdownKind::mprotect:
      return "mprotect";
    case ShootdownKind::munmap:
      return "munmap";
  }
  return "unknown";
}

bool revokes(ShootdownKind kind) {
  return kind == ShootdownKind::mprotect || kind == ShootdownKind::munmap;
}

bool interrupts(ShootdownKind kind) {
  return kind == ShootdownKind::mprotect_range || revokes(kind);
}

Gather gather_for(ShootdownKind kind) { return revokes(kind) ? Gather::runs : Gather::hull; }

std::unique_ptr<Shootdown> make_shootdown(ShootdownKind kind, Arena* arena) {
  switch (kind) {
    case ShootdownKind::none:
      break;
    case ShootdownKind::noop:
      return std::make_unique<Noop>();
    case ShootdownKind::mprotect_range:
      return std::make_unique<MprotectRange>(*arena);
    case ShootdownKind::mprotect:
      return std::make_unique<MprotectNone>();
    case ShootdownKind::munmap:
      return std::make_unique<Munmap>(*arena);
  }
  return std::make_unique<NoShootdown>();
}

std::string why_unsupported(ShootdownKind kind) {
  if (kind == ShootdownKind::none) {
    return {};
  }
  std::string error;
  const auto arena = Arena::create(kPageSize, kPageSize, &error);
  if (arena == nullptr) {
    return error;
  }
  *Arena::at(arena->base()) = 1;
  const auto shootdown = make_shootdown(kind, arena.get());
  const Range page = arena->range();
  if (const int failed = shootdown->flush(std::span(&page, 1)); failed != 0) {
    return fmt::format("the kernel refuses it: {}", std::strerror(failed));
  }
  return {};
}

}  // namespace flushwalk
