#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/machine/machine_facts.h"
#include "bench/machine/tests/recorded_root.h"

namespace flushwalk {
namespace {

using Json = nlohmann::ordered_json;

Json hypervisor_of(const CpuidFunction& cpuid) {
  const Folder root;
  Json found = describe_hypervisor(root.path(), cpuid);
  EXPECT_EQ(found["kernel"], nullptr);
  EXPECT_EQ(found["kernel_pv_tlb_flush"], nullptr);
  found.erase("kernel");
  found.erase("kernel_pv_tlb_flush");
  return found;
}

TEST(DescribeHypervisor, KvmTellsItsParavirtualFeatures) {
  EXPECT_EQ(hypervisor_of(hypervisor("KVMKVMKVM", 0x1007efb)).dump(),
            R"({"vendor":"kvm","pv_tlb_flush":true,"pv_ipi":true})");
  EXPECT_EQ(hypervisor_of(hypervisor("KVMKVMKVM", 1U << 9)).dump(),
            R"({"vendor":"kvm","pv_tlb_flush":true,"pv_ipi":false})");
  EXPECT_EQ(hypervisor_of(hypervisor("KVMKVMKVM", 1U << 11)).dump(),
            R"({"vendor":"kvm","pv_tlb_flush":false,"pv_ipi":true})");
}

TEST(DescribeHypervisor, KvmIsFoundBehindItsImitationOfHyperV) {
  EXPECT_EQ(hypervisor_of(hypervisor("Microsoft Hv", 1U << 9, 0x40000100, "KVMKVMKVM")).dump(),
            R"({"vendor":"kvm","pv_tlb_flush":true,"pv_ipi":false})");
}

TEST(DescribeHypervisor, OthersHaveOtherLeavesAndStayUnknown) {
  EXPECT_EQ(hypervisor_of(hypervisor("Microsoft Hv", ~0U)).dump(),
            R"({"vendor":"hyperv","pv_tlb_flush":null,"pv_ipi":null})");
  EXPECT_EQ(hypervisor_of(hypervisor("NewComer\x01", ~0U))["vendor"], "NewComer?");
  EXPECT_EQ(hypervisor_of(hypervisor("", 0))["vendor"], "unknown");
}

TEST(DescribeHypervisor, BareMetalHasNone) {
  const auto bare = [](std::uint32_t leaf, std::uint32_t) -> std::optional<CpuidLeaf> {
    // What Intel CPUs answer beyond their last leaf: anything.
    return leaf == 1 ? CpuidLeaf{.ecx = ~(1U << 31)} : CpuidLeaf{~0U, ~0U, ~0U, ~0U};
  };
  EXPECT_EQ(hypervisor_of(bare).dump(), R"({"vendor":"none","pv_tlb_flush":false,"pv_ipi":false})");
}

Json told_by_log(const std::string& log) {
  const Folder root;
  root.put("dev/kmsg", log);
  Json found = describe_hypervisor(root.path(), hypervisor("bhyve bhyve", 0));
  EXPECT_EQ(found["vendor"], "bhyve");
  return Json::array({found["kernel"], found["kernel_pv_tlb_flush"]});
}

// What a host lets CPUID sign as, and whom the kernel serves, are two things.
TEST(DescribeHypervisor, TheKernelsLogIsToldBesideCpuid) {
  const std::string boot = "5,0,0,-;Linux version 6.18\n SUBSYSTEM=acpi\n";
  const std::string kvm = "6,12,0,-;Hypervisor detected: KVM\n6,13,9,-;kvm-clock: msrs\n";
  const std::string flush = "6,90,84838,-;kvm-guest: KVM setup pv remote TLB flush\n";
  EXPECT_EQ(told_by_log(boot + kvm + flush).dump(), R"(["KVM",true])");
  EXPECT_EQ(told_by_log(boot + kvm).dump(), R"(["KVM",false])");
  EXPECT_EQ(told_by_log(boot + "6,3,0,-;x86/hyperv: Using hypercall for remote TLB flush\n").dump(),
            R"(["none",true])");
  EXPECT_EQ(told_by_log(boot).dump(), R"(["none",false])");
  // The beginning was overwritten.
  EXPECT_EQ(told_by_log(flush).dump(), "[null,null]");
}

// arm64's kernel never says what it runs on.
TEST(DescribeHypervisor, WithoutCpuidALogThatNamesNoneTellsNothing) {
  const Folder root;
  root.put("dev/kmsg", "5,0,0,-;Linux version 6.18\n");
  EXPECT_EQ(describe_hypervisor(root.path(), no_cpuid)["kernel"], nullptr);
}

}  // namespace
}  // namespace flushwalk
