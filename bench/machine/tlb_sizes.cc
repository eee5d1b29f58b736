// How many translations a CPU's TLBs hold, as CPUID tells it: leaf 0x18 of newer Intel CPUs (a TLB
// a subleaf), the descriptors of leaf 2 of older ones, leaves 0x80000005, 6 and 0x19 of AMD's. The
// meaning of bits and descriptors is from the vendors' manuals (Intel SDM volume 2, CPUID; AMD
// APM volume 3, appendix E). Arm tells software nothing of the kind.
#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <vector>

#include "bench/machine/machine_facts.h"

namespace flushwalk {
namespace {

using Json = nlohmann::ordered_json;

struct TlbSize {
  unsigned level;         // 1 is nearest to the core
  std::string_view type;  // Data, Instruction, Unified; Load, Store
  std::string pages;      // "4K 2M"
  unsigned entries;
  unsigned ways;  // as many as entries: fully associative; 0 where not told
};

Json to_json(const std::vector<TlbSize>& sizes) {
  Json list = Json::array();
  for (const TlbSize& size : sizes) {
    list.push_back({{"level", size.level},
                    {"type", size.type},
                    {"pages", size.pages},
                    {"entries", size.entries},
                    {"ways", size.ways == 0 ? Json(nullptr) : Json(size.ways)}});
  }
  return list;
}

constexpr unsigned bits(std::uint32_t word, unsigned low, unsigned count) {
  return (word >> low) & ((1U << count) - 1);
}

// ---- Intel, leaf 0x18

std::vector<TlbSize> from_leaf_18(const CpuidFunction& cpuid) {
  constexpr std::uint32_t kLeaf = 0x18;
  constexpr std::array<std::string_view, 6> kTypes = {"",        "Data", "Instruction",
                                                      "Unified", "Load", "Store"};
  constexpr std::array<std::string_view, 4> kPages = {"4K", "2M", "4M", "1G"};
  constexpr unsigned kMostSubleaves = 64;
  std::vector<TlbSize> sizes;
  const auto first = cpuid(kLeaf, 0);
  const unsigned last = first ? std::min(first->eax, kMostSubleaves) : 0;
  for (unsigned subleaf = 0; first && subleaf <= last; ++subleaf) {
    const auto tlb = cpuid(kLeaf, subleaf);
    const unsigned type = tlb ? bits(tlb->edx, 0, 5) : 0;
    if (type == 0 || type >= kTypes.size()) {
      continue;  // this subleaf is of no TLB; later ones may be
    }
    std::string pages;
    for (unsigned i = 0; i < kPages.size(); ++i) {
      if (bits(tlb->ebx, i, 1) != 0) {
        pages += (pages.empty() ? "" : " ") + std::string(kPages[i]);
      }
    }
    const unsigned ways = bits(tlb->ebx, 16, 16);
    sizes.push_back({bits(tlb->edx, 5, 3), kTypes[type], pages, ways * tlb->ecx, ways});
  }
  return sizes;
}

// ---- Intel, leaf 2

struct Descriptor {
  std::uint8_t byte;
  unsigned level;
  std::string_view type;
  std::string_view pages;
  unsigned entries;
  unsigned ways;
};
// A byte may stand for two TLBs. Those of caches and prefetchers are left out.
constexpr std::array kDescriptors = {
    Descriptor{0x01, 1, "Instruction", "4K", 32, 4},
    Descriptor{0x02, 1, "Instruction", "4M", 2, 2},
    Descriptor{0x03, 1, "Data", "4K", 64, 4},
    Descriptor{0x04, 1, "Data", "4M", 8, 4},
    Descriptor{0x0b, 1, "Instruction", "4M", 4, 4},
    Descriptor{0x4f, 1, "Instruction", "4K", 32, 0},
    Descriptor{0x50, 1, "Instruction", "4K 2M 4M", 64, 0},
    Descriptor{0x51, 1, "Instruction", "4K 2M 4M", 128, 0},
    Descriptor{0x52, 1, "Instruction", "4K 2M 4M", 256, 0},
    Descriptor{0x55, 1, "Instruction", "2M 4M", 7, 7},
    Descriptor{0x56, 1, "Data", "4M", 16, 4},
    Descriptor{0x57, 1, "Data", "4K", 16, 4},
    Descriptor{0x59, 1, "Data", "4K", 16, 16},
    Descriptor{0x5a, 1, "Data", "2M 4M", 32, 4},
    Descriptor{0x5b, 1, "Data", "4K 4M", 64, 0},
    Descriptor{0x5c, 1, "Data", "4K 4M", 128, 0},
    Descriptor{0x5d, 1, "Data", "4K 4M", 256, 0},
    Descriptor{0x61, 1, "Instruction", "4K", 48, 48},
    Descriptor{0x63, 1, "Data", "2M 4M", 32, 4},
    Descriptor{0x63, 1, "Data", "1G", 4, 4},
    Descriptor{0x64, 1, "Data", "4K", 512, 4},
    Descriptor{0x6b, 1, "Data", "4K", 256, 8},
    Descriptor{0x6c, 1, "Data", "2M 4M", 128, 8},
    Descriptor{0x6d, 1, "Data", "1G", 16, 16},
    Descriptor{0x76, 1, "Instruction", "2M 4M", 8, 8},
    Descriptor{0xa0, 1, "Data", "4K", 32, 32},
    Descriptor{0xb0, 1, "Instruction", "4K", 128, 4},
    Descriptor{0xb2, 1, "Instruction", "4K", 64, 4},
    Descriptor{0xb3, 1, "Data", "4K", 128, 4},
    Descriptor{0xb4, 1, "Data", "4K", 256, 4},
    Descriptor{0xb5, 1, "Instruction", "4K", 64, 8},
    Descriptor{0xb6, 1, "Instruction", "4K", 128, 8},
    Descriptor{0xba, 1, "Data", "4K", 64, 4},
    Descriptor{0xc0, 1, "Data", "4K 4M", 8, 4},
    Descriptor{0xc1, 2, "Unified", "4K 2M", 1024, 8},
    Descriptor{0xc2, 1, "Data", "4K 2M", 16, 4},
    Descriptor{0xc3, 2, "Unified", "4K 2M", 1536, 6},
    Descriptor{0xc3, 2, "Unified", "1G", 16, 4},
    Descriptor{0xc4, 1, "Data", "2M 4M", 32, 4},
    Descriptor{0xca, 2, "Unified", "4K", 512, 4},
};

std::vector<TlbSize> from_leaf_2(const CpuidFunction& cpuid) {
  std::vector<TlbSize> sizes;
  const auto leaf = cpuid(2, 0);
  if (!leaf) {
    return sizes;
  }
  // The lowest byte of eax is no descriptor, and a word with its highest bit set holds none.
  const std::array<std::uint32_t, 4> words = {leaf->eax & ~0xffU, leaf->ebx, leaf->ecx, leaf->edx};
  for (const std::uint32_t word : words) {
    for (unsigned low = 0; bits(word, 31, 1) == 0 && low < 32; low += 8) {
      for (const Descriptor& known : kDescriptors) {
        if (known.byte == bits(word, low, 8)) {
          sizes.push_back(
              {known.level, known.type, std::string(known.pages), known.entries, known.ways});
        }
      }
    }
  }
  return sizes;
}

// ---- AMD

// The four-bit code of an associativity; `entries` where all of them are.
unsigned amd_ways(unsigned code, unsigned entries) {
  constexpr std::array<unsigned, 16> kWays = {0,  1, 2,  3,  4,  6,  8,   0,
                                              16, 0, 32, 48, 64, 96, 128, 0};
  return code == 0xf ? entries : kWays[code];
}

void add_amd(std::vector<TlbSize>& sizes, unsigned level, const char* pages, std::uint32_t word) {
  const auto add = [&](std::string_view type, unsigned entries, unsigned ways) {
    if (entries != 0) {
      sizes.push_back({level, type, pages, entries, ways});
    }
  };
  const unsigned instructions = bits(word, 0, 12);
  const unsigned data = bits(word, 16, 12);
  // A code of 0 says that there is none, whatever the count.
  add("Instruction", bits(word, 12, 4) == 0 ? 0 : instructions,
      amd_ways(bits(word, 12, 4), instructions));
  add("Data", bits(word, 28, 4) == 0 ? 0 : data, amd_ways(bits(word, 28, 4), data));
}

std::vector<TlbSize> from_amd_leaves(const CpuidFunction& cpuid) {
  std::vector<TlbSize> sizes;
  if (const auto first = cpuid(0x80000005, 0)) {
    for (const auto& [pages, word] :
         {std::pair("4K", first->ebx), std::pair("2M 4M", first->eax)}) {
      const auto add = [&sizes, pages = pages](std::string_view type, unsigned entries,
                                               unsigned ways) {
        if (entries != 0) {
          sizes.push_back({1, type, pages, entries, ways == 0xff ? entries : ways});
        }
      };
      add("Instruction", bits(word, 0, 8), bits(word, 8, 8));
      add("Data", bits(word, 16, 8), bits(word, 24, 8));
    }
  }
  const auto huge = cpuid(0x80000019, 0);
  if (huge) {
    add_amd(sizes, 1, "1G", huge->eax);
  }
  if (const auto second = cpuid(0x80000006, 0)) {
    add_amd(sizes, 2, "4K", second->ebx);
    add_amd(sizes, 2, "2M 4M", second->eax);
  }
  if (huge) {
    add_amd(sizes, 2, "1G", huge->ebx);
  }
  return sizes;
}

std::string vendor_of(const CpuidFunction& cpuid) {
  const auto leaf = cpuid(0, 0);
  if (!leaf) {
    return "";
  }
  const std::array<std::uint32_t, 3> words = {leaf->ebx, leaf->edx, leaf->ecx};
  std::string name(sizeof words, '\0');
  std::memcpy(name.data(), words.data(), sizeof words);
  return name;
}

Json found(const std::vector<TlbSize>& sizes, const char* how) {
  return {{"sizes", sizes.empty() ? Json(nullptr) : to_json(sizes)}, {"sizes_how", how}};
}

}  // namespace

nlohmann::ordered_json describe_tlb_sizes(const CpuidFunction& cpuid) {
  const std::string vendor = vendor_of(cpuid);
  if (vendor == "AuthenticAMD" || vendor == "HygonGenuine") {
    const auto sizes = from_amd_leaves(cpuid);
    return found(sizes, sizes.empty() ? "CPUID tells none" : "CPUID 0x80000005, 6 and 0x19");
  }
  if (vendor == "GenuineIntel" || vendor == "CentaurHauls" || vendor == "  Shanghai  ") {
    if (const auto sizes = from_leaf_18(cpuid); !sizes.empty()) {
      return found(sizes, "CPUID 0x18");
    }
    const auto sizes = from_leaf_2(cpuid);
    return found(sizes, sizes.empty() ? "CPUID tells none" : "CPUID 2");
  }
  return found({}, vendor.empty() ? "no CPUID" : "CPUID of another vendor");
}

}  // namespace flushwalk
