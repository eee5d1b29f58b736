#include "bench/alloc_free/alloc_free_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace flushwalk {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class AllocFreeRows : public ::testing::Test {
 protected:
  AllocFreeRows() : clock(ClockDescription{.frequency_hz = 2e9}) {
    for (const int cpu : {0, 4}) {
      WorkerResult& worker = result.workers.emplace_back(16);
      worker.cpu = cpu;
      for (Ticks i = 0; i < 16; ++i) {
        worker.batches.push({10'000 * i, 10'000 * i + 6400 + 64 * i});
        worker.alloc.push(100 + i);
        worker.free.push(60 + i);
      }
      worker.counts.created_blocks = 18;
      worker.waits[LockKind::block] = {30, 4000};
      worker.waits[LockKind::memory] = {1, 50};
      worker.migrations = 0;
    }
    result.windows = 2;
    result.throughput = {2e6, 3e6};
    for (auto& waits : result.lock_waits) {
      waits = {0, 8};
    }
    result.exchange_waits = {4, 4};
    result.memory = {400, 80};
  }

  std::vector<MeasurementRow> rows() { return make_rows({group, placement, clock}, 0, 3, &result); }
  MeasurementRow row(const std::string& metric, unsigned cpu = 0) {
    for (const MeasurementRow& each : rows()) {
      if (each.metric == metric && each.cpu == cpu) {
        return each;
      }
    }
    ADD_FAILURE() << "no row of " << metric;
    return {};
  }
  static std::vector<std::string> metrics(const std::vector<MeasurementRow>& rows) {
    std::vector<std::string> names;
    for (const MeasurementRow& each : rows) {
      names.push_back(each.metric);
    }
    return names;
  }

  Clock clock;  // a tick is half a ns
  topology::Placement placement{"compact", 0, {4}};
  AllocFreeGroup group{{.threads = 2, .pages = 16}, {{find_revision("p3"), 8}}};
  AllocFreeResult result;
};

TEST_F(AllocFreeRows, EachThreadHasThreeAndAllTogetherTheRest) {
  EXPECT_THAT(metrics(rows()),
              ElementsAre("pair_time", "alloc_time", "free_time", "pair_time", "alloc_time",
                          "free_time", "throughput", "lock_wait_block", "lock_wait_queue",
                          "lock_wait_xarray", "lock_wait_memory", "lock_wait_address_space"));
  std::vector<std::string> roles;
  for (const MeasurementRow& each : rows()) {
    roles.push_back(each.role);
    EXPECT_TRUE(each.valid()) << each.invalid_reason;
  }
  EXPECT_THAT(std::vector(roles.begin(), roles.begin() + 6), Each("worker"));
  EXPECT_THAT(std::vector(roles.begin() + 6, roles.end()), Each("all"));
}

TEST_F(AllocFreeRows, AxesAreThoseOfTheCase) {
  group.axes.other_blocks = 5;
  const MeasurementRow pair = row("pair_time", 4);
  EXPECT_EQ(pair.bench, "alloc_free_bench");
  EXPECT_EQ(pair.case_name, case_name(group.axes, group.rivals[0]));
  EXPECT_EQ(pair.repetition, 3U);
  EXPECT_EQ(pair.revision, "p3");
  EXPECT_EQ(pair.queues, 8U);
  EXPECT_EQ(pair.threads, 2U);
  EXPECT_EQ(pair.pages, 16U);
  EXPECT_EQ(pair.blocks, 5U);
  EXPECT_EQ(pair.freeing, "same_cpu");
  EXPECT_EQ(pair.flusher, "none");
  EXPECT_EQ(pair.block_slots, 1024U);
  EXPECT_THAT(pair.responder_cpus, ElementsAre(4));
  EXPECT_EQ(pair.walk, "xarray") << "the revision's";
  EXPECT_EQ(pair.full_percent, 0U);
  EXPECT_EQ(pair.flush_every, 0U);
  EXPECT_THAT(pair.check + pair.gather + pair.shootdown, IsEmpty());
  group.axes.other_full = 40;
  group.axes.flush_every = 7;
  group.rivals[0].walk = Walk::marked;
  const MeasurementRow marked = row("pair_time", 4);
  EXPECT_EQ(marked.walk, "marked");
  EXPECT_EQ(marked.full_percent, 40U);
  EXPECT_EQ(marked.flush_every, 7U);
}

