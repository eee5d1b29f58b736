// stale_alias: the case of patch 1 on real memory, step by step: a freed page of a fully used
// block, its next owner, and what the page's old address still does after unmap_aliases.
#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "allocator/arena.h"
#include "allocator/fault_probe.h"
#include "allocator/vmap_allocator.h"

namespace flushwalk {
namespace {

constexpr unsigned kSlots = 128;  // the smallest block of a 64-bit kernel: two requests fill it
constexpr unsigned kPages = 64;
constexpr std::uint8_t kOldData = 'y';
constexpr std::uint8_t kNewData = 'n';
constexpr std::uint8_t kIntruder = '!';

struct Outcome {
  std::string walk;
  std::string revision;
  FlushReport flush;
  std::uint64_t stale_pages = 0;
  ProbeResult read;
  ProbeResult write;
  std::uint8_t owner_sees = 0;

  bool read_new_owner() const { return !read.faulted && read.value == kNewData; }
  bool overwrote_new_owner() const { return !write.faulted && owner_sees == kIntruder; }
  bool stale() const { return read_new_owner() && overwrote_new_owner(); }
  bool revoked() const { return read.faulted && write.faulted && owner_sees == kNewData; }
};

class Story {
 public:
  Story(ShootdownKind backend, bool talk) : backend_(backend), talk_(talk) {}

  // False, with a line on standard error, when the machine does not let the story happen.
  bool tell(const Behaviors& revision, Outcome* outcome) {
    Geometry geometry(0, kSlots);
    std::string error;
    const auto arena = Arena::create(geometry.block_bytes(), geometry.block_bytes(), &error);
    if (arena == nullptr) {
      std::cerr << "stale_alias: " << error << '\n';
      return false;
    }
    const auto shootdown = make_shootdown(backend_, arena.get());
    Ledger ledger;
    VmapAllocator allocator({.geometry = Geometry(arena->base(), kSlots),
                             .space_blocks = 1,
                             .revision = &revision,
                             .shootdown = shootdown.get(),
                             .ledger = &ledger});
    outcome->walk = name_of(revision.walk);
    outcome->revision = revision.name;
    say("\n{} walk (revision {}):", outcome->walk, revision.name);
    const AllocReport x = allocator.map_ram(0, kPages);
    const AllocReport y = allocator.map_ram(0, kPages);
    if (x.error != Error::none || y.error != Error::none) {
      std::cerr << "stale_alias: map_ram: " << name_of(x.error != Error::none ? x.error : y.error)
                << '\n';
      return false;
    }
    *Arena::at(y.address) = kOldData;
    say("  1. X and Y, {} pages each, fill a block of {}. Nothing is left to hand out, so the "
        "block leaves its "
        "free list{}.",
        kPages, kSlots, y.left_list ? "" : " (it did not!)");
    allocator.unmap_ram(y.address, kPages);
    say("  2. Y is freed. That is lazy: {} pages are dirty, no TLB has been told.",
        ledger.stale_pages());
    volatile std::uint8_t* const owner = arena->next_owner(y.address);
    *owner = kNewData;
    say("  3. Y's first page gets a new owner, who writes '{}' to it.",
        static_cast<char>(kNewData));
    FlushPlan plan(gather_for(backend_));
    outcome->flush = allocator.unmap_aliases(plan);
    if (outcome->flush.error != Error::none) {
      std::cerr << fmt::format("stale_alias: {}: {}\n", name_of(backend_),
                               std::strerror(outcome->flush.system_errno));
      return false;
    }
    outcome->stale_pages = ledger.stale_pages();
    say("  4. unmap_aliases promises that no stale alias is left. The walk visits {} block{} and "
        "flushes {} pages.",
        outcome->flush.visited, outcome->flush.visited == 1 ? "" : "s",
        outcome->flush.flushed_pages);
    outcome->read = probe_read(y.address);
    outcome->write = probe_write(y.address, kIntruder);
    outcome->owner_sees = *owner;
    tell_end(*outcome);
    return true;
  }

