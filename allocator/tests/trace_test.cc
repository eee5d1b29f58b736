// The parser of traces, and what a replay refuses. That replays equal the kernel's answers is
// compare_traces.py's to say.
#include "allocator/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "allocator/replay.h"

namespace flushwalk {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::vector<TraceOperation> read(const std::string& text) {
  std::istringstream in(text);
  TraceReader reader(in, "t");
  std::vector<TraceOperation> operations;
  TraceOperation operation;
  while (reader.next(&operation)) {
    operations.push_back(operation);
  }
  return operations;
}

TraceSetup setup_of(const std::string& text) {
  std::istringstream in(text);
  return TraceReader(in, "t").setup();
}

// What is said of a trace that must be refused.
std::string refusal(const std::string& text) {
  try {
    read(text);
  } catch (const TraceError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(TraceSetup, Defaults) {
  const TraceSetup setup = setup_of("");
  EXPECT_EQ(setup.cpus.list(), PossibleCpus::first(1).list());
  EXPECT_EQ(setup.slots, 1024U);
  EXPECT_EQ(setup.base, 0xffffc90000000000U);
  EXPECT_FALSE(setup.space_blocks.has_value());
  EXPECT_FALSE(setup.lazy_max_pages.has_value());
}

TEST(TraceSetup, EachLineIsRead) {
  const TraceSetup setup = setup_of(
      "# a comment\n\n  bits 128 # slots\ncpus 4\r\n\tbase 0xffff000000005000\nspace 7\n"
      "lazymax 0\nstate\n");
  EXPECT_EQ(setup.slots, 128U);
  EXPECT_EQ(setup.cpus.count(), 4U);
  EXPECT_EQ(setup.base, 0xffff000000005000U);
  EXPECT_EQ(setup.space_blocks, 7U);
  EXPECT_EQ(setup.lazy_max_pages, 0U);
  EXPECT_EQ(setup_of("possible 0,3,9").cpus.list(), (std::vector<unsigned>{0, 3, 9}));
  EXPECT_EQ(setup_of("possible 2").cpus.ids(), 3U);
  EXPECT_EQ(setup_of("base FFFF0000").base, 0xffff0000U);
  EXPECT_EQ(setup_of("bits 2").slots, 2U);
  EXPECT_EQ(setup_of("bits 4096").slots, 4096U);
}

TEST(TraceOperations, EachFormIsRead) {
  const std::vector<TraceOperation> all = read(
      "cpus 2\nalloc 1 64 a\nfree a # gone\nfree_racing b\nunmap_aliases\n"
      "unmap_aliases -3 12 1\nunmap_aliases - - 0\npurge 1\nreclaim\ndrain\nstate");
  ASSERT_EQ(all.size(), 10U);
  EXPECT_EQ(all[0].op, TraceOp::alloc);
  EXPECT_EQ(all[0].cpu, 1U);
  EXPECT_EQ(all[0].pages, 64U);
  EXPECT_EQ(all[0].name, "a");
  EXPECT_EQ(all[1].op, TraceOp::free);
  EXPECT_EQ(all[1].name, "a");
  EXPECT_EQ(all[2].op, TraceOp::free_racing);
  EXPECT_EQ(all[2].name, "b");
  EXPECT_EQ(all[3].op, TraceOp::unmap_aliases);
  EXPECT_FALSE(all[3].start || all[3].end || all[3].flush);
  EXPECT_EQ(all[4].start, -3);
  EXPECT_EQ(all[4].end, 12);
  EXPECT_TRUE(all[4].flush);
  EXPECT_FALSE(all[5].start || all[5].end || all[5].flush);
  EXPECT_EQ(all[6].op, TraceOp::purge);
  EXPECT_EQ(all[6].cpu, 1U);
  EXPECT_EQ(all[7].op, TraceOp::reclaim);
  EXPECT_EQ(all[8].op, TraceOp::drain);
  EXPECT_EQ(all[9].op, TraceOp::state);
}

TEST(TraceOperations, AnAllocOfZeroPagesIsTheAllocatorsToRefuse) {
  EXPECT_EQ(read("alloc 0 0 a")[0].pages, 0U);
}

TEST(TraceErrors, NameTheLineAndWhatWasExpected) {
  struct Case {
    const char* text;
    const char* message;
  };
  const Case cases[] = {
      {"cpus", "t:1: expected `cpus N`"},
      {"cpus 1 2", "t:1: expected `cpus N`"},
      {"cpus 0", "t:1: the number of CPUs is a whole number in 1..65536, not `0`"},
      {"cpus 65537", "t:1: the number of CPUs is a whole number in 1..65536, not `65537`"},
      {"cpus four", "t:1: the number of CPUs is a whole number in 1..65536, not `four`"},
      {"cpus -1", "t:1: the number of CPUs is a whole number in 1..65536, not `-1`"},
      {"cpus 4x", "t:1: the number of CPUs is a whole number in 1..65536, not `4x`"},
      {"\n# two\ncpus 99999999999999999999\n", "t:3: the number of CPUs is a whole number"},
      {"possible", "t:1: expected `possible 0,2,3`"},
      {"possible 0 2", "t:1: expected `possible 0,2,3`"},
      {"possible 2,1",
       "t:1: possible CPUs are ascending numbers below 65536, with commas, not `2,1`"},
      {"possible 1,1", "t:1: possible CPUs are ascending numbers"},
      {"possible 0,", "t:1: possible CPUs are ascending numbers"},
      {"possible ,0", "t:1: possible CPUs are ascending numbers"},
      {"possible 65536", "t:1: possible CPUs are ascending numbers"},
      {"possible a", "t:1: possible CPUs are ascending numbers"},
      {"bits", "t:1: expected `bits B`"},
      {"bits 1", "t:1: the slots of a block is a whole number in 2..4096, not `1`"},
      {"bits 8192", "t:1: the slots of a block is a whole number in 2..4096, not `8192`"},
      {"bits 96", "t:1: the slots of a block are a power of two, not 96"},
      {"base", "t:1: expected `base HEX`"},
      {"base 0x", "t:1: the base is a page-aligned hexadecimal address, not `0x`"},
      {"base xyz", "t:1: the base is a page-aligned hexadecimal address, not `xyz`"},
      {"base ffff0800", "t:1: the base is a page-aligned hexadecimal address, not `ffff0800`"},
      {"base 10000000000000000", "t:1: the base is a page-aligned hexadecimal address"},
      {"space", "t:1: expected `space BLOCKS`"},
      {"space 0", "t:1: the space in blocks is a whole number in 1.."},
      {"space -4", "t:1: the space in blocks is a whole number in 1.."},
      {"lazymax", "t:1: expected `lazymax PAGES`"},
      {"lazymax -1", "t:1: the lazy limit in pages is a whole number in 0.."},
      {"alloc 0 1", "t:1: expected `alloc CPU PAGES NAME`"},
      {"alloc 0 1 a b", "t:1: expected `alloc CPU PAGES NAME`"},
      {"alloc x 1 a", "t:1: CPU is a whole number in 0..65535, not `x`"},
      {"cpus 2\nalloc 2 1 a", "t:2: CPU 2 is not possible here"},
      {"possible 0,2\nalloc 1 1 a", "t:2: CPU 1 is not possible here"},
      {"alloc 0 65 a", "t:1: the pages of an alloc is a whole number in 0..64, not `65`"},
      {"bits 64\nalloc 0 33 a", "t:2: the pages of an alloc is a whole number in 0..32, not `33`"},
      {"alloc 0 -1 a", "t:1: the pages of an alloc is a whole number in 0..64, not `-1`"},
      {"free", "t:1: expected `free NAME`"},
      {"free a b", "t:1: expected `free NAME`"},
      {"free_racing", "t:1: expected `free_racing NAME`"},
      {"state\nunmap_aliases 1", "t:2: expected `unmap_aliases [START END FLUSH]`"},
      {"unmap_aliases 1 2", "t:1: expected `unmap_aliases [START END FLUSH]`"},
      {"unmap_aliases a 2 1", "t:1: START is a number of pages or `-`, not `a`"},
      {"unmap_aliases 1 1.5 1", "t:1: END is a number of pages or `-`, not `1.5`"},
      {"unmap_aliases 1 1125899906842625 1", "t:1: END is a number of pages or `-`"},
      {"unmap_aliases -1125899906842625 1 1", "t:1: START is a number of pages or `-`"},
      {"unmap_aliases 1 2 2", "t:1: FLUSH is a whole number in 0..1, not `2`"},
      {"purge", "t:1: expected `purge CPU`"},
      {"purge 1", "t:1: CPU 1 is not possible here"},
      {"reclaim 1", "t:1: expected `reclaim`"},
      {"drain 1", "t:1: expected `drain`"},
      {"state 1", "t:1: expected `state`"},
      {"state\n\n#\nALLOC 0 1 a", "t:4: `ALLOC` is not an operation"},
      {"state\ncpus 2",
       "t:2: `cpus` is not an operation, or a set-up line after the first operation"},
      {"base 0xfffffffffffff000\nstate", "t:1: the address space does not fit"},
      {"base 0xffffffff00000000\nspace 100000", "t:2: the address space does not fit"},
  };
  for (const Case& wrong : cases) {
    EXPECT_THAT(refusal(wrong.text), HasSubstr(wrong.message)) << wrong.text;
  }
}

// The size in bytes of such a space is a multiple of 2^64.
TEST(TraceErrors, ASpaceWhoseSizeWrapsAroundDoesNotFit) {
  for (const char* const text :
       {"space 4398046511104", "space 4398046511105", "bits 4096\nspace 1099511627776",
        "bits 4096\nspace 8796093022208"}) {
    EXPECT_THAT(refusal(text), HasSubstr("the space is at most ")) << text;
  }
}

TEST(TraceErrors, AStreamThatBreaksIsNotItsEnd) {
  struct Broken : std::streambuf {
    int_type underflow() override { throw std::runtime_error("the disk is gone"); }
  } broken;
  std::istream in(&broken);
  EXPECT_THROW(TraceReader(in, "t"), TraceError);
}

class ReplayTest : public ::testing::Test {
 protected:
  // The answers to a trace; what a refusal says goes to `refused`.
  std::vector<Replay::Json> replay(const std::string& text) {
    std::istringstream in(text);
    TraceReader reader(in, "t");
    Replay replay(reader.setup(), *find_revision("p1"));
    std::vector<Replay::Json> answers;
    TraceOperation operation;
    try {
      while (reader.next(&operation)) {
        answers.push_back(replay.perform(operation, reader));
      }
    } catch (const TraceError& error) {
      refused = error.what();
    }
    EXPECT_EQ(replay.allocator().broken_invariant(), "");
    return answers;
  }

  std::string refused;
};

TEST_F(ReplayTest, RefusesADoubleFree) {
  EXPECT_EQ(replay("alloc 0 1 a\nfree a\n\nfree a\n").size(), 2U);
  EXPECT_EQ(refused, "t:4: `a` is not allocated: it never was, or it has been freed already");
}

TEST_F(ReplayTest, RefusesAFreeOfAnUnknownName) {
  replay("free nobody");
  EXPECT_THAT(refused, StartsWith("t:1: `nobody` is not allocated"));
}

TEST_F(ReplayTest, RefusesANameThatIsInUse) {
  EXPECT_EQ(replay("alloc 0 1 a\nalloc 0 2 a").size(), 1U);
  EXPECT_EQ(refused, "t:2: the name `a` is in use: free it first");
  EXPECT_EQ(replay("alloc 0 1 a\nfree a\nalloc 0 2 a").size(), 3U);
}

TEST_F(ReplayTest, RefusesARaceThatIsNotTheLastFree) {
  replay("alloc 0 1 a\nfree_racing a");
  EXPECT_THAT(refused, StartsWith("t:2: free_racing is for the last free of a block"));
}

// As the kernel's harness does: a failed allocation's name may be freed, once.
TEST_F(ReplayTest, TheNameOfAFailedAllocIsFreedOnce) {
  const auto answers =
      replay("bits 2\nspace 1\nalloc 0 1 a\nalloc 0 1 b\nalloc 0 1 c\nfree c\nfree c");
  ASSERT_EQ(answers.size(), 4U);
  EXPECT_EQ(answers[2]["ok"], false);
  EXPECT_EQ(answers[2]["err"], "EBUSY");
  EXPECT_EQ(answers[3]["err"], "noname");
  EXPECT_THAT(refused, StartsWith("t:7: `c` is not allocated"));
}

// The usual space is cut where the addresses end.
TEST_F(ReplayTest, AHighBaseHasTheSpaceAboveIt) {
  for (const char* const base : {"ffffe00000000000", "ffffffffff000000"}) {
    const auto answers = replay(std::string("bits 128\nbase ") + base + "\nalloc 0 1 a\nstate");
    ASSERT_EQ(answers.size(), 2U) << refused;
    EXPECT_EQ(answers[0]["ok"], true) << base;
    EXPECT_EQ(answers[0]["slot"], 0);
  }
}

TEST_F(ReplayTest, AnswersInPagesFromTheFirstBlock) {
  const auto answers = replay("bits 128\nalloc 0 64 a\nalloc 0 64 b\nfree b\nunmap_aliases\nstate");
  ASSERT_EQ(answers.size(), 5U);
  EXPECT_EQ(answers[1]["off"], 64);
  EXPECT_EQ(answers[1]["left_list"], true);
  EXPECT_EQ(answers[2]["stale"], 64);
  EXPECT_EQ(answers[3]["flushes"].dump(), R"([{"s":64,"e":128,"by":"direct"}])");
  EXPECT_EQ(answers[3]["stale"], 0);
  EXPECT_EQ(answers[4]["blocks"][0]["on_list"], false);
}

// Descriptors are freed now and then, also where nobody asks.
TEST_F(ReplayTest, LongTracesDoNotGrow) {
  std::string text = "bits 2\nspace 4\nlazymax 0\n";
  for (int i = 0; i < 3000; ++i) {
    text += "alloc 0 1 a\nalloc 0 1 b\nfree a\nfree b\n";
  }
  std::istringstream in(text);
  TraceReader reader(in, "t");
  Replay replay(reader.setup(), *find_revision("v6.12"));
  TraceOperation operation;
  std::size_t most = 0;
  while (reader.next(&operation)) {
    replay.perform(operation, reader);
    most = std::max(most, replay.allocator().block_pool().in_use());
  }
  EXPECT_LE(most, 1200U) << "of 3000 blocks made";
}

}  // namespace
}  // namespace flushwalk
