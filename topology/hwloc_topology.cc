#include "topology/hwloc_topology.h"

#include <fmt/format.h>
#include <hwloc.h>
#include <hwloc/linux.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string_view>
#include <system_error>
#include <utility>

namespace flushwalk::topology {
namespace {

// Keeps hwloc_bitmap_t from leaking on every way out.
class Bitmap {
 public:
  Bitmap() : bits_(hwloc_bitmap_alloc()) {}
  ~Bitmap() { hwloc_bitmap_free(bits_); }
  Bitmap(const Bitmap&) = delete;
  Bitmap& operator=(const Bitmap&) = delete;

  hwloc_bitmap_t get() const { return bits_; }
  void add(int cpu) { hwloc_bitmap_set(bits_, static_cast<unsigned>(cpu)); }
  bool has(unsigned cpu) const { return hwloc_bitmap_isset(bits_, cpu) != 0; }

  std::vector<int> numbers() const {
    std::vector<int> all;
    for (int cpu = hwloc_bitmap_first(bits_); cpu >= 0; cpu = hwloc_bitmap_next(bits_, cpu)) {
      all.push_back(cpu);
    }
    return all;
  }

 private:
  hwloc_bitmap_t bits_;
};

Error system_error(std::string_view what) {
  return Error{fmt::format("{}: {}", what, std::generic_category().message(errno))};
}

int to_int(unsigned number) { return static_cast<int>(number); }

int group_above(hwloc_topology_t topology, hwloc_obj_type_t type, hwloc_obj_t pu) {
  hwloc_obj_t group = hwloc_get_ancestor_obj_by_type(topology, type, pu);
  return group == nullptr ? kNoGroup : to_int(group->logical_index);
}

// Every PU but for `usable`; also counts the cores.
void describe_pus(hwloc_topology_t topology, Description& description) {
  hwloc_obj_t previous_core = nullptr;
  for (hwloc_obj_t pu = nullptr;
       (pu = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_PU, pu)) != nullptr;) {
    hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_CORE, pu);
    if (core == nullptr) {
      core = pu;
    }
    const bool sibling = core == previous_core;
    previous_core = core;
    description.cores += sibling ? 0 : 1;
    description.pus.push_back(
        Pu{.os_index = to_int(pu->os_index),
           .logical_index = to_int(pu->logical_index),
           .core = description.cores - 1,
           .l2 = group_above(topology, HWLOC_OBJ_L2CACHE, pu),
           .l3 = group_above(topology, HWLOC_OBJ_L3CACHE, pu),
           .numa_node = hwloc_bitmap_first(pu->nodeset),  // -1 when there is none
           .package = group_above(topology, HWLOC_OBJ_PACKAGE, pu),
           .smt_rank = sibling ? description.pus.back().smt_rank + 1 : 0});
  }
}

// Also puts each PU's kind into it.
void describe_kinds(hwloc_topology_t topology, Description& description) {
  const int kinds = hwloc_cpukinds_get_nr(topology, 0);
  for (int index = 0; index < kinds; ++index) {
    Bitmap cpus;
    CpuKind kind;
    unsigned infos = 0;
    hwloc_info_s* info = nullptr;
    if (hwloc_cpukinds_get_info(topology, static_cast<unsigned>(index), cpus.get(),
                                &kind.efficiency, &infos, &info, 0) != 0) {
      continue;
    }
    for (unsigned i = 0; i < infos; ++i) {
      if (std::string_view(info[i].name) == "CoreType") {
        kind.core_type = info[i].value;
      }
    }
    kind.cpus = cpus.numbers();
    for (Pu& pu : description.pus) {
      if (cpus.has(static_cast<unsigned>(pu.os_index))) {
        pu.kind = static_cast<int>(description.kinds.size());
      }
    }
    description.kinds.push_back(std::move(kind));
  }
}

