// machine_probe as scripts/doctor meets it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "allocator/tests/child_program.h"

namespace flushwalk {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Json = nlohmann::json;

constexpr const char* kProgram = FLUSHWALK_PROGRAM;

TEST(MachineProbe, TellsTheMachineAndTheNoiseOfEachCpu) {
  const Outcome outcome = run(kProgram, {"--seconds=0.05"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, IsEmpty());
  const Json json = Json::parse(outcome.out);
  EXPECT_EQ(json["machine"]["command_line"], Json({"machine_probe", "--seconds=0.05"}));
  EXPECT_GT(json["machine"]["clock"]["frequency_hz"], 0);
  ASSERT_FALSE(json["noise"].empty());
  for (const Json& cpu : json["noise"]) {
    EXPECT_EQ(cpu["error"], nullptr);
    EXPECT_GE(cpu["seconds"], 0.05 - 1e-7) << "whole ticks of the clock, rounded";
  }
}

TEST(MachineProbe, WithoutSecondsNoCpuIsWatched) {
  const Json json = Json::parse(run(kProgram, {"--seconds=0"}).out);
  EXPECT_EQ(json["noise"], nullptr);
  EXPECT_TRUE(json["machine"]["topology"].is_object());
}

TEST(MachineProbe, BadInputIsOneLineThatNamesIt) {
  const Outcome outcome = run(kProgram, {"--seconds=61"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.out, IsEmpty());
  EXPECT_THAT(outcome.err, HasSubstr("machine_probe: --seconds: "));
}

}  // namespace
}  // namespace flushwalk
