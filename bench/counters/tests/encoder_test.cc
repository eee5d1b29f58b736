// Names to encodings: every event of the vendors' tables on CPUs that this machine does not have,
// and what is said of names that have none.
#include "bench/counters/encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "bench/counters/event_sets.h"

namespace flushwalk {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

EventName name(std::string_view text) { return std::get<EventName>(parse_event_name(text)); }

// A folder that stands for tracefs.
class Tracefs {
 public:
  Tracefs() : path_(fs::path(testing::TempDir()) / fmt::format("tracefs_{}", getpid())) {
    fs::create_directories(path_ / "events/tlb/tlb_flush");
    std::ofstream(path_ / "events/tlb/tlb_flush/id") << "188\n";
    std::ofstream(path_ / "events/tlb/enable") << "0\n";
  }
  ~Tracefs() { fs::remove_all(path_); }
  Tracefs(const Tracefs&) = delete;
  Tracefs& operator=(const Tracefs&) = delete;

  EncoderSources sources() const {
    return {.tracefs = {"/nonexistent", path_.string()}, .mount_tracefs = false};
  }

 private:
  fs::path path_;
};

// Encoded as if this CPU were of that PMU.
std::variant<EncodedEvent, NotEncoded> on(const std::string& pmu, std::string_view text) {
  static const Encoder encoder({.tracefs = {}, .any_cpu = true});
  EventName event = name(text);
  event.event = fmt::format("{}::{}", pmu, event.event);
  return encoder.encode(event);
}

class VendorEvents : public ::testing::TestWithParam<const char*> {};

TEST_P(VendorEvents, OfEverySetHaveAnEncodingOfTheirOwn) {
  const std::string pmu = GetParam();
  const EventTable& table = *tables_for({pmu}).at(1);
  ASSERT_THAT(table.pmus, Contains(pmu));
  std::set<std::tuple<std::uint64_t, std::uint64_t, bool, bool>> seen;
  std::size_t encoded = 0;
  for (const SetEvent* const event : events_of("all", {pmu})) {
    const bool vendors =
        event >= table.events.data() && event < table.events.data() + table.events.size();
    if (!vendors) {
      continue;
    }
    const auto result = on(pmu, event->name);
    ASSERT_TRUE(std::holds_alternative<EncodedEvent>(result))
        << event->name << ": " << std::get<NotEncoded>(result).text;
    const EncodedEvent& found = std::get<EncodedEvent>(result);
    EXPECT_EQ(found.kind, EventKind::hardware) << event->name;
    EXPECT_NE(found.attr.config, 0U) << event->name;
    // With levels, which a table's events have, exactly one of them is left out.
    EXPECT_NE(found.attr.exclude_user, found.attr.exclude_kernel) << event->name;
    EXPECT_TRUE(seen.insert({found.attr.config, found.attr.config1, found.attr.exclude_user,
                             found.attr.exclude_kernel})
                    .second)
        << event->name << " is encoded like another";
    ++encoded;
  }
  EXPECT_GE(encoded, 6U);
}

// What the table says a CPU lacks, it does lack.
TEST_P(VendorEvents, ThatTheTableLeavesOutAreNotThere) {
  const std::string pmu = GetParam();
  for (const SetEvent& event : tables_for({pmu}).at(1)->events) {
    if (event.lacking.find(pmu) != std::string_view::npos) {
      EXPECT_TRUE(std::holds_alternative<NotEncoded>(on(pmu, event.name))) << event.name;
    }
  }
}

#if defined(__x86_64__)
// Skylake, Ice Lake, Sapphire Rapids and their servers; Zen 2 to 4. libpfm4 has an architecture's
// own.
INSTANTIATE_TEST_SUITE_P(Cpus, VendorEvents,
                         ::testing::Values("skl", "skx", "clx", "icl", "icx", "spr",
                                           "amd64_fam17h_zen2", "amd64_fam19h_zen3",
                                           "amd64_fam19h_zen4"));

// By Intel's and AMD's own tables of events.
TEST(Encodings, AreTheManufacturers) {
  const auto code = [](const char* pmu, const char* event) {
    return std::get<EncodedEvent>(on(pmu, event)).attr.config & 0xffff;
  };
  EXPECT_EQ(code("skl", "dtlb_load_misses.walk_completed:u"), 0x0e08U);
  EXPECT_EQ(code("skl", "tlb_flush.dtlb_thread:k"), 0x01bdU);
  EXPECT_EQ(code("icl", "tlb_flush.stlb_any:k"), 0x20bdU);
  EXPECT_EQ(code("spr", "dtlb_load_misses.walk_completed:u"), 0x0e12U);
  EXPECT_EQ(code("amd64_fam19h_zen3", "tlb_flushes.all:k"), 0xff78U);
  EXPECT_EQ(code("amd64_fam19h_zen3",
                 "l1_dtlb_miss.tlb_reload_4k_l2_miss.tlb_reload_coalesced_page_miss:u"),
            0x3045U);
}
#else
INSTANTIATE_TEST_SUITE_P(Cpus, VendorEvents, ::testing::Values("arm_n1", "arm_n2", "arm_v1"));
#endif

TEST(EventSets, EveryNameIsReadableAndEveryMetricIsMadeOfThem) {
  for (const EventTable* const table :
       {&kGeneralTable, &kUnknownCpuTable, &kIntelTable, &kAmdTable, &kArmTable}) {
    std::set<std::string_view> names;
    for (const EventTable* const source : {&kGeneralTable, table}) {
      for (const SetEvent& event : source->events) {
        EXPECT_TRUE(std::holds_alternative<EventName>(parse_event_name(event.name)));
        for (const std::string_view set : parts_of(event.sets, ' ')) {
          EXPECT_TRUE(is_set(set) && set != "all") << set;
        }
        names.insert(event.name);
      }
    }
    for (const Metric& metric : table->metrics) {
      for (const std::string_view part : parts_of(metric.sum, '+')) {
        EXPECT_THAT(names, Contains(part)) << metric.name;
      }
    }
  }
}

TEST(EventSets, AnUnknownCpuHasPerfsOwnEvents) {
  EXPECT_EQ(tables_for({}).at(1), &kUnknownCpuTable);
  EXPECT_EQ(tables_for({"arm_v1"}).at(1), &kArmTable);
  EXPECT_EQ(tables_for({"amd64_fam19h_zen3"}).at(1), &kAmdTable);
}

TEST(Encoder, KnowsPerfsEventsOnEveryMachine) {
  const Encoder encoder({.tracefs = {}});
  for (const SetEvent& event : kUnknownCpuTable.events) {
    EXPECT_TRUE(std::holds_alternative<EncodedEvent>(encoder.encode(name(event.name))))
        << event.name;
  }
  const auto cycles = std::get<EncodedEvent>(encoder.encode(name("cycles:k")));
  EXPECT_EQ(cycles.kind, EventKind::hardware);
  EXPECT_EQ(cycles.attr.exclude_user, 1U);
  EXPECT_EQ(cycles.attr.exclude_kernel, 0U);
  const auto faults = std::get<EncodedEvent>(encoder.encode(name("page-faults")));
  EXPECT_EQ(faults.kind, EventKind::software);
  EXPECT_EQ(faults.attr.config, std::uint64_t{PERF_COUNT_SW_PAGE_FAULTS});
  EXPECT_EQ(faults.attr.exclude_user + faults.attr.exclude_kernel, 0U);
}

TEST(Encoder, FindsATracepointByItsIdFile) {
  const Tracefs tracefs;
  const Encoder encoder(tracefs.sources());
  const auto event = std::get<EncodedEvent>(encoder.encode(name("tlb:tlb_flush/reason==1/")));
  EXPECT_EQ(event.kind, EventKind::tracepoint);
  EXPECT_EQ(event.attr.type, std::uint32_t{PERF_TYPE_TRACEPOINT});
  EXPECT_EQ(event.attr.config, 188U);
  EXPECT_EQ(event.name.filter, "reason==1");
}

NotEncoded refusal(const Encoder& encoder, std::string_view text) {
  auto result = encoder.encode(name(text));
  if (std::holds_alternative<EncodedEvent>(result)) {
    ADD_FAILURE() << text << " has an encoding";
    return {};
  }
  return std::get<NotEncoded>(result);
}

TEST(Encoder, SuggestsWhatAMisspeltNameMayHaveMeant) {
  const Tracefs tracefs;
  const Encoder encoder(tracefs.sources());
  EXPECT_EQ(refusal(encoder, "cylces:u").why, NotEncoded::unknown);
  EXPECT_THAT(refusal(encoder, "cylces:u").text, HasSubstr("the nearest are cycles"));
  EXPECT_THAT(refusal(encoder, "page-fautls").text, HasSubstr("page-faults"));
  EXPECT_THAT(refusal(encoder, "tlb:tlb_flsh/reason==1/").text, HasSubstr("tlb:tlb_flush"));
  EXPECT_THAT(refusal(encoder, "tlb:tlb_flsh").text, HasSubstr("tlb:tlb_flush"));
  EXPECT_THAT(refusal(encoder, "tlb:enabel").text, Not(HasSubstr("tlb:enable"))) << "no event";
  EXPECT_THAT(refusal(encoder, "tlb:page_out").text, HasSubstr("the nearest are tlb:tlb_flush"));
}

#if defined(__x86_64__)
TEST(Encoder, TellsAnotherCpusEventFromAMisspeltOne) {
  const Encoder encoder({.tracefs = {}});
  // Of CPUs with a PMU of their own; on none of them are both names valid.
  const NotEncoded old = refusal(encoder, "core::dtlb_misses.any");
  EXPECT_EQ(old.why, NotEncoded::other_cpu);
  EXPECT_THAT(old.text, HasSubstr("valid for another CPU only"));
  EXPECT_THAT(old.text, AnyOf(HasSubstr("this CPU is"), HasSubstr("does not know this CPU")));
}
#endif

TEST(Encoder, RefusesWhatWouldAlwaysCountNothing) {
  const Tracefs tracefs;
  const Encoder encoder(tracefs.sources());
  for (const char* const text : {"tlb:tlb_flush:u", "context-switches:u", "cpu-migrations:u"}) {
    EXPECT_EQ(refusal(encoder, text).why, NotEncoded::never_hits) << text;
  }
  EXPECT_TRUE(std::holds_alternative<EncodedEvent>(encoder.encode(name("page-faults:u"))));
}

TEST(Encoder, WithoutTracefsSaysWhatIsMissing) {
  const Encoder encoder({.tracefs = {"/nonexistent"}, .mount_tracefs = false});
  const NotEncoded missing = refusal(encoder, "tlb:tlb_flush/reason==1/");
  EXPECT_EQ(missing.why, NotEncoded::unreadable);
  EXPECT_EQ(missing.error, ENOENT);
  EXPECT_THAT(missing.text, HasSubstr("mount -t tracefs"));
  EXPECT_EQ(refusal(encoder, "tlb:tlb_flush").why, NotEncoded::unreadable);
}

}  // namespace
}  // namespace flushwalk
