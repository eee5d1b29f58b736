// The hypervisor: who CPUID says it is, and what the kernel found when it started. The two need not
// agree: a host may show another's signature and still serve the guest by its own rules.
#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <string_view>
#include <utility>

#include "bench/machine/kernel_values.h"
#include "bench/machine/machine_facts.h"

namespace flushwalk {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint32_t kHypervisorLeaves = 0x40000000;
constexpr std::string_view kKvmSignature = "KVMKVMKVM";

// The 12 letters in ebx, ecx, edx, without the zeros or spaces at their end.
std::optional<std::string> signature_at(const CpuidFunction& cpuid, std::uint32_t leaf) {
  const std::optional<CpuidLeaf> registers = cpuid(leaf, 0);
  if (!registers) {
    return std::nullopt;
  }
  const std::array<std::uint32_t, 3> words = {registers->ebx, registers->ecx, registers->edx};
  std::string text(sizeof words, '\0');
  std::memcpy(text.data(), words.data(), sizeof words);
  while (!text.empty() && (text.back() == '\0' || text.back() == ' ')) {
    text.pop_back();
  }
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return std::isprint(c) == 0; }, '?');
  return text;
}

std::string vendor_of_signature(const std::string& signature) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kVendors = {{
      {kKvmSignature, "kvm"},
      {"Microsoft Hv", "hyperv"},
      {"VMwareVMware", "vmware"},
      {"XenVMMXenVMM", "xen"},
      {"TCGTCGTCGTCG", "tcg"},
      {"VBoxVBoxVBox", "virtualbox"},
      {"bhyve bhyve", "bhyve"},
      {"ACRNACRNACRN", "acrn"},
      {"prl hyperv", "parallels"},
  }};
  for (const auto& [known, vendor] : kVendors) {
    if (signature == known) {
      return std::string(vendor);
    }
  }
  return signature.empty() ? "unknown" : signature;
}

// KVM's own leaves stand at 0x40000000, or further on where it imitates Hyper-V there.
std::optional<std::uint32_t> find_kvm_leaves(const CpuidFunction& cpuid) {
  for (std::uint32_t base = kHypervisorLeaves; base < kHypervisorLeaves + 0x1000; base += 0x100) {
    if (signature_at(cpuid, base) == kKvmSignature) {
      return base;
    }
  }
  return std::nullopt;
}

// What is said in CPUID.
Json from_cpuid(const CpuidFunction& cpuid) {
  constexpr std::uint32_t kHypervisorPresent = 1U << 31;  // leaf 1, ecx
  constexpr std::uint32_t kPvTlbFlush = 1U << 9;
  constexpr std::uint32_t kPvIpi = 1U << 11;
  const std::optional<CpuidLeaf> features = cpuid(1, 0);
  Json result = {{"vendor", nullptr}, {"pv_tlb_flush", nullptr}, {"pv_ipi", nullptr}};
  if (!features) {
    return result;
  }
  if ((features->ecx & kHypervisorPresent) == 0) {
    return {{"vendor", "none"}, {"pv_tlb_flush", false}, {"pv_ipi", false}};
  }
  result["vendor"] = vendor_of_signature(signature_at(cpuid, kHypervisorLeaves).value_or(""));
  if (const std::optional<std::uint32_t> base = find_kvm_leaves(cpuid)) {
    result["vendor"] = "kvm";
    if (const std::optional<CpuidLeaf> offered = cpuid(*base + 1, 0)) {
      result["pv_tlb_flush"] = (offered->eax & kPvTlbFlush) != 0;
      result["pv_ipi"] = (offered->eax & kPvIpi) != 0;
    }
  }
  return result;
}

// "…Hypervisor detected: KVM\n…" -> "KVM"
std::optional<std::string> detected_in(const std::string& log) {
  constexpr std::string_view kWords = "Hypervisor detected: ";
  const std::size_t at = log.find(kWords);
  if (at == std::string::npos) {
    return std::nullopt;
  }
  const std::size_t begin = at + kWords.size();
  return log.substr(begin, log.find('\n', begin) - begin);
}

// KVM's and Hyper-V's words in the kernel's log.
bool flushes_by_hypervisor(const std::string& log) {
  return log.find("setup pv remote TLB flush") != std::string::npos ||
         log.find("Using hypercall for remote TLB flush") != std::string::npos;
}

}  // namespace

nlohmann::ordered_json describe_hypervisor(const std::string& root, const CpuidFunction& cpuid) {
  Json result = from_cpuid(cpuid);
  result["kernel"] = nullptr;
  result["kernel_pv_tlb_flush"] = nullptr;
  // A log that has lost its beginning tells nothing by what it lacks.
  const std::string log = read_kernel_log(root + "/dev/kmsg").value_or("");
  if (log.find("Linux version ") != std::string::npos) {
    // Only x86 looks for one when it starts, and so can say that it found none.
    const auto detected = detected_in(log);
    result["kernel"] = !detected && cpuid(1, 0) ? Json("none") : or_null(detected);
    result["kernel_pv_tlb_flush"] = flushes_by_hypervisor(log);
  }
  return result;
}

}  // namespace flushwalk
