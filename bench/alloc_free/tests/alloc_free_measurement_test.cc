// Measures for real. What the machine does meanwhile is not this test's to say: that a row is valid
// is asserted nowhere.
#include "bench/alloc_free/alloc_free_measurement.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "allocator/tests/sanitizers.h"
#include "bench/alloc_free/alloc_free_rows.h"
#include "bench/support/tests/initiator_test.h"

namespace flushwalk {
namespace {

using ::testing::Each;
using ::testing::Ge;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(CommonRate, IsOverTheTimeThatAllWereAtWork) {
  // 0..300, all of it at once with itself.
  const std::vector<BatchTimes> one = {{0, 100}, {100, 200}, {200, 300}};
  EXPECT_DOUBLE_EQ(common_rate({one}, 50).value(), 0.5);
  // From 150 to 300: half a batch and a whole one of the first thread, one and a half of the other.
  const std::vector<BatchTimes> late = {{150, 250}, {250, 350}};
  EXPECT_DOUBLE_EQ(common_rate({one, late}, 50).value(), (1.5 + 1.5) * 50 / 150);
  const std::vector<BatchTimes> after = {{300, 400}};
  EXPECT_FALSE(common_rate({one, after}, 50));
}

TEST(CommonRate, TimeBetweenBatchesCounts) {
  const std::vector<BatchTimes> idle = {{0, 100}, {300, 400}};
  EXPECT_DOUBLE_EQ(common_rate({idle}, 10).value(), 20.0 / 400);
}

class MeasuringAllocFree : public InitiatorTest {
 protected:
  // False where the threads cannot have CPUs of their own.
  bool place() { return place_beside(group.axes.other_cpus()); }

  std::unique_ptr<AllocFreeMeasurement> prepare(unsigned samples) {
    std::string error;
    auto made =
        AllocFreeMeasurement::prepare(group, {clock, machine, placement, samples, stop}, &error);
    EXPECT_NE(made, nullptr) << error;
    return made;
  }

  void rivals(const std::vector<unsigned>& queues) {
    group.rivals.clear();
    for (const unsigned q : queues) {
      for (const Behaviors& revision : revisions()) {
        group.rivals.push_back({&revision, q});
      }
    }
  }

  void expect_consistent(AllocFreeMeasurement& measurement, unsigned samples);

