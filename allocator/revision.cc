#include "allocator/revision.h"

#include <array>

namespace flushwalk {
namespace {

constexpr Behaviors kBefore{.name = "v6.4",
                            .walk = Walk::free_list,
                            .purge_in_walk = false,
                            .reset_collected_range = false,
                            .unlocked_free_check = false,
                            .keep_usable_blocks = false,
                            .purge_lock = PurgeLock::walked,
                            .bucket_hash = BucketHash::possible_count,
                            .zero_size = ZeroSize::null};

// Each row is the row before it and one change: that is what a patch is.
constexpr std::array<Behaviors, 8> make_revisions() {
  std::array<Behaviors, 8> rows{};
  Behaviors row = kBefore;
  rows[0] = row;
  row.name = "p1";
  row.walk = Walk::xarray;
  rows[1] = row;
  row.name = "p2";
  row.purge_in_walk = true;
  rows[2] = row;
  row.name = "p3";
  row.reset_collected_range = true;
  rows[3] = row;
  row.name = "p4";
  row.unlocked_free_check = true;
  rows[4] = row;
  row.name = "p5";
  rows[5] = row;
  row.name = "p6";
  row.keep_usable_blocks = true;
  rows[6] = row;
  row.name = "v6.12";
  row.purge_lock = PurgeLock::owner;
  row.bucket_hash = BucketHash::next_possible_cpu;
  row.zero_size = ZeroSize::invalid;
  rows[7] = row;
  return rows;
}

constexpr std::array<Behaviors, 8> kRevisions = make_revisions();

}  // namespace

std::span<const Behaviors> revisions() { return kRevisions; }

bool can_walk(const Behaviors& revision, Walk walk) {
  const bool forgets =
      walk == Walk::marked || walk == Walk::dirty_list || walk == Walk::list_and_full;
  return revision.reset_collected_range || !forgets;
}

const Behaviors* find_revision(std::string_view name) {
  for (const Behaviors& revision : kRevisions) {
    if (revision.name == name) {
      return &revision;
    }
  }
  return nullptr;
}

std::string_view revision_names() { return "v6.4, p1, p2, p3, p4, p5, p6, v6.12"; }

std::string walk_names() {
  std::string names;
  for (const Walk walk : kWalks) {
    names += names.empty() ? "" : ", ";
    names += name_of(walk);
  }
  return names;
}

std::string_view name_of(Walk walk) {
  switch (walk) {
    case Walk::free_list:
      return "free_list";
    case Walk::xarray:
      return "xarray";
    case Walk::cursor_scan:
      return "cursor_scan";
    case Walk::cursor:
      return "cursor";
    case Walk::marked:
      return "marked";
    case Walk::dirty_list:
      return "dirty_list";
    case Walk::list_and_full:
      return "list_and_full";
  }
  return "unknown";
}

std::string_view name_of(Check check) { return check == Check::locked ? "locked" : "lockless"; }

std::string_view name_of(IndexLayout layout) {
  return layout == IndexLayout::kernel ? "kernel" : "dense";
}

std::string_view name_of(LastFree last_free) {
  switch (last_free) {
    case LastFree::lazy:
      return "lazy";
    case LastFree::closed_window:
      return "closed_window";
    case LastFree::direct_return:
      return "direct_return";
  }
  return "unknown";
}

}  // namespace flushwalk
