// Counters on this machine's kernel, as root and as nobody: known work is counted exactly, and what
// cannot be counted says why. Rows and keys are held to reports/SCHEMA.md.
#include "bench/counters/counters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "bench/counters/counter_rows.h"
#include "bench/counters/counters_description.h"
#include "bench/counters/marker.h"
#include "bench/counters/table_counts.h"
#include "bench/counters/tests/perf_stand_in.h"

namespace flushwalk {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

EncoderSources no_tracefs() { return {.tracefs = {"/nonexistent"}, .mount_tracefs = false}; }

std::unique_ptr<Counters> make(const std::string& events, PerfCalls& calls = PerfCalls::real(),
                               EncoderSources sources = no_tracefs()) {
  auto made = Counters::make({.events = events}, calls, std::move(sources));
  if (const Problem* const problem = std::get_if<Problem>(&made)) {
    ADD_FAILURE() << problem->line();
    return nullptr;
  }
  return std::move(std::get<std::unique_ptr<Counters>>(made));
}

std::string refusal(const std::string& events) {
  auto made = Counters::make({.events = events}, PerfCalls::real(), no_tracefs());
  return std::holds_alternative<Problem>(made) ? std::get<Problem>(made).line() : "";
}

std::vector<std::string> names_of(const Counters& counters) {
  std::vector<std::string> names;
  for (const PlannedCounter& counter : counters.plan().counters) {
    names.push_back(counter.event.name.text);
  }
  return names;
}

// Pages that fault each time they are touched. They stay at their addresses: of new ones a
// sanitizer's shadow would fault as well.
class FreshPages {
 public:
  static constexpr std::size_t kMost = 500;

  FreshPages()
      : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))),
        memory_(mmap(nullptr, kMost * page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                     -1, 0)) {
    EXPECT_NE(memory_, MAP_FAILED);
    madvise(memory_, kMost * page_, MADV_NOHUGEPAGE);
  }
  FreshPages(const FreshPages&) = delete;
  FreshPages& operator=(const FreshPages&) = delete;
  ~FreshPages() { munmap(memory_, kMost * page_); }

  void touch(std::size_t pages) const {
    EXPECT_EQ(madvise(memory_, pages * page_, MADV_DONTNEED), 0);
    for (std::size_t i = 0; i < pages; ++i) {
      static_cast<volatile char*>(memory_)[i * page_] = 1;
    }
  }

 private:
  std::size_t page_;
  void* memory_;
};

TEST(Counting, PageFaultsOfTouchedPagesAreThatManyExactly) {
  auto made = SectionCounters::open("page-faults:u,context-switches,minor-faults:u");
  ASSERT_TRUE(std::holds_alternative<std::unique_ptr<SectionCounters>>(made));
  SectionCounters& counters = *std::get<std::unique_ptr<SectionCounters>>(made);
  const FreshPages fresh;
  fresh.touch(FreshPages::kMost);  // the code has been run, and a sanitizer has its shadow
  for (const std::size_t pages : {std::size_t{1}, std::size_t{2}, FreshPages::kMost}) {
    {
      CountedRegion region(counters);
      fresh.touch(pages);
    }
    fresh.touch(10);  // outside of the region
    const auto counts = counters.take();
    if (!counts[0].result.counted()) {
      EXPECT_THAT(counts[0].result.reason, Not(IsEmpty()));
      GTEST_SKIP() << "page faults cannot be counted here: " << counts[0].result.reason;
    }
    EXPECT_EQ(counts[0].result.raw, pages);
    EXPECT_EQ(counts[2].result.raw, pages);
    EXPECT_EQ(counts[0].result.time_enabled, counts[0].result.time_running);
  }
  EXPECT_EQ(counters.passes(), 3U);
  for (int i = 0; i < 2; ++i) {
    CountedRegion region(counters);
    fresh.touch(4);
  }
  std::ostringstream out;
  counters.print(out);
  EXPECT_THAT(out.str(), HasSubstr("page-faults:u"));
  EXPECT_THAT(out.str(), HasSubstr("4.000 a pass"));
}

