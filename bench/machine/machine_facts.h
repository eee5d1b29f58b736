// Machine facts: what /proc, /sys and CPUID tell of a machine, as the objects of machine.json
// (reports/SCHEMA.md names their keys). This is the one reader of settings in the suite: whoever
// judges them (scripts/doctor, the report) reads machine.json.
//
// root is a folder that stands for / (tests); empty for this machine. Nothing here fails: what
// cannot be found out is null.
#ifndef FLUSHWALK_BENCH_MACHINE_MACHINE_FACTS_H_
#define FLUSHWALK_BENCH_MACHINE_MACHINE_FACTS_H_

#include <nlohmann/json.hpp>
#include <string>

#include "bench/support/cpuid.h"

namespace flushwalk {

// cpu.cc
nlohmann::ordered_json describe_cpu(const std::string& root);
nlohmann::ordered_json describe_caches(const std::string& root);  // those of CPU 0
nlohmann::ordered_json describe_page_tables(const std::string& root);

// tlb_sizes.cc: `sizes` and `sizes_how`. A hypervisor may make up what CPUID says.
nlohmann::ordered_json describe_tlb_sizes(const CpuidFunction& cpuid);

// hypervisor.cc
nlohmann::ordered_json describe_hypervisor(const std::string& root, const CpuidFunction& cpuid);

// settings.cc
nlohmann::ordered_json describe_kernel(const std::string& root);
nlohmann::ordered_json describe_mitigations(const std::string& root);
nlohmann::ordered_json describe_memory(const std::string& root);
nlohmann::ordered_json describe_vm(const std::string& root);
nlohmann::ordered_json describe_perf(const std::string& root);
nlohmann::ordered_json describe_frequency(const std::string& root);
nlohmann::ordered_json describe_smt(const std::string& root);
nlohmann::ordered_json describe_isolation(const std::string& root);
nlohmann::ordered_json describe_load(const std::string& root);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_MACHINE_MACHINE_FACTS_H_