void describe_caches(hwloc_topology_t topology, Description& description) {
  for (int depth = hwloc_topology_get_depth(topology) - 1; depth >= 0; --depth) {
    if (hwloc_obj_type_is_dcache(hwloc_get_depth_type(topology, depth)) == 0) {
      continue;
    }
    const std::size_t inner = description.caches.size();
    for (hwloc_obj_t obj = nullptr;
         (obj = hwloc_get_next_obj_by_depth(topology, depth, obj)) != nullptr;) {
      const Cache cache{.level = to_int(obj->attr->cache.depth),
                        .size_bytes = obj->attr->cache.size,
                        .line_bytes = obj->attr->cache.linesize,
                        .shared_by = hwloc_bitmap_weight(obj->cpuset)};
      const auto level = description.caches.begin() + static_cast<std::ptrdiff_t>(inner);
      const auto alike = std::find_if(level, description.caches.end(), [&cache](Cache seen) {
        seen.count = 0;
        return seen == cache;
      });
      if (alike == description.caches.end()) {
        description.caches.push_back(cache);
        description.caches.back().count = 1;
      } else {
        ++alike->count;
      }
    }
  }
}

}  // namespace

struct HwlocTopology::Handle {
  hwloc_topology_t topology = nullptr;

  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    if (topology != nullptr) {
      hwloc_topology_destroy(topology);
    }
  }
};

HwlocTopology::HwlocTopology(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}

HwlocTopology::~HwlocTopology() = default;

HwlocTopology::Loaded HwlocTopology::load(const std::string& subject,
                                          const std::function<int(Handle&)>& select) {
  auto handle = std::make_unique<Handle>();
  if (hwloc_topology_init(&handle->topology) != 0) {
    handle->topology = nullptr;
    return system_error("hwloc can't start");
  }
  errno = EINVAL;  // hwloc does not always say why it can't read a text
  if (select(*handle) != 0) {
    return system_error("hwloc can't read " + subject);
  }
  // Disallowed CPUs are loaded too, so that one outside the cpuset can be told from one that does
  // not exist. Discovery must not hop over the CPUs (hwloc's x86 part would, for cpuid): they may
  // be isolated, or be measured by another process.
  const unsigned long flags =
      HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED | HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING;
  if (hwloc_topology_set_flags(handle->topology, flags) != 0 ||
      hwloc_topology_load(handle->topology) != 0) {
    return system_error("hwloc can't load " + subject);
  }
  return std::shared_ptr<const HwlocTopology>(new HwlocTopology(std::move(handle)));
}

HwlocTopology::Loaded HwlocTopology::this_system() {
  return load("this system's topology", [](Handle&) { return 0; });
}

HwlocTopology::Loaded HwlocTopology::synthetic(const std::string& text) {
  return load("the synthetic topology", [&text](Handle& handle) {
    return hwloc_topology_set_synthetic(handle.topology, text.c_str());
  });
}

HwlocTopology::Loaded HwlocTopology::xml(const std::string& text) {
  return load("the XML topology", [&text](Handle& handle) {
    const int length = static_cast<int>(text.size() + 1);  // hwloc wants the final 0 counted
    return hwloc_topology_set_xmlbuffer(handle.topology, text.c_str(), length);
  });
}

Result<Description> HwlocTopology::describe() const {
  hwloc_topology_t topology = handle_->topology;
  Description description;
  description.this_system = hwloc_topology_is_thissystem(topology) != 0;

  Bitmap usable;
  hwloc_bitmap_copy(usable.get(), hwloc_topology_get_allowed_cpuset(topology));
  if (description.this_system) {
    Bitmap mask;
    if (hwloc_get_cpubind(topology, mask.get(), HWLOC_CPUBIND_THREAD) != 0) {
      return system_error("can't read this thread's affinity mask");
    }
    hwloc_bitmap_and(usable.get(), usable.get(), mask.get());
  }

  describe_pus(topology, description);
  describe_kinds(topology, description);
  bool any_usable = false;
  for (Pu& pu : description.pus) {
    pu.usable = usable.has(static_cast<unsigned>(pu.os_index));
    any_usable = any_usable || pu.usable;
  }
  if (!any_usable) {
    return Error{"the cpuset and the affinity mask together leave no CPU of this topology"};
  }
  describe_caches(topology, description);
  description.packages = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PACKAGE);
  description.numa_nodes = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE);
  const char* version = hwloc_obj_get_info_by_name(hwloc_get_root_obj(topology), "hwlocVersion");
  description.hwloc_version = version == nullptr ? HWLOC_VERSION : version;
  return description;
}

