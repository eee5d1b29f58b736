// What the tests of machine facts feed them: a folder that stands for /, and CPUs.
#ifndef FLUSHWALK_BENCH_MACHINE_TESTS_RECORDED_ROOT_H_
#define FLUSHWALK_BENCH_MACHINE_TESTS_RECORDED_ROOT_H_

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "bench/support/cpuid.h"

namespace flushwalk {

class Folder {
 public:
  Folder()
      : path_(std::filesystem::path(testing::TempDir()) / fmt::format("machine_{}", getpid())) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  void put(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((path_ / file).parent_path());
    std::ofstream(path_ / file) << text;
  }
  std::string get(const std::string& file) const {
    std::ifstream stream(path_ / file);
    std::stringstream text;
    text << stream.rdbuf();
    return text.str();
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::optional<CpuidLeaf> no_cpuid(std::uint32_t, std::uint32_t) { return std::nullopt; }

// A CPU under a hypervisor that signs as given at 0x40000000 (and at a further leaf), with features
// there.
inline CpuidFunction hypervisor(const std::string& signature, std::uint32_t features,
                                std::uint32_t further_base = 0, const std::string& further = "") {
  return [=](std::uint32_t leaf, std::uint32_t) -> std::optional<CpuidLeaf> {
    const auto sign = [](const std::string& text) {
      char letters[12] = {};
      std::memcpy(letters, text.data(), std::min<std::size_t>(text.size(), sizeof letters));
      CpuidLeaf result;
      std::memcpy(&result.ebx, letters, 4);
      std::memcpy(&result.ecx, letters + 4, 4);
      std::memcpy(&result.edx, letters + 8, 4);
      return result;
    };
    if (leaf == 1) {
      return CpuidLeaf{.ecx = 1U << 31};
    }
    if (leaf == 0x40000000) {
      return sign(signature);
    }
    if (further_base != 0 && leaf == further_base) {
      return sign(further);
    }
    if (leaf == (further_base != 0 ? further_base : 0x40000000) + 1) {
      return CpuidLeaf{.eax = features};
    }
    return std::nullopt;
  };
}

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_MACHINE_TESTS_RECORDED_ROOT_H_
