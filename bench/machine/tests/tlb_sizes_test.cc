#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "bench/machine/machine_facts.h"

namespace flushwalk {
namespace {

using Leaves = std::map<std::pair<std::uint32_t, std::uint32_t>, CpuidLeaf>;

// A CPU of that vendor (12 letters) with these leaves and no others.
CpuidFunction cpu(const char* vendor, Leaves leaves) {
  CpuidLeaf first;
  std::memcpy(&first.ebx, vendor, 4);
  std::memcpy(&first.edx, vendor + 4, 4);
  std::memcpy(&first.ecx, vendor + 8, 4);
  leaves[{0, 0}] = first;
  return [leaves](std::uint32_t leaf, std::uint32_t subleaf) -> std::optional<CpuidLeaf> {
    const auto found = leaves.find({leaf, subleaf});
    return found == leaves.end() ? std::nullopt : std::optional(found->second);
  };
}

std::string told(const CpuidFunction& cpuid) {
  const nlohmann::ordered_json json = describe_tlb_sizes(cpuid);
  std::string text = json["sizes_how"].get<std::string>();
  for (const auto& size : json["sizes"]) {
    text += "; L" + size["level"].dump() + " " + size["type"].get<std::string>() + " " +
            size["pages"].get<std::string>() + " " + size["entries"].dump() + "/" +
            size["ways"].dump();
  }
  return text;
}

// Sets times ways are the entries; a subleaf of type 0 in between is no end.
TEST(TlbSizes, Leaf18HasATlbInEachSubleaf) {
  const Leaves leaves = {
      {{0x18, 0}, {.eax = 4}},
      {{0x18, 1}, {.ebx = 0x00080001, .ecx = 0x20, .edx = 0x22}},
      {{0x18, 2}, {}},
      {{0x18, 3}, {.ebx = 0x0010000f, .ecx = 1, .edx = 0x125}},
      {{0x18, 4}, {.ebx = 0x00080007, .ecx = 0x80, .edx = 0x43}},
  };
  EXPECT_EQ(told(cpu("GenuineIntel", leaves)),
            "CPUID 0x18; L1 Instruction 4K 256/8; L1 Store 4K 2M 4M 1G 16/16; "
            "L2 Unified 4K 2M 4M 1024/8");
}

// Skylake's words. The lowest byte (01 here, which would be a TLB) is no descriptor, and neither
// are those of a word with its highest bit set.
TEST(TlbSizes, Leaf2HasADescriptorInEachByte) {
  const Leaves leaves = {
      {{2, 0}, {.eax = 0x76036301, .ebx = 0x00f0b5ff, .ecx = 0x80000003, .edx = 0x00c30000}}};
  EXPECT_EQ(told(cpu("GenuineIntel", leaves)),
            "CPUID 2; L1 Data 2M 4M 32/4; L1 Data 1G 4/4; L1 Data 4K 64/4; "
            "L1 Instruction 2M 4M 8/8; L1 Instruction 4K 64/8; L2 Unified 4K 2M 1536/6; "
            "L2 Unified 1G 16/4");
}

// 5 is 6 ways, 6 is 8, and f is all of them.
TEST(TlbSizes, AmdCodesAssociativity) {
  const Leaves leaves = {
      {{0x80000005, 0}, {.eax = 0xff40ff40, .ebx = 0xff40ff40}},
      {{0x80000006, 0}, {.eax = 0x5c002200, .ebx = 0x6c004200}},
      {{0x80000019, 0}, {.eax = 0xf040f040, .ebx = 0x00000000}},
  };
  EXPECT_EQ(told(cpu("AuthenticAMD", leaves)),
            "CPUID 0x80000005, 6 and 0x19; L1 Instruction 4K 64/64; L1 Data 4K 64/64; "
            "L1 Instruction 2M 4M 64/64; L1 Data 2M 4M 64/64; L1 Instruction 1G 64/64; "
            "L1 Data 1G 64/64; L2 Instruction 4K 512/4; L2 Data 4K 3072/8; "
            "L2 Instruction 2M 4M 512/2; L2 Data 2M 4M 3072/6");
}

// A hypervisor hands out zeros.
TEST(TlbSizes, WhatIsNotToldIsNull) {
  EXPECT_EQ(told(cpu("GenuineIntel", {{{0x18, 0}, {}}, {{2, 0}, {.eax = 1}}})), "CPUID tells none");
  EXPECT_EQ(told(cpu("AuthenticAMD", {{{0x80000005, 0}, {}}})), "CPUID tells none");
  EXPECT_EQ(told([](std::uint32_t, std::uint32_t) { return std::optional<CpuidLeaf>(); }),
            "no CPUID");
  EXPECT_EQ(describe_tlb_sizes(cpu("GenuineIntel", {}))["sizes"], nullptr);
}

}  // namespace
}  // namespace flushwalk
