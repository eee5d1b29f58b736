#include "bench/support/kernel_tables.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace flushwalk {
namespace {

// Recorded on a 2-vCPU guest, shortened.
constexpr const char* kTwoCpus =
    "           CPU0       CPU1       \n"
    "  5:          0         22   IO-APIC   5-edge      ttyS0\n"
    "NMI:          0          0   Non-maskable interrupts\n"
    "CAL:      54014      73314   Function call interrupts\n"
    "TLB:       1924      40506   TLB shootdowns\n"
    "ERR:          0\n"
    "MIS:          0\n";

TEST(ParseInterrupts, RowsOfARecordedTable) {
  const InterruptCounts counts = parse_interrupts(kTwoCpus);
  ASSERT_TRUE(counts.tlb.has_value());
  ASSERT_TRUE(counts.cal.has_value());
  EXPECT_EQ(counts.tlb->on_cpu(0), 1924U);
  EXPECT_EQ(counts.tlb->on_cpu(1), 40506U);
  EXPECT_EQ(counts.tlb->on_cpu(2), std::nullopt);
  EXPECT_EQ(counts.cal->on_cpu(1), 73314U);
}

TEST(ParseInterrupts, ColumnsBelongToTheCpusOfTheHeader) {
  const InterruptCounts counts = parse_interrupts(
      "            CPU0       CPU3       CPU12\n"
      "TLB:         10         13         22   TLB shootdowns\n");
  ASSERT_TRUE(counts.tlb.has_value());
  EXPECT_EQ(counts.tlb->on_cpu(3), 13U);
  EXPECT_EQ(counts.tlb->on_cpu(12), 22U);
  EXPECT_EQ(counts.tlb->on_cpu(1), std::nullopt);
}

TEST(ParseInterrupts, TableOf256Cpus) {
  std::string header = "     ";
  std::string row = "TLB:";
  for (unsigned cpu = 0; cpu < 256; ++cpu) {
    header += fmt::format("{:>10} ", fmt::format("CPU{}", cpu));
    row += fmt::format("{:>10} ", 4294967295U - cpu);
  }
  const InterruptCounts counts = parse_interrupts(header + "\n" + row + "  TLB shootdowns\n");
  ASSERT_TRUE(counts.tlb.has_value());
  EXPECT_EQ(counts.tlb->cpus(), 256U);
  EXPECT_EQ(counts.tlb->on_cpu(0), 4294967295U);
  EXPECT_EQ(counts.tlb->on_cpu(255), 4294967040U);
}

TEST(ParseInterrupts, AbsentRowIsNotAZero) {
  const InterruptCounts counts = parse_interrupts(
      "           CPU0       CPU1\n"
      " 13:        100        200     GICv3  27 Level     arch_timer\n"
      "IPI1:       300        400       Function call interrupts\n");
  EXPECT_FALSE(counts.tlb.has_value());
  EXPECT_FALSE(counts.cal.has_value());
  EXPECT_EQ(interrupts_between(counts.tlb, counts.tlb, 0), std::nullopt);
}

TEST(ParseInterrupts, DevicesThatMentionTlbAreNotTheRow) {
  const InterruptCounts counts = parse_interrupts(
      "           CPU0\n"
      " 45:          7   PCI-MSI  TLB: faults\n"
      "TLBX:         8   Another\n"
      "TLB:          9   TLB shootdowns\n"
      " 46:         10   PCI-MSI  TLB: more faults\n");
  ASSERT_TRUE(counts.tlb.has_value());
  EXPECT_EQ(counts.tlb->on_cpu(0), 9U);
}

TEST(ParseInterrupts, OddTextsGiveNothingOrWhatIsThere) {
  EXPECT_FALSE(parse_interrupts("").tlb.has_value());
  EXPECT_FALSE(parse_interrupts("TLB:  1  2  TLB shootdowns\n").tlb.has_value());
  EXPECT_FALSE(parse_interrupts("  CPU0 cpu1\nTLB: 1 2 x\n").tlb.has_value());
  const InterruptCounts cut = parse_interrupts("  CPU0  CPU1  CPU2\nTLB:  1  2");
  ASSERT_TRUE(cut.tlb.has_value());
  EXPECT_EQ(cut.tlb->on_cpu(1), 2U);
  EXPECT_EQ(cut.tlb->on_cpu(2), std::nullopt);
}

TEST(InterruptsBetween, CountsAcrossTheWrapOf32Bits) {
  InterruptRow before;
  before.set(1, 4294967290U);
  InterruptRow after;
  after.set(1, 4);
  EXPECT_EQ(interrupts_between(before, after, 1), 10U);
}

TEST(InterruptsBetween, CpuThatWentOfflineIsUnknown) {
  InterruptRow before;
  before.set(0, 5);
  before.set(1, 5);
  InterruptRow after;
  after.set(0, 8);
  EXPECT_EQ(interrupts_between(before, after, 0), 3U);
  EXPECT_EQ(interrupts_between(before, after, 1), std::nullopt);
}

TEST(KeyedValue, FindsTheWholeKeyOnly) {
  const char* text = "model\t\t: 17\nmodel name\t: AMD EPYC: x\nflags : a b \nempty:\nmodel : 18\n";
  EXPECT_EQ(keyed_value(text, "model"), "17");
  EXPECT_EQ(keyed_value(text, "model name"), "AMD EPYC: x");
  EXPECT_EQ(keyed_value(text, "flags"), "a b");
  EXPECT_EQ(keyed_value(text, "empty"), "");
  EXPECT_EQ(keyed_value(text, "name"), std::nullopt);
}

TEST(ParseUnsigned, WholeNumbersOnly) {
  EXPECT_EQ(parse_unsigned("18446744073709551615"), 18446744073709551615U);
  for (const char* bad : {"", "-1", "+1", " 1", "1 ", "0x1", "18446744073709551616"}) {
    EXPECT_EQ(parse_unsigned(bad), std::nullopt) << bad;
  }
}

TEST(ParseMigrations, RecordedTable) {
  const char* text =
      "cat (6015, #threads: 1)\n"
      "-------------------------------------------------------------------\n"
      "se.exec_start                                :       1016608.385656\n"
      "se.nr_migrations                             :                    3\n"
      "nr_switches                                  :                    9\n";
  EXPECT_EQ(parse_migrations(text), 3U);
  EXPECT_EQ(parse_migrations("cat (6015, #threads: 1)\n"), std::nullopt);
}

TEST(ThreadCounts, DifferenceIsFieldByField) {
  const ThreadCounts earlier{1, 2, 3, 4, 5};
  const ThreadCounts later{11, 32, 53, 74, 95};
  const ThreadCounts expected{10, 30, 50, 70, 90};
  EXPECT_EQ(later - earlier, expected);
  EXPECT_EQ((later - earlier).context_switches(), 40U);
  EXPECT_EQ((later - earlier).page_faults(), 120U);
}

TEST(ThreadCounts, MigrationsKnownOnOneSideOnlyAreUnknown) {
  ThreadCounts earlier{.migrations = 1};
  ThreadCounts later{.migrations = std::nullopt};
  EXPECT_EQ((later - earlier).migrations, std::nullopt);
  EXPECT_EQ((earlier - later).migrations, std::nullopt);
}

TEST(ThreadCounts, MigrationsComeFromTheRootGiven) {
  const std::filesystem::path root =
      std::filesystem::path(testing::TempDir()) / fmt::format("kernel_tables_{}", getpid());
  std::filesystem::create_directories(root / "proc/thread-self");
  std::ofstream(root / "proc/thread-self/sched") << "se.nr_migrations : 42\n";
  EXPECT_EQ(thread_counts_before(root).migrations, 42U);
  EXPECT_EQ(thread_counts_after(root).migrations, 42U);
  std::filesystem::remove_all(root);
  EXPECT_EQ(thread_counts_before(root).migrations, std::nullopt);
}

TEST(ThreadCounts, CountThisThreadsFaultsAndNotAnotherThreads) {
  constexpr std::size_t kPages = 1024;
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const auto touch = [page] {
    void* memory =
        mmap(nullptr, kPages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    madvise(memory, kPages * page, MADV_NOHUGEPAGE);
    for (std::size_t i = 0; i < kPages; ++i) {
      static_cast<volatile char*>(memory)[i * page] = 1;
    }
    munmap(memory, kPages * page);
  };
  touch();  // also brings in what the code itself needs
  const ThreadCounts own_before = thread_counts_before();
  touch();
  const ThreadCounts own = thread_counts_after() - own_before;
  EXPECT_GE(own.page_faults(), kPages);

  const ThreadCounts idle_before = thread_counts_before();
  std::thread(touch).join();
  EXPECT_LT((thread_counts_after() - idle_before).page_faults(), kPages);

  std::uint64_t slept = 0;
  std::thread([&slept] {
    const ThreadCounts before = thread_counts_before();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    slept = (thread_counts_after() - before).voluntary_switches;
  }).join();
  EXPECT_GE(slept, 1U);
}

TEST(KernelTables, GiveAnyRowByItsName) {
  constexpr std::string_view kInterrupts =
      "           CPU0       CPU3\n  0:  7  8  IO-APIC  timer\n TLB:  1  2  TLB shootdowns\n";
  const auto timer = parse_interrupt_row(kInterrupts, "0");
  ASSERT_TRUE(timer.has_value());
  EXPECT_EQ(timer->on_cpu(3), 8U);
  EXPECT_THAT(timer->numbers(), testing::ElementsAre(0U, 3U));
  EXPECT_FALSE(parse_interrupt_row(kInterrupts, "CAL").has_value());
  EXPECT_THAT(interrupt_row_names(kInterrupts), testing::ElementsAre("0", "TLB"));
  constexpr std::string_view kVmstat = "nr_tlb_remote 12\nnr_tlb_remote_flush 7\n";
  EXPECT_EQ(parse_vmstat_row(kVmstat, "nr_tlb_remote_flush"), 7U);
  EXPECT_EQ(parse_vmstat_row(kVmstat, "nr_tlb"), std::nullopt);
  EXPECT_THAT(vmstat_row_names(kVmstat),
              testing::ElementsAre("nr_tlb_remote", "nr_tlb_remote_flush"));
}

}  // namespace
}  // namespace flushwalk