  AllocFreeGroup group{{}, {{find_revision("v6.12"), 1}}};
};

// What must hold of every repetition, on whatever machine.
void MeasuringAllocFree::expect_consistent(AllocFreeMeasurement& measurement, unsigned samples) {
  std::string error;
  std::vector<AllocFreeResult> results = measurement.measure(&error);
  ASSERT_THAT(results, SizeIs(group.rivals.size())) << error;
  const unsigned windows = (samples + kBatchesPerWindow - 1) / kBatchesPerWindow;
  for (std::size_t rival = 0; rival < results.size(); ++rival) {
    SCOPED_TRACE(case_name(group.axes, group.rivals[rival]));
    AllocFreeResult& result = results[rival];
    ASSERT_THAT(result.workers, SizeIs(group.axes.threads));
    EXPECT_EQ(result.windows, windows);
    EXPECT_EQ(result.throughput.size() + result.windows_apart, windows);
    std::uint64_t created = 0;
    for (const WorkerResult& worker : result.workers) {
      EXPECT_EQ(worker.batches.size(), samples);
      EXPECT_EQ(worker.alloc.size(), samples * kSinglePairsPerSample);
      EXPECT_EQ(worker.free.size(), samples * kSinglePairsPerSample);
      EXPECT_EQ(worker.batches.refused() + worker.alloc.refused() + worker.free.refused(), 0U);
      EXPECT_EQ(worker.counts.failed_allocs + worker.single.failed_allocs, 0U);
      EXPECT_EQ(worker.counts.failed_frees + worker.single.failed_frees, 0U);
      created += worker.counts.created_blocks;
    }
    // So many slots were handed out by the batches. A thread may begin in a block with some left,
    // or take those that another one's warm-up, a batch that is not counted, has created.
    const std::uint64_t batch_slots = std::uint64_t{pairs_per_batch(group.axes.pages)}
                                      << order_of(group.axes.pages);
    const std::uint64_t batches = std::uint64_t{group.axes.threads} * samples;
    const std::uint64_t uncounted = group.axes.threads * windows * (1 + batch_slots / 1024);
    EXPECT_GE(created + uncounted, batches * batch_slots / 1024);
    Stripes& stripes = measurement.stripes(rival);
    stripes.give_back();
    std::uint64_t others = 0;
    for (const auto& block : stripes.allocator().state().blocks) {
      const unsigned in_use = 1024 - block.free - block.dirty;
      others += in_use;
      EXPECT_EQ(in_use, block.queue < group.axes.threads ? 0U : in_use);
    }
    EXPECT_EQ(others, group.axes.other_blocks);
    EXPECT_EQ(stripes.allocator().lazy_pages(), 0U);
    EXPECT_THAT(stripes.allocator().broken_invariant(), IsEmpty());
  }
}

TEST_F(MeasuringAllocFree, EveryCombinationForEveryRevision) {
  constexpr unsigned kSamples = 3;
  for (const unsigned threads : {1U, 2U}) {
    for (const unsigned pages : {1U, 64U}) {
      // Sixteen times the pairs, at AddressSanitizer's pace, would take minutes.
      if (kAddressSanitizer && pages == 1) {
        continue;
      }
      for (const Freeing freeing : {Freeing::same_cpu, Freeing::other_cpu}) {
        for (const Flusher flusher : {Flusher::none, Flusher::unmap_aliases}) {
          for (const unsigned other_blocks : {0U, 40U}) {
            group.axes = {threads, pages, freeing, flusher, other_blocks};
            if ((threads == 1 && freeing == Freeing::other_cpu) || !place()) {
              continue;
            }
            rivals(other_blocks != 0 ? std::vector<unsigned>{5} : std::vector<unsigned>{1, 2});
            on_initiator([&] {
              const auto measurement = prepare(kSamples);
              ASSERT_NE(measurement, nullptr);
              expect_consistent(*measurement, kSamples);
            });
          }
        }
      }
    }
  }
}

TEST_F(MeasuringAllocFree, SeveralWindowsAndRepetitionsTakeAllSamples) {
  group.axes.pages = 16;
  ASSERT_TRUE(place());
  on_initiator([&] {
    const auto measurement = prepare(2 * kBatchesPerWindow + 1);
    ASSERT_NE(measurement, nullptr);
    expect_consistent(*measurement, 2 * kBatchesPerWindow + 1);
    expect_consistent(*measurement, 2 * kBatchesPerWindow + 1);
  });
}

TEST_F(MeasuringAllocFree, MemoryDoesNotGrowWithTheRun) {
  group.axes.pages = 64;
  ASSERT_TRUE(place());
  on_initiator([&] {
    const auto measurement = prepare(8);
    ASSERT_NE(measurement, nullptr);
    std::string error;
    for (int i = 0; i < 10; ++i) {
      ASSERT_FALSE(measurement->measure(&error).empty()) << error;
      EXPECT_LE(measurement->stripes(0).allocator().block_pool().in_use(), 1U);
    }
  });
}

TEST_F(MeasuringAllocFree, TheFlusherFlushes) {
  group.axes.flusher = Flusher::unmap_aliases;
  if (!place()) {
    GTEST_SKIP() << "the flusher needs a second CPU";
  }
  on_initiator([&] {
    const auto measurement = prepare(4);
    ASSERT_NE(measurement, nullptr);
    std::string error;
    const auto results = measurement->measure(&error);
    ASSERT_THAT(results, SizeIs(1)) << error;
    const FlusherResult& flusher = results[0].flusher.value();
    EXPECT_EQ(flusher.cpu, placement.responders.back());
    EXPECT_EQ(flusher.times.size() + flusher.times.refused(), flusher.flushes);
    EXPECT_TRUE(flusher.flushes > 0 || flusher.idle_windows > 0);
  });
}

TEST_F(MeasuringAllocFree, StopEndsTheRepetition) {
  ASSERT_TRUE(place());
  on_initiator([&] {
    const auto measurement = prepare(1000);
    ASSERT_NE(measurement, nullptr);
    stop = true;
    std::string error;
    EXPECT_THAT(measurement->measure(&error), IsEmpty());
    EXPECT_EQ(error, "interrupted");
  });
}

TEST_F(MeasuringAllocFree, LockWaitsBelongToTheBatchesAlone) {
  ASSERT_TRUE(place());
  on_initiator([&] {
    const auto measurement = prepare(2);
    ASSERT_NE(measurement, nullptr);
    std::string error;
    lock_waits[LockKind::block].count = 1000;  // of before
    const auto results = measurement->measure(&error);
    ASSERT_THAT(results, SizeIs(1)) << error;
    // A thread alone never waits.
    for (const LockWaits::Waits& waits : results[0].workers[0].waits.of) {
      EXPECT_EQ(waits.count, 0U);
    }
    EXPECT_THAT(results[0].lock_waits, Each(SizeIs(1)));
    EXPECT_EQ(lock_waits.now, nullptr) << "who measures next has not asked for them";
  });
}

std::atomic<std::uint64_t> fake_now{0};

// Not of the measurement, but what it builds on: a wait is counted for the kind of lock that was
// held, by the thread that waited.
TEST(LockWaitsByKind, AreCountedWhereAThreadHadToWait) {
  fake_now = 0;
  SpinLockOf<LockKind::queue> lock;
  lock.lock();
  LockWaits waited;
  std::atomic<bool> began{false};
  std::thread waiter([&] {
    lock_waits.of = {};
    lock_waits.now = [] { return fake_now.fetch_add(10); };
    // The first reading of the clock is that of a thread that has found the lock taken.
    began = true;
    lock.lock();
    lock.unlock();
    waited = lock_waits;
    lock_waits.now = nullptr;
  });
  spin_until([&] { return began && fake_now != 0; });
  lock.unlock();
  waiter.join();
  for (std::size_t kind = 0; kind < kLockKinds; ++kind) {
    const bool queue = static_cast<LockKind>(kind) == LockKind::queue;
    EXPECT_EQ(waited.of[kind].count, queue ? 1U : 0U);
    EXPECT_EQ(waited.of[kind].ticks, queue ? 10U : 0U);
  }
}

TEST(WorkerTeamTest, EveryThreadDoesTheTaskOnce) {
  const topology::Machine machine = topology::Machine::discover().value();
  std::vector<int> others = machine.usable_cpus();
  others.erase(others.begin());
  others.resize(std::min<std::size_t>(others.size(), 3));
  std::string error;
  const auto team = WorkerTeam::start(machine, others, &error);
  ASSERT_NE(team, nullptr) << error;
  ASSERT_EQ(team->size(), others.size() + 1);
  std::vector<int> done(team->size());
  for (int round = 1; round <= 100; ++round) {
    team->run([&](unsigned worker) { ++done[worker]; });
    ASSERT_THAT(done, Each(round));
  }
}

TEST(WorkerTeamTest, SleepersWakeUp) {
  const topology::Machine machine = topology::Machine::discover().value();
  std::string error;
  const auto team = WorkerTeam::start(machine, {machine.usable_cpus().back()}, &error);
  ASSERT_NE(team, nullptr) << error;
  std::atomic<int> done{0};
  team->run([&](unsigned) { ++done; });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  team->run([&](unsigned) { ++done; });
  EXPECT_EQ(done, 4);
}

TEST(WorkerTeamTest, ACpuThatCannotBeHadIsAnError) {
  const topology::Machine machine = topology::Machine::discover().value();
  std::string error;
  EXPECT_EQ(WorkerTeam::start(machine, {65'000}, &error), nullptr);
  EXPECT_THAT(error, ::testing::HasSubstr("65000"));
}

}  // namespace
}  // namespace flushwalk
