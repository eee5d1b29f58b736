// The timed part: it makes as many operations as it says, allocates nothing, and makes no system
// call (seccomp kills the process at the first).
#include "bench/alloc_free/pair_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "allocator/tests/sanitizers.h"
#include "bench/alloc_free/alloc_free_measurement.h"
#include "bench/alloc_free/stripes.h"

namespace {

thread_local std::size_t allocations = 0;

}  // namespace

// What the allocator's pools and vectors would call (see CMakeLists.txt).
extern "C" {
void* __real_malloc(std::size_t size);
void* __real_aligned_alloc(std::size_t alignment, std::size_t size);
void* __wrap_malloc(std::size_t size) {
  ++allocations;
  return __real_malloc(size);
}
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t size) {
  ++allocations;
  return __real_aligned_alloc(alignment, size);
}
}

namespace flushwalk {
namespace {

using ::testing::IsEmpty;

constexpr bool kSanitized = kThreadSanitizer || kAddressSanitizer;

// The counter itself, at any frequency: times are not looked at.
Clock counter_clock() { return Clock(ClockDescription{.source = counter::kSource}); }

std::unique_ptr<Stripes> build(const AllocFreeAxes& axes, unsigned queues, const Clock& clock) {
  std::string error;
  auto stripes = Stripes::build(axes, {find_revision("v6.12"), queues}, clock, &error);
  EXPECT_NE(stripes, nullptr) << error;
  return stripes;
}

TEST(PairsPerBatch, UseUpWholeBlocks) {
  EXPECT_EQ(pairs_per_batch(1), 1024U);
  EXPECT_EQ(pairs_per_batch(3), 256U);
  EXPECT_EQ(pairs_per_batch(4), 256U);
  EXPECT_EQ(pairs_per_batch(16), 64U);
  EXPECT_EQ(pairs_per_batch(64), 64U);
}

TEST(PairLoop, MakesThePairsItIsAskedFor) {
  const Clock clock = counter_clock();
  const auto stripes = build({.pages = 64}, 1, clock);
  PairLoop& loop = stripes->loop(0);
  // 16 pairs use up a block of 1,024 slots.
  loop.pairs(40);
  EXPECT_EQ(loop.counts().created_blocks, 3U);
  EXPECT_EQ(stripes->allocator().lazy_pages(), 2048U);
  AllocatorState state = stripes->allocator().state();
  ASSERT_EQ(state.blocks.size(), 1U);
  EXPECT_EQ(state.blocks[0].dirty, 512U);
  EXPECT_EQ(state.blocks[0].free, 512U);
  loop.single_pair();
  EXPECT_EQ(stripes->allocator().state().blocks[0].dirty, 576U);
  EXPECT_EQ(loop.counts().failed_allocs + loop.counts().failed_frees, 0U);
  stripes->settle();
  EXPECT_EQ(stripes->allocator().lazy_pages(), 0U);
  EXPECT_THAT(stripes->allocator().broken_invariant(), IsEmpty());
}

// Every fourth pair is followed by a flush, which resets the block's dirty range.
TEST(PairLoop, FlushesAfterAsManyPairsAsItIsTold) {
  const Clock clock = counter_clock();
  for (const Walk walk : kWalks) {
    std::string error;
    const auto stripes =
        Stripes::build({.flush_every = 4}, {find_revision("v6.12"), 1, walk}, clock, &error);
    ASSERT_NE(stripes, nullptr) << error;
    EXPECT_EQ(stripes->allocator().walk(), walk);
    const auto dirty = [&] { return stripes->allocator().state().blocks.at(0).dirty_range; };
    PairLoop& loop = stripes->loop(0);
    loop.pairs(3);
    EXPECT_EQ(dirty(), (SlotRange{0, 3})) << name_of(walk);
    loop.pairs(1);
    EXPECT_EQ(dirty(), (SlotRange{1024, 0})) << name_of(walk);
    loop.pairs(5);
    EXPECT_EQ(dirty(), (SlotRange{8, 9})) << name_of(walk);
    EXPECT_THAT(stripes->allocator().broken_invariant(), IsEmpty());
  }
}

TEST(Stripes, SoManyOfTheOtherBlocksAreFull) {
  const Clock clock = counter_clock();
  const auto stripes = build({.other_blocks = 20, .other_full = 30}, 2, clock);
  unsigned full = 0;
  for (const AllocatorState::BlockView& block : stripes->allocator().state().blocks) {
    full += block.free == 0 ? 1U : 0U;
  }
  EXPECT_EQ(full, 6U);
}

TEST(PairLoop, AllocatesFromItsOwnQueue) {
  const Clock clock = counter_clock();
  const auto stripes = build({.threads = 3}, 2, clock);
  for (const unsigned thread : {0U, 1U, 2U}) {
    stripes->loop(thread).pairs(1);
  }
  const AllocatorState state = stripes->allocator().state();
  ASSERT_EQ(state.blocks.size(), 2U) << "the third thread shares the first one's queue";
  EXPECT_EQ(state.blocks[0].queue, 0U);
  EXPECT_EQ(state.blocks[0].dirty, 2U);
  EXPECT_EQ(state.blocks[1].queue, 1U);
  EXPECT_EQ(state.blocks[1].dirty, 1U);
}

TEST(PairLoop, ExchangingThreadsFreeWhatTheOtherAllocated) {
  const Clock clock = counter_clock();
  const auto stripes = build({.threads = 2, .freeing = Freeing::other_cpu}, 2, clock);
  const auto in_use = [&](unsigned queue) {
    for (const auto& block : stripes->allocator().state().blocks) {
      if (block.queue == queue) {
        return 1024 - block.free - block.dirty;
      }
    }
    return 0U;
  };
  const unsigned ahead = in_use(0);
  EXPECT_GE(ahead, 64U);
  EXPECT_EQ(in_use(1), ahead);
  // Thread 0 alone: its own slots stay in use, the other's are freed.
  stripes->loop(0).pairs(5);
  EXPECT_EQ(in_use(0), ahead + 5);
  EXPECT_EQ(in_use(1), ahead - 5);
  stripes->loop(1).pairs(5);
  EXPECT_EQ(in_use(0), ahead);
  EXPECT_EQ(in_use(1), ahead);
  EXPECT_EQ(stripes->loop(0).counts().exchange_wait, 0U) << "there was always something to take";
  stripes->give_back();
  EXPECT_EQ(in_use(0), 0U);
  EXPECT_EQ(in_use(1), 0U);
  EXPECT_THAT(stripes->allocator().broken_invariant(), IsEmpty());
}

TEST(PairLoop, CountsAllocationsThatFail) {
  const Clock clock = counter_clock();
  const auto stripes = build({}, 1, clock);
  stripes->allocator().block_pool().set_limit(0);
  stripes->loop(0).pairs(7);
  EXPECT_EQ(stripes->loop(0).counts().failed_allocs, 7U);
  EXPECT_EQ(stripes->loop(0).counts().failed_frees, 0U);
}

TEST(Stripes, OtherBlocksLieInQueuesOfNoThread) {
  const Clock clock = counter_clock();
  const auto stripes = build({.threads = 2, .other_blocks = 30}, 5, clock);
  unsigned blocks[5] = {};
  for (const auto& block : stripes->allocator().state().blocks) {
    ++blocks[block.queue];
    EXPECT_TRUE(block.on_list);
  }
  EXPECT_THAT(blocks, ::testing::ElementsAre(0, 0, 10, 10, 10));
}

TEST(Stripes, MemoryIsDescriptorAreaAndNodes) {
  const Clock clock = counter_clock();
  const BlockMemory none = build({}, 2, clock)->memory();
  EXPECT_EQ(none.all, 0);
  // 4,096 blocks of one xarray of dense indices: 64 leaves and what is above them.
  const auto stripes = build({.other_blocks = 4096}, 2, clock);
  VmapAllocator& allocator = stripes->allocator();
  const auto node = static_cast<double>(allocator.node_pool().object_bytes());
  EXPECT_DOUBLE_EQ(stripes->memory().nodes,
                   static_cast<double>(allocator.node_pool().in_use()) * node / 4096);
  EXPECT_DOUBLE_EQ(stripes->memory().all - stripes->memory().nodes,
                   static_cast<double>(allocator.block_pool().object_bytes() + sizeof(VmapArea) +
                                       (64 - sizeof(VmapArea) % 64) % 64));
}

void warm_up(Stripes& stripes, unsigned pairs) {
  stripes.loop(0).pairs(2 * pairs);
  stripes.settle();
}

TEST(TimedPairs, AllocateNothing) {
  if (kSanitized) {
    GTEST_SKIP() << "sanitizers allocate for themselves";
  }
  const Clock clock = counter_clock();
  for (const unsigned pages : {1U, 64U}) {
    const auto stripes = build({.pages = pages}, 4, clock);
    warm_up(*stripes, 2048);
    const std::size_t before = allocations;
    stripes->loop(0).pairs(2048);
    EXPECT_EQ(allocations, before);
    void* volatile memory = std::malloc(8);
    std::free(memory);
    EXPECT_EQ(allocations, before + 1) << "and it would be seen";
  }
}

constexpr int kNoSeccomp = 77;

// From here on the process may leave, and is killed by any other system call.
bool allow_only_to_leave() {
  sock_filter filter[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
                          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
  const sock_fprog program{static_cast<unsigned short>(std::size(filter)), filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// The wait status of a child that does `work` under the filter.
template <class Work>
int status_under_filter(Work&& work) {
  const pid_t child = fork();
  if (child == 0) {
    if (!allow_only_to_leave()) {
      _exit(kNoSeccomp);
    }
    work();
    _exit(0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

TEST(TimedPairs, MakeNoSystemCall) {
  if (kSanitized || counter::kSource == ClockSource::clock_monotonic_raw) {
    GTEST_SKIP() << "sanitizers, and a clock without a counter, make system calls of their own";
  }
  const Clock clock = counter_clock();
  const auto stripes = build({.pages = 4}, 4, clock);
  warm_up(*stripes, 2048);
  const int status = status_under_filter([&] {
    stripes->loop(0).pairs(2048);
    stripes->loop(0).single_pair();
  });
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNoSeccomp) {
    GTEST_SKIP() << "this kernel or container has no seccomp filters";
  }
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
  EXPECT_TRUE(WIFSIGNALED(status_under_filter([] { syscall(SYS_getpid); })));
}

}  // namespace
}  // namespace flushwalk
