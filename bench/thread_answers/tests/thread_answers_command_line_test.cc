// thread_answers as its users meet it: one JSON object with the keys that reports/SCHEMA.md has.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "allocator/tests/child_program.h"

namespace flushwalk {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using Json = nlohmann::json;

constexpr const char* kProgram = FLUSHWALK_PROGRAM;

// Paths as in the description: "window[].last_free".
void collect_keys(const Json& value, const std::string& path, std::set<std::string>* keys) {
  if (value.is_array()) {
    for (const Json& element : value) {
      collect_keys(element, path + "[]", keys);
    }
  } else if (value.is_object()) {
    for (const auto& [key, element] : value.items()) {
      collect_keys(element, path.empty() ? key : path + "." + key, keys);
    }
  } else if (!value.is_null()) {
    keys->insert(path);
  }
}

std::set<std::string> described_keys() {
  std::ifstream file(FLUSHWALK_SCHEMA_PATH);
  std::set<std::string> keys;
  bool in_section = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("## ")) {
      in_section = line == "## thread.json";
    }
    if (in_section && line.starts_with("| `")) {
      keys.insert(line.substr(3, line.find('`', 3) - 3));
    }
  }
  return keys;
}

TEST(ThreadAnswers, AreWhatIsKnownAndHaveTheKeysOfTheDescription) {
  const Outcome outcome = run(kProgram, {"--seconds=0.2"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out;
  EXPECT_THAT(outcome.err, IsEmpty());
  const Json json = Json::parse(outcome.out);
  std::set<std::string> keys;
  collect_keys(json, "", &keys);
  EXPECT_EQ(keys, described_keys());
  EXPECT_EQ(json["ok"], true);
  EXPECT_THAT(json["deferred"], SizeIs(8));
  const Json& churn = json["deferred"][0];
  EXPECT_EQ(churn["load"], "churn");
  EXPECT_GT(churn["flushes"]["p50"], 1) << "the old walk defers, the same in each run";
  const Json& direct = json["direct_return"][0];
  EXPECT_EQ(direct["stale_pages"], 64);
  EXPECT_EQ(direct["address_handed_out_again"], true);
  EXPECT_EQ(json["direct_return"][1]["stale_pages"], 0);
}

TEST(ThreadAnswers, BadArgumentsAreOneLine) {
  expect_one_line(run(kProgram, {"--seconds=0"}), "thread_answers: --seconds: ", "0");
  expect_one_line(run(kProgram, {"--fast"}), "thread_answers: ", "--fast");
  EXPECT_EQ(run(kProgram, {"--help"}).exit_code, 0);
}

}  // namespace
}  // namespace flushwalk