TEST_F(AllocFreeRows, ABatchIsDividedByItsPairs) {
  const MeasurementRow pair = row("pair_time");
  EXPECT_EQ(pair.unit, "ns");
  EXPECT_EQ(pair.operations, 64U);
  ASSERT_TRUE(pair.statistics);
  EXPECT_EQ(pair.statistics->samples, 16U);
  EXPECT_DOUBLE_EQ(pair.statistics->min, 50);  // 6,400 ticks, 64 pairs
  EXPECT_DOUBLE_EQ(pair.statistics->max, 57.5);
  EXPECT_EQ(pair.created_blocks, 1U);  // 18 in 16 samples
  EXPECT_EQ(pair.lock_waits, 31U);
}

TEST_F(AllocFreeRows, SingleCallsAreOnesOwn) {
  EXPECT_DOUBLE_EQ(row("alloc_time").statistics->min, 50);
  EXPECT_DOUBLE_EQ(row("free_time").statistics->min, 30);
  EXPECT_EQ(row("alloc_time").operations, 1U);
}

TEST_F(AllocFreeRows, AWindowIsASampleOfWhatAllDid) {
  const MeasurementRow all = row("throughput");
  EXPECT_EQ(all.unit, "operations/s");
  EXPECT_DOUBLE_EQ(all.statistics->min, 2e6);
  EXPECT_EQ(all.statistics->samples, 2U);
  EXPECT_EQ(all.operations, 2U * 16 * 64 / 2);
  EXPECT_EQ(all.created_blocks, 18U);
  const MeasurementRow block = row("lock_wait_block");
  EXPECT_EQ(block.unit, "ns");
  EXPECT_DOUBLE_EQ(block.statistics->max, 4);
  EXPECT_EQ(block.lock_waits, 60U);
  EXPECT_EQ(row("lock_wait_memory").lock_waits, 2U);
  EXPECT_EQ(row("lock_wait_queue").lock_waits, 0U);
}

TEST_F(AllocFreeRows, WhoExchangesMayWait) {
  group.axes.freeing = Freeing::other_cpu;
  EXPECT_DOUBLE_EQ(row("exchange_wait").statistics->p50, 2);
  EXPECT_FALSE(row("exchange_wait").lock_waits);
}

TEST_F(AllocFreeRows, TheFlusherHasARow) {
  group.axes.flusher = Flusher::unmap_aliases;
  placement.responders = {4, 6};
  FlusherResult& flusher = result.flusher.emplace(3);
  flusher.cpu = 6;
  flusher.flushes = 9;
  flusher.purged_blocks = 5;
  flusher.times.push(800);
  const MeasurementRow flush = row("flush_time", 6);
  EXPECT_EQ(flush.role, "flusher");
  EXPECT_DOUBLE_EQ(flush.statistics->p50, 400);
  EXPECT_EQ(row("throughput").flushes, 5U);  // 9 in 2 windows
  EXPECT_EQ(row("throughput").purged_blocks, 3U);
}

TEST_F(AllocFreeRows, MemoryIsToldWhereThereAreOtherBlocks) {
  group.axes.other_blocks = 16;
  EXPECT_EQ(row("memory_per_block").unit, "bytes");
  EXPECT_DOUBLE_EQ(row("memory_per_block").statistics->p50, 400);
  EXPECT_DOUBLE_EQ(row("node_memory_per_block").statistics->p50, 80);
}

TEST_F(AllocFreeRows, ADisturbedThreadSpoilsTheRowsOfAll) {
  result.workers[1].context_switches = 2;
  for (const MeasurementRow& each : rows()) {
    EXPECT_EQ(each.invalid_reason, "2 context switches in the timed part on CPU 4");
  }
  EXPECT_EQ(row("pair_time", 4).context_switches, 2U);
  EXPECT_EQ(row("pair_time").context_switches, 0U);
  EXPECT_EQ(row("throughput").context_switches, 2U);
}

TEST_F(AllocFreeRows, EveryReasonIsTold) {
  EXPECT_THAT(why_invalid(result), IsEmpty());
  WorkerResult& worker = result.workers[0];
  worker.migrations = 3;
  worker.page_faults = 4;
  worker.counts.failed_allocs = 1;
  worker.single.failed_allocs = 1;
  worker.single.failed_frees = 5;
  result.windows_apart = 1;
  result.flusher.emplace(1).idle_windows = 2;
  EXPECT_EQ(why_invalid(result),
            "3 migrations in the timed part on CPU 0; 4 page faults in the timed part on CPU 0; "
            "2 allocations failed on CPU 0; 5 frees failed on CPU 0; "
            "in 1 of 2 windows the threads were not at work at the same time; "
            "no flush ended in 2 of 2 windows");
  worker = WorkerResult(1);
  result.windows_apart = 0;
  result.flusher.reset();
  EXPECT_THAT(why_invalid(result), IsEmpty()) << "migrations that the kernel does not tell";
}

}  // namespace
}  // namespace flushwalk
