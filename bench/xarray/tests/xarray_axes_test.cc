#include "bench/xarray/xarray_axes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace flushwalk {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

std::vector<std::string> names(const XArrayTexts& texts) {
  const auto made = make_xarray_groups(texts);
  std::vector<std::string> all;
  if (const auto* const problem = std::get_if<Problem>(&made)) {
    return {problem->line()};
  }
  for (const XArrayGroup& group : std::get<std::vector<XArrayGroup>>(made)) {
    for (const XArrayRival& rival : group.rivals) {
      all.push_back(case_name(group.axes, rival));
    }
    all.push_back("--");
  }
  return all;
}

TEST(XArrayAxes, ContainersOfOneOperationAreRivals) {
  EXPECT_THAT(names({"std_map,xarray", "load,erase", "64", "dense,random"}),
              ElementsAre("xarray/container:std_map/operation:load/entries:64/keys:dense",
                          "xarray/container:xarray/operation:load/entries:64/keys:dense", "--",
                          "xarray/container:std_map/operation:erase/entries:64/keys:dense",
                          "xarray/container:xarray/operation:erase/entries:64/keys:dense", "--",
                          "xarray/container:std_map/operation:load/entries:64/keys:random",
                          "xarray/container:xarray/operation:load/entries:64/keys:random", "--",
                          "xarray/container:std_map/operation:erase/entries:64/keys:random",
                          "xarray/container:xarray/operation:erase/entries:64/keys:random", "--"));
}

TEST(XArrayAxes, AllIterationsAreRivals) {
  EXPECT_THAT(
      names({"std_map,xarray", "iterate_cursor,load,iterate,iterate_marked", "64", "every_64th"}),
      ElementsAre("xarray/container:xarray/operation:iterate_cursor/entries:64/keys:every_64th",
                  "xarray/container:std_map/operation:iterate/entries:64/keys:every_64th",
                  "xarray/container:xarray/operation:iterate/entries:64/keys:every_64th",
                  "xarray/container:xarray/operation:iterate_marked/entries:64/keys:every_64th",
                  "--", "xarray/container:std_map/operation:load/entries:64/keys:every_64th",
                  "xarray/container:xarray/operation:load/entries:64/keys:every_64th", "--"));
}

TEST(XArrayAxes, WhatTheContainerDoesNotHaveIsLeftOut) {
  EXPECT_THAT(names({"std_map", "set_mark,load", "64", "dense"}),
              ElementsAre("xarray/container:std_map/operation:load/entries:64/keys:dense", "--"));
  EXPECT_THAT(names({"std_map", "set_mark,iterate_cursor", "64", "dense"}),
              ElementsAre("--operation: only the xarray has set_mark,iterate_cursor; "
                          "--container=std_map is without"));
}

TEST(XArrayAxes, TheDefaultIsAllThatIsIn) {
  std::size_t in = 0;
  for (const ContainerKind kind : kContainerKinds) {
    in += why_absent(kind).empty() ? 1U : 0U;
  }
  const auto made = make_xarray_groups({kAvailable, "load", "64", "dense"});
  ASSERT_TRUE(std::holds_alternative<std::vector<XArrayGroup>>(made));
  const auto& groups = std::get<std::vector<XArrayGroup>>(made);
  ASSERT_THAT(groups, SizeIs(1));
  EXPECT_THAT(groups[0].rivals, SizeIs(in));
  EXPECT_EQ(groups[0].rivals[0], (XArrayRival{ContainerKind::xarray, IndexOperation::load}));
}

TEST(XArrayAxes, AnAbsentContainerIsRefusedByName) {
  for (const ContainerKind kind : kContainerKinds) {
    const std::string why = why_absent(kind);
    const std::string name(name_of(kind));
    const auto made = make_xarray_groups({"xarray," + name, "load", "64", "dense"});
    const auto* const problem = std::get_if<Problem>(&made);
    if (kind != ContainerKind::xarray && why.empty()) {
      EXPECT_EQ(problem, nullptr);
    } else if (kind != ContainerKind::xarray) {
      ASSERT_NE(problem, nullptr);
      EXPECT_EQ(problem->line(), "--container: " + name + ": " + why);
      EXPECT_THAT(why, HasSubstr("Debian: lib"));
      EXPECT_THAT(absent_containers(), HasSubstr(name));
    }
  }
}

TEST(XArrayAxes, TheListNamesEachContainerOnce) {
  const std::string list = container_list();
  EXPECT_THAT(list, StartsWith("xarray          available\nstd_map         available\n"));
  for (const ContainerKind kind : kContainerKinds) {
    const std::string why = why_absent(kind);
    std::string line(name_of(kind));
    line.resize(16, ' ');
    EXPECT_THAT(list, HasSubstr(line + (why.empty() ? "available" : why) + "\n"));
  }
}

struct Refused {
  XArrayTexts texts;
  std::string line;
};

class RefusedTexts : public ::testing::TestWithParam<Refused> {};

TEST_P(RefusedTexts, IsTold) { EXPECT_THAT(names(GetParam().texts), ElementsAre(GetParam().line)); }

INSTANTIATE_TEST_SUITE_P(
    XArrayAxes, RefusedTexts,
    ::testing::Values(
        Refused{{"hash", "load", "64", "dense"},
                "--container: hash is not one of xarray, std_map, absl_btree_map, judyl, lfht"},
        Refused{{"xarray,available", "load", "64", "dense"},
                "--container: available is not one of xarray, std_map, absl_btree_map, judyl, "
                "lfht"},
        Refused{{"xarray,xarray", "load", "64", "dense"}, "--container: xarray is named twice"},
        Refused{{"xarray", "find", "64", "dense"},
                "--operation: find is not one of insert, load, erase, iterate, iterate_cursor, "
                "iterate_cursor_scan, iterate_marked, set_mark"},
        Refused{{"xarray", "load", "15", "dense"}, "--entries: 15 is not in 16..1048576"},
        Refused{{"xarray", "load", "1048577", "dense"}, "--entries: 1048577 is not in 16..1048576"},
        Refused{{"xarray", "load", "64", "sparse"},
                "--keys: sparse is not one of dense, every_64th, random"}));

}  // namespace
}  // namespace flushwalk