int HwlocTopology::levels_to_common_ancestor(int pu_a, int pu_b) const {
  hwloc_topology_t topology = handle_->topology;
  hwloc_obj_t a = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PU, static_cast<unsigned>(pu_a));
  hwloc_obj_t b = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PU, static_cast<unsigned>(pu_b));
  return a->depth - hwloc_get_common_ancestor_obj(topology, a, b)->depth;
}

Result<std::string> HwlocTopology::export_xml(std::span<const int> usable) const {
  Bitmap allowed;
  for (const int cpu : usable) {
    allowed.add(cpu);
  }
  Handle copy;
  if (hwloc_topology_dup(&copy.topology, handle_->topology) != 0) {
    copy.topology = nullptr;
    return system_error("hwloc can't copy the topology");
  }
  char* text = nullptr;
  int length = 0;
  if (hwloc_topology_allow(copy.topology, allowed.get(), nullptr, HWLOC_ALLOW_FLAG_CUSTOM) != 0 ||
      hwloc_topology_export_xmlbuffer(copy.topology, &text, &length, 0) != 0) {
    return system_error("hwloc can't export the topology");
  }
  std::string xml(text);
  hwloc_free_xmlbuffer(copy.topology, text);
  return xml;
}

Result<Done> HwlocTopology::bind_thread(int cpu) const {
  Bitmap only;
  only.add(cpu);
  if (hwloc_set_cpubind(handle_->topology, only.get(), HWLOC_CPUBIND_THREAD) != 0) {
    return system_error(fmt::format("can't bind to CPU {}", cpu));
  }
  return Done{};
}

Result<std::vector<int>> HwlocTopology::bound_cpus() const {
  Bitmap bound;
  if (hwloc_get_cpubind(handle_->topology, bound.get(), HWLOC_CPUBIND_THREAD) != 0) {
    return system_error("can't read the binding back");
  }
  return bound.numbers();
}

Result<std::vector<int>> HwlocTopology::last_cpus() const {
  Bitmap last;
  if (hwloc_get_last_cpu_location(handle_->topology, last.get(), HWLOC_CPUBIND_THREAD) != 0) {
    return system_error("can't read which CPU this thread runs on");
  }
  return last.numbers();
}

Result<std::vector<int>> HwlocTopology::bound_cpus_of(int thread) const {
  Bitmap bound;
  if (hwloc_linux_get_tid_cpubind(handle_->topology, thread, bound.get()) != 0) {
    return system_error(fmt::format("can't read the binding of thread {}", thread));
  }
  return bound.numbers();
}

Result<Done> HwlocTopology::prefer_memory_of(int numa_node) const {
  Bitmap node;
  node.add(numa_node);
  // Without HWLOC_MEMBIND_STRICT: a full node makes the kernel take another, not kill the process.
  if (hwloc_set_membind(handle_->topology, node.get(), HWLOC_MEMBIND_BIND,
                        HWLOC_MEMBIND_THREAD | HWLOC_MEMBIND_BYNODESET | HWLOC_MEMBIND_MIGRATE) !=
      0) {
    return system_error(fmt::format("can't bind memory to NUMA node {}", numa_node));
  }
  return Done{};
}

Result<std::vector<int>> HwlocTopology::nodes_holding(
    std::span<const void* const> addresses) const {
  Bitmap all;
  for (const void* address : addresses) {
    Bitmap nodes;
    if (hwloc_get_area_memlocation(handle_->topology, address, 1, nodes.get(),
                                   HWLOC_MEMBIND_BYNODESET) != 0) {
      return system_error("can't read which NUMA node memory is on");
    }
    hwloc_bitmap_or(all.get(), all.get(), nodes.get());
  }
  return all.numbers();
}

}  // namespace flushwalk::topology
