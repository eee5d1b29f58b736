#include "topology/memory_node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <thread>
#include <vector>

#include "topology/hwloc_topology.h"

namespace flushwalk::topology {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Past the short cut for one node: what the kernel says of a page that was touched, and of one that
// was not.
TEST(MemoryNode, TheKernelTellsWhereATouchedPageIs) {
  const Machine machine = Machine::discover().value();
  const int node = machine.find(machine.usable_cpus().front())->numa_node;
  constexpr std::size_t kPage = 4096;
  void* const pages = mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(pages, MAP_FAILED);
  const std::vector<const void*> touched{pages};
  const std::vector<const void*> untouched{static_cast<char*>(pages) + kPage};
  // The policy is the thread's: that of the others stays as it is.
  std::thread([&] {
    const Result<Done> bound = machine.hwloc().prefer_memory_of(node);
    if (!bound.ok()) {
      GTEST_SKIP() << bound.error();
    }
    *static_cast<volatile char*>(pages) = 1;
    const Result<std::vector<int>> nodes = machine.hwloc().nodes_holding(touched);
    if (!nodes.ok()) {
      GTEST_SKIP() << nodes.error();
    }
    EXPECT_EQ(nodes.value(), std::vector<int>{node});
    EXPECT_THAT(machine.hwloc().nodes_holding(untouched).value(), IsEmpty());
  }).join();
  munmap(pages, 2 * kPage);
}

TEST(MemoryNode, OfOneNodeIsKnownWithoutAsking) {
  const Machine machine = Machine::discover().value();
  if (machine.numa_nodes() != 1) {
    GTEST_SKIP() << "this machine has " << machine.numa_nodes() << " NUMA nodes";
  }
  EXPECT_EQ(nodes_of_memory(machine, {}).value(),
            std::vector<int>{machine.pus().front().numa_node});
  EXPECT_TRUE(bind_memory_near(machine, machine.usable_cpus().front()).ok());
}

TEST(MemoryNode, OfADescribedMachineThereIsNone) {
  const Machine machine = Machine::from_synthetic("numa:2 core:2 pu:1").value();
  EXPECT_THAT(bind_memory_near(machine, 0).error(), HasSubstr("not this system"));
  EXPECT_FALSE(nodes_of_memory(machine, {}).ok());
}

}  // namespace
}  // namespace flushwalk::topology