// --- Hardware, where there is a PMU: on bare metal, and in the guest of scripts/pmu_guest.

// Some instructions for each turn, in user mode.
void turn(std::uint64_t turns) {
  for (std::uint64_t i = 0; i < turns; ++i) {
    asm volatile("" : "+r"(i));
  }
}

std::string why_no_hardware() {
  const auto counters = Counters::make({.events = "cycles:u"});
  return std::get<std::unique_ptr<Counters>>(counters)->plan().counters.front().fault.reason;
}

TEST(Hardware, CyclesAndInstructionsOfKnownWorkAreCounted) {
  if (const std::string reason = why_no_hardware(); !reason.empty()) {
    GTEST_SKIP() << reason;
  }
  auto made = SectionCounters::open("cycles:u,instructions:u,cycles:k");
  SectionCounters& counters = *std::get<std::unique_ptr<SectionCounters>>(made);
  std::vector<double> cycles;
  std::vector<double> instructions;
  for (const std::uint64_t turns : {2'000'000U, 6'000'000U}) {
    {
      CountedRegion region(counters);
      turn(turns);
    }
    for (const SectionCounters::Count& count : counters.take()) {
      fmt::print("{} turns: {} {} ({} of {} ns)\n", turns, count.name,
                 count.result.counted() ? fmt::format("{}", count.result.raw) : count.result.reason,
                 count.result.time_running.value_or(0), count.result.time_enabled.value_or(0));
      if (count.name == "cycles:u") {
        cycles.push_back(count.result.scaled().value_or(0));
        EXPECT_EQ(count.result.status, CounterStatus::counted);
      } else if (count.name == "instructions:u" && count.result.counted()) {
        instructions.push_back(count.result.scaled().value_or(0));
      }
    }
  }
  ASSERT_THAT(cycles, SizeIs(2));
  EXPECT_GT(cycles[0], 100'000);
  EXPECT_GT(cycles[1], cycles[0]);
  if (!instructions.empty()) {
    EXPECT_GE(instructions[0], 2 * 2'000'000);
    EXPECT_NEAR(instructions[1] / instructions[0], 3, 0.05);
  }
}

TEST(Hardware, MoreEventsThanFitAreSpreadOverGroupsAndScaled) {
  if (const std::string reason = why_no_hardware(); !reason.empty()) {
    GTEST_SKIP() << reason;
  }
  // No PMU has 18 counters for a thread.
  std::string events;
  for (const char* const event : {"cycles", "cpu-cycles", "perf::cycles"}) {
    for (const char* const levels : {"", ":u", ":k", ":uk", ":ku"}) {
      events += fmt::format("{}{}{}", events.empty() ? "" : ",", event, levels);
    }
  }
  events += ",perf::cpu-cycles,perf::cpu-cycles:u,perf::cpu-cycles:k";
  for (const bool rotation : {false, true}) {
    auto made = Counters::make({.events = events, .rotation = rotation});
    const auto counters = std::move(std::get<std::unique_ptr<Counters>>(made));
    const CounterPlan& plan = counters->plan();
    ASSERT_GE(plan.turns.size(), 2U);
    fmt::print("groups of hardware events: {}\n", plan.turns.size());
    ThreadCounters thread(plan, counters->calls(), 1);
    const unsigned samples = rotation ? 1 : 8 * static_cast<unsigned>(plan.turns.size());
    for (unsigned sample = 0; sample < samples; ++sample) {
      thread.begin(sample);
      turn(200'000);
      thread.end();
      thread.add_to(0);
    }
    const auto results = thread.take(0);
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (plan.counters[i].event.name.user && plan.counters[i].countable()) {
        const bool on = !rotation || plan.counters[i].group == 0;
        const CounterStatus multiplexed =
            rotation ? CounterStatus::counted : CounterStatus::multiplexed;
        EXPECT_EQ(results[i].status, on ? multiplexed : CounterStatus::not_scheduled)
            << plan.counters[i].event.name.text << ": " << results[i].reason;
        EXPECT_EQ(results[i].scaled().has_value(), on);
      }
    }
  }
}

TEST(Requests, AreSetsAndNamesEachOnce) {
  PerfStandIn perf;
  EXPECT_THAT(names_of(*make("page-faults,software,page-faults", perf)),
              AllOf(Contains("page-faults").Times(1), Contains("context-switches")));
  EXPECT_EQ(make("none", perf), nullptr);
  const auto all = names_of(*make("all", perf));
  for (const char* const set : {"tlb", "walk", "memory", "software"}) {
    for (const std::string& name : names_of(*make(set, perf))) {
      EXPECT_THAT(all, Contains(name)) << set;
    }
  }
}

TEST(Requests, TheDefaultIsWhatWorksHere) {
  PerfStandIn with_pmu;
  const auto with = names_of(*make("default", with_pmu));
  EXPECT_THAT(with, AllOf(Contains("cycles:u"), Contains("cycles:k"), Contains("page-faults")));
  EXPECT_THAT(with, Not(Contains("tlb:tlb_flush/reason==1/")));
  EXPECT_THAT(with, Not(Contains("/proc/interrupts:CAL")));
  PerfStandIn without;
  without.refuse = [](const perf_event_attr& attr) {
    return attr.type == PERF_TYPE_HARDWARE || attr.type == PERF_TYPE_HW_CACHE ? ENOENT : 0;
  };
  const auto counters = make("default", without);
  const auto names = names_of(*counters);
  EXPECT_THAT(names, AllOf(Contains("page-faults"), Contains("tlb:tlb_flush/reason==1/"),
                           Contains(HasSubstr("/proc/"))));
  EXPECT_THAT(names, Not(Contains("cycles:k")));
  // One row says why there is no hardware.
  EXPECT_EQ(names.front(), "cycles:u");
  EXPECT_EQ(counters->plan().counters.front().fault.status, CounterStatus::not_supported);
}

TEST(Requests, AnOrdinaryUserGetsWhatHisModeHas) {
  PerfStandIn perf;
  perf.refuse = [](const perf_event_attr& attr) { return attr.exclude_kernel ? 0 : EACCES; };
  const auto counters = make("default", perf);
  const auto names = names_of(*counters);
  EXPECT_THAT(names, AllOf(Contains("page-faults"), Contains("page-faults:u")));
  EXPECT_THAT(names, Not(Contains("context-switches:u")));
  for (const PlannedCounter& counter : counters->plan().counters) {
    if (counter.event.name.text == "page-faults") {
      EXPECT_EQ(counter.fault.status, CounterStatus::permission_denied);
      EXPECT_THAT(counter.fault.remedy, HasSubstr("CAP_PERFMON"));
    }
    EXPECT_EQ(counter.countable(), counter.fault.reason.empty()) << counter.event.name.text;
  }
}

TEST(Requests, BadOnesAreRefusedWithTheNameAndWhatIsAllowed) {
  EXPECT_THAT(refusal("cylces"), AllOf(HasSubstr("--counters: cylces: "), HasSubstr("cycles")));
  EXPECT_THAT(refusal("tlb,none"), HasSubstr("none goes with nothing else"));
  EXPECT_THAT(refusal("tlb,,walk"), HasSubstr("an empty name"));
  EXPECT_THAT(refusal("context-switches:u"), HasSubstr("always count 0"));
}

TEST(Requests, AFilterThatTheKernelRefusesIsBadInput) {
  PerfStandIn perf;
  perf.filter_error = EINVAL;
  const fs::path root = fs::path(testing::TempDir()) / fmt::format("filters_{}", getpid());
  fs::create_directories(root / "events/tlb/tlb_flush");
  std::ofstream(root / "events/tlb/tlb_flush/id") << "188\n";
  auto made =
      Counters::make({.events = "tlb:tlb_flush/reason=1/"}, perf, {.tracefs = {root.string()}});
  fs::remove_all(root);
  ASSERT_TRUE(std::holds_alternative<Problem>(made));
  EXPECT_THAT(std::get<Problem>(made).line(), HasSubstr("refuses the filter reason=1"));
}

// In a child with few descriptors left.
TEST(Descriptors, ThatAreTooFewCutTheSetAndAreSaid) {
  const pid_t child = fork();
  if (child == 0) {
    const rlimit few{60, 60};
    setrlimit(RLIMIT_NOFILE, &few);
    PerfStandIn perf;
    auto made = Counters::make({.events = "all", .threads = 4}, perf, no_tracefs());
    const auto& counters = *std::get<std::unique_ptr<Counters>>(made);
    const std::size_t each = counters.plan().descriptors();
    // Each of the four threads opens as many, and the run needs some of its own.
    const bool good = each != 0 && each * 4 + 30 < 60 &&
                      counters.remark().find("too many file descriptors") != std::string::npos;
    _exit(good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  PerfStandIn perf;
  EXPECT_THAT(make("all", perf)->remark(), IsEmpty());
}

// As nobody, whom the kernel may refuse everything: whatever is not counted says why.
TEST(OrdinaryUsers, AreToldOfEachCounterWhyItIsMissing) {
  const pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0 &&
        (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)) {
      _exit(2);
    }
    auto made = Counters::make({.events = "default,all"});
    if (std::holds_alternative<Problem>(made)) {
      _exit(3);
    }
    const auto& counters = *std::get<std::unique_ptr<Counters>>(made);
    ThreadCounters thread(counters.plan(), counters.calls(), 1);
    thread.begin(0);
    thread.end();
    thread.add_to(0);
    for (const CounterResult& result : thread.take(0)) {
      if (result.counted() ? !result.time_running : result.reason.empty()) {
        _exit(4);
      }
    }
    _exit(counters.plan().counters.empty() ? 5 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Lists, NameEveryEventOfTheSetsAndWhatStandsInTheWay) {
  PerfStandIn perf;
  perf.refuse = [](const perf_event_attr& attr) {
    return attr.type == PERF_TYPE_HARDWARE ? ENOENT : 0;
  };
  std::ostringstream out;
  list_counters(out, perf, no_tracefs());
  EXPECT_THAT(out.str(), HasSubstr("page-faults"));
  EXPECT_THAT(out.str(), HasSubstr("can be counted here"));
  EXPECT_THAT(out.str(), HasSubstr("no PMU is offered"));
  EXPECT_THAT(out.str(), HasSubstr("mount -t tracefs"));
}

class Tables : public ::testing::Test {
 protected:
  void SetUp() override {
    root = fs::path(testing::TempDir()) / fmt::format("tables_{}", getpid());
    fs::create_directories(root / "proc");
    put(5, 40, 900);
  }
  void TearDown() override { fs::remove_all(root); }
  void put(unsigned on_cpu_2, unsigned on_cpu_7, unsigned remote) const {
    std::ofstream(root / "proc/interrupts")
        << "           CPU2       CPU7\n LOC:  1  2  Local timer interrupts\n TLB:  " << on_cpu_2
        << "  " << on_cpu_7 << "  TLB shootdowns\n";
    std::ofstream(root / "proc/vmstat")
        << "nr_mlock 1\nnr_tlb_remote_flush " << remote << "\nnr_tlb_local_flush_all 3\n";
  }
  std::vector<PlannedCounter> planned(const char* text) const {
    return plan_table(std::get<EventName>(parse_event_name(text)), root);
  }

  fs::path root;
};

TEST_F(Tables, RowsAreExpandedAndAbsentOnesSayWhatThereIs) {
  const auto rows = planned("/proc/vmstat:nr_tlb_*");
  ASSERT_THAT(rows, SizeIs(2));
  EXPECT_EQ(rows[0].event.name.text, "/proc/vmstat:nr_tlb_remote_flush");
  EXPECT_THAT(planned("/proc/interrupts:TLB"), SizeIs(1));
  const auto absent = planned("/proc/interrupts:TBL");
  ASSERT_THAT(absent, SizeIs(1));
  EXPECT_EQ(absent[0].fault.status, CounterStatus::not_supported);
  EXPECT_THAT(absent[0].fault.reason, HasSubstr("the nearest are TLB"));
}

TEST_F(Tables, WhatMovesInABatchIsTheRivalsOnEachCpu) {
  CounterPlan plan;
  for (const char* const text : {"/proc/interrupts:TLB", "/proc/vmstat:nr_tlb_remote_flush"}) {
    plan.counters.push_back(planned(text).front());
  }
  TableCounts tables(plan, root);
  tables.begin();
  put(15, 43, 901);
  tables.end(1);
  put(1000, 1000, 1000);  // between batches
  tables.begin();
  put(1001, 1002, 1004);
  tables.end(1);
  EXPECT_EQ(tables.moved(1, 0, 2), 11U);
  EXPECT_EQ(tables.moved(1, 0, 7), 5U);
  EXPECT_EQ(tables.moved(1, 0, 3), std::nullopt);
  EXPECT_EQ(tables.moved(1, 1, 7), 5U);  // the machine's, whatever the CPU
  EXPECT_EQ(tables.moved(0, 0, 2), std::nullopt);
  tables.forget(1);
  EXPECT_EQ(tables.moved(1, 0, 2), std::nullopt);
}

class Rows : public ::testing::Test {
 protected:
  Rows() {
    like.bench = "flush_walk_bench";
    like.case_name = "a case";
    like.repetition = 3;
    like.role = "initiator";
    like.cpu = 6;
    like.shootdowns_expected = 20;
    like.shootdowns_proven = 19;
    like.invalid_reason = "why";
  }

  std::map<std::string, std::string> cells(const CounterRow& row) const {
    std::map<std::string, std::string> named;
    const auto header = counter_header();
    const auto values = counter_cells(row);
    for (std::size_t i = 0; i < header.size(); ++i) {
      named[header[i]] = values[i];
    }
    return named;
  }
  static const CounterRow& find(const std::vector<CounterRow>& rows, const std::string& name) {
    const auto found = std::find_if(rows.begin(), rows.end(),
                                    [&](const CounterRow& row) { return row.counter == name; });
    EXPECT_NE(found, rows.end()) << name;
    return *found;
  }

  CounterRow like;
  PerfStandIn perf;
};

TEST_F(Rows, HaveValueAndStatusOfEachCounter) {
  const auto counters = make("cycles:u,cycles:k,page-faults", perf);
  const std::vector<CounterResult> results = {
      {CounterStatus::multiplexed, 100, 400, 200, ""},
      {CounterStatus::permission_denied, 0, {}, {}, "not permitted"},
      {CounterStatus::counted, 0, 400, 400, ""}};
  const auto rows = make_counter_rows(
      *counters, results, {.operations = 10, .visited_blocks = 640, .shootdowns = 20}, like);
  ASSERT_THAT(rows, SizeIs(4));  // and one metric
  auto row = cells(rows[0]);
  EXPECT_EQ(row["counter"], "cycles:u");
  EXPECT_EQ(row["kind"], "hardware");
  EXPECT_EQ(row["raw"], "100");
  EXPECT_EQ(row["time_enabled_ns"], "400");
  EXPECT_EQ(row["time_running_ns"], "200");
  EXPECT_EQ(row["scaled"], "200.000000");
  EXPECT_EQ(row["per_operation"], "20.000000");
  EXPECT_EQ(row["status"], "multiplexed");
  EXPECT_EQ(row["cpu"], "6");
  EXPECT_EQ(row["shootdowns_proven"], "19");
  EXPECT_EQ(row["valid"], "false");
  row = cells(rows[1]);
  EXPECT_EQ(row["raw"] + row["scaled"] + row["per_operation"] + row["time_enabled_ns"], "")
      << "not counted is not 0";
  EXPECT_EQ(row["status"], "permission_denied");
  EXPECT_EQ(row["reason"], "not permitted");
  row = cells(rows[2]);
  EXPECT_EQ(row["raw"], "0");
  EXPECT_EQ(row["scaled"], "0.000000");
}

TEST_F(Rows, MetricsAreQuotientsOfWhatWasCountedOnTheirSide) {
  const auto counters = make("cycles:u,instructions:u,cycles:k", perf);
  const std::vector<CounterResult> results = {{CounterStatus::counted, 1280, 9, 9, ""},
                                              {CounterStatus::not_supported, 0, {}, {}, "no"},
                                              {CounterStatus::multiplexed, 300, 8, 4, ""}};
  const CaseWork work{.operations = 10, .visited_blocks = 640, .shootdowns = 20};
  const auto rows = make_counter_rows(*counters, results, work, like);
  ASSERT_THAT(rows, SizeIs(5));
  const CounterRow& cycles = find(rows, "cycles_per_visited_block");
  EXPECT_EQ(cycles.kind, "metric");
  EXPECT_EQ(cycles.operation, "visited_block");
  EXPECT_DOUBLE_EQ(cycles.per_operation.value(), 2.0);
  const CounterRow& kernel = find(rows, "cycles_per_shootdown");
  EXPECT_DOUBLE_EQ(kernel.per_operation.value(), 30.0);
  EXPECT_EQ(kernel.status, CounterStatus::multiplexed);
  like.role = "responder";
  const auto others = make_counter_rows(*counters, results, work, like);
  EXPECT_THAT(others, SizeIs(4));
  find(others, "cycles_per_shootdown");
}

TEST_F(Rows, NothingIsDividedByNothing) {
  const auto counters = make("cycles:u,cycles:k", perf);
  const std::vector<CounterResult> results(2, {CounterStatus::counted, 7, 9, 9, ""});
  const auto rows = make_counter_rows(*counters, results, {}, like);
  ASSERT_THAT(rows, SizeIs(2));
  EXPECT_EQ(cells(rows[0])["per_operation"], "");
}

std::string section(const std::string& heading) {
  std::ifstream file(FLUSHWALK_SCHEMA_PATH);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::size_t begin = text.find("## " + heading + "\n");
  return begin == std::string::npos ? "" : text.substr(begin, text.find("\n## ", begin) - begin);
}

TEST_F(Rows, ColumnsAreThoseOfTheSchema) {
  std::istringstream lines(section("counters.csv"));
  std::vector<std::string> described;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("| `")) {
      described.push_back(
          line.substr(0, line.find('|', line.find('|', line.find('|', 2) + 1) + 1)));
    }
  }
  std::vector<std::string> written;
  for (const CounterColumn& column : counter_columns()) {
    written.push_back(fmt::format("| `{}` | {} | {} ", column.name, column.type,
                                  column.may_be_empty ? "yes" : "no"));
  }
  EXPECT_EQ(described, written);
}

TEST(Descriptions, TellErrnoAndRemedyOfWhatIsNotCounted) {
  PerfStandIn perf;
  perf.refuse = [](const perf_event_attr& attr) {
    return attr.type == PERF_TYPE_HARDWARE ? EACCES : 0;
  };
  const auto counters = make("cycles:k,page-faults", perf);
  const auto described = describe_counters(*counters);
  ASSERT_EQ(described["events"].size(), 2U);
  EXPECT_EQ(described["events"][0]["errno"], "EACCES");
  EXPECT_EQ(described["events"][0]["status"], "permission_denied");
  EXPECT_TRUE(described["events"][0]["remedy"].is_string());
  EXPECT_TRUE(described["events"][1]["errno"].is_null());
  EXPECT_GE(described["cost"]["read_ns"], 0.0);
  EXPECT_TRUE(described["cost"]["counted_flush_ns"].is_number());
  std::set<std::string> keys;
  const std::string schema = section("machine.json");
  for (const auto& [key, value] : described["events"][0].items()) {
    EXPECT_THAT(schema, HasSubstr("| `counters.events[]." + key + "`"));
  }
  for (const auto& [key, value] : described["cost"].items()) {
    EXPECT_THAT(schema, HasSubstr("| `counters.cost." + key + "`"));
  }
  for (const auto& [key, value] : described.items()) {
    EXPECT_THAT(schema, HasSubstr("`counters." + key));
  }
}

}  // namespace
}  // namespace flushwalk