 private:
  template <class... Arguments>
  void say(fmt::format_string<Arguments...> format, Arguments&&... arguments) const {
    if (talk_) {
      fmt::print(format, std::forward<Arguments>(arguments)...);
      fmt::print("\n");
    }
  }

  void tell_end(const Outcome& outcome) const {
    if (outcome.read.faulted) {
      say("  5. Reading Y's old address faults ({}).", fault_name(outcome.read.signal_code));
    } else {
      say("  5. Reading Y's old address gives '{}'{}.", static_cast<char>(outcome.read.value),
          outcome.read_new_owner() ? ": the new owner's data" : "");
    }
    if (outcome.write.faulted) {
      say("  6. Writing there faults ({}). The new owner still has '{}'.",
          fault_name(outcome.write.signal_code), static_cast<char>(outcome.owner_sees));
    } else {
      say("  6. Writing '{}' there works, and the new owner now has '{}'.",
          static_cast<char>(kIntruder), static_cast<char>(outcome.owner_sees));
    }
    say("  => {}", outcome.stale()     ? "a stale alias, 15 years in the kernel"
                   : outcome.revoked() ? "no stale alias"
                                       : "neither: this should not happen");
  }

  ShootdownKind backend_;
  bool talk_;
};

nlohmann::ordered_json to_json(const Outcome& outcome) {
  nlohmann::ordered_json json;
  json["walk"] = outcome.walk;
  json["revision"] = outcome.revision;
  json["visited_blocks"] = outcome.flush.visited;
  json["flushes"] = outcome.flush.flushes;
  json["flushed_pages"] = outcome.flush.flushed_pages;
  json["stale_pages"] = outcome.stale_pages;
  json["stale"] = outcome.stale();
  json["read_new_owner"] = outcome.read_new_owner();
  json["overwrote_new_owner"] = outcome.overwrote_new_owner();
  json["fault"] = outcome.read.faulted
                      ? nlohmann::ordered_json(fault_name(outcome.read.signal_code))
                      : nlohmann::ordered_json(nullptr);
  return json;
}

int run(ShootdownKind backend, bool json) {
  if (const std::string reason = why_unsupported(backend); !reason.empty()) {
    std::cerr << fmt::format("stale_alias: --shootdown: {}: {}\n", name_of(backend), reason);
    return 2;
  }
  Story story(backend, !json);
  Outcome before;
  Outcome after;
  if (!story.tell(*find_revision("v6.4"), &before) || !story.tell(*find_revision("p1"), &after)) {
    return 1;
  }
  const bool seen = before.stale() && after.revoked();
  if (json) {
    nlohmann::ordered_json all;
    all["ok"] = seen;
    all["shootdown"] = name_of(backend);
    all["walks"] = {to_json(before), to_json(after)};
    fmt::print("{}\n", all.dump(2));
  } else {
    fmt::print("\n{}\n",
               seen ? "Seen: the free-list walk leaves a stale alias, the xarray walk does not."
                    : "Not seen as expected.");
  }
  return seen ? 0 : 1;
}

}  // namespace
}  // namespace flushwalk

int main(int argc, char** argv) {
  using flushwalk::ShootdownKind;
  const std::map<std::string, ShootdownKind> kinds = {{"mprotect", ShootdownKind::mprotect},
                                                      {"munmap", ShootdownKind::munmap},
                                                      {"guard", ShootdownKind::guard}};
  CLI::App app(
      "Shows on real memory that the free-list walk (v6.4) leaves a stale alias and the xarray "
      "walk (patch 1) does "
      "not. Exit 0 only when both were seen.");
  bool json = false;
  std::string backend = "mprotect";
  app.add_flag("--json", json, "one JSON object instead of the story");
  app.add_option("--shootdown", backend, "how a flush revokes: mprotect, munmap or guard")
      ->check(CLI::IsMember(kinds))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    std::cerr << "stale_alias: " << error.what() << '\n';
    return 2;
  }
  return flushwalk::run(kinds.at(backend), json);
}
