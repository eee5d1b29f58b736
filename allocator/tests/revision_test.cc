#include "allocator/revision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace flushwalk {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The names of the behaviours in which two rows differ.
std::vector<std::string> changes(const Behaviors& before, const Behaviors& after) {
  std::vector<std::string> names;
  const auto compare = [&](const char* name, bool differs) {
    if (differs) {
      names.emplace_back(name);
    }
  };
  compare("walk", before.walk != after.walk);
  compare("purge_in_walk", before.purge_in_walk != after.purge_in_walk);
  compare("reset_collected_range", before.reset_collected_range != after.reset_collected_range);
  compare("unlocked_free_check", before.unlocked_free_check != after.unlocked_free_check);
  compare("keep_usable_blocks", before.keep_usable_blocks != after.keep_usable_blocks);
  compare("purge_lock", before.purge_lock != after.purge_lock);
  compare("bucket_hash", before.bucket_hash != after.bucket_hash);
  compare("zero_size", before.zero_size != after.zero_size);
  return names;
}

const Behaviors& row(std::string_view name) {
  const Behaviors* const found = find_revision(name);
  if (found == nullptr) {
    throw std::runtime_error("no such revision");
  }
  return *found;
}

TEST(Revisions, TheFirstIsTheKernelBeforeTheSeries) {
  const Behaviors& before = row("v6.4");
  EXPECT_EQ(before.walk, Walk::free_list);
  EXPECT_FALSE(before.purge_in_walk);
  EXPECT_FALSE(before.reset_collected_range);
  EXPECT_FALSE(before.unlocked_free_check);
  EXPECT_FALSE(before.keep_usable_blocks);
  EXPECT_EQ(before.purge_lock, PurgeLock::walked);
  EXPECT_EQ(before.bucket_hash, BucketHash::possible_count);
  EXPECT_EQ(before.zero_size, ZeroSize::null);
}

TEST(Revisions, EachPatchChangesWhatItSays) {
  EXPECT_THAT(changes(row("v6.4"), row("p1")), ElementsAre("walk"));
  EXPECT_THAT(changes(row("p1"), row("p2")), ElementsAre("purge_in_walk"));
  EXPECT_THAT(changes(row("p2"), row("p3")), ElementsAre("reset_collected_range"));
  EXPECT_THAT(changes(row("p3"), row("p4")), ElementsAre("unlocked_free_check"));
  EXPECT_THAT(changes(row("p4"), row("p5")), IsEmpty());
  EXPECT_THAT(changes(row("p5"), row("p6")), ElementsAre("keep_usable_blocks"));
  EXPECT_THAT(changes(row("p6"), row("v6.12")),
              ElementsAre("purge_lock", "bucket_hash", "zero_size"));
}

TEST(Revisions, StandInTheOrderOfHistoryAndAreAllNamedInTheErrorText) {
  std::string names;
  for (const Behaviors& revision : revisions()) {
    names += names.empty() ? "" : ", ";
    names += revision.name;
    EXPECT_EQ(find_revision(revision.name), &revision);
  }
  EXPECT_EQ(names, revision_names());
  EXPECT_EQ(names, "v6.4, p1, p2, p3, p4, p5, p6, v6.12");
}

TEST(Revisions, AnUnknownNameIsNotFound) {
  for (const char* const name : {"", "p0", "p7", "P1", "v6", "v6.12 "}) {
    EXPECT_EQ(find_revision(name), nullptr) << name;
  }
}

TEST(WalkName, IsWhatTheCommandLineTakes) {
  EXPECT_EQ(name_of(Walk::free_list), "free_list");
  EXPECT_EQ(name_of(Walk::xarray), "xarray");
}

}  // namespace
}  // namespace flushwalk
