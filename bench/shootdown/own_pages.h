// Own pages: what this process has mapped, by the kernel's word.
#ifndef FLUSHWALK_BENCH_SHOOTDOWN_OWN_PAGES_H_
#define FLUSHWALK_BENCH_SHOOTDOWN_OWN_PAGES_H_

#include <optional>
#include <string_view>

#include "allocator/geometry.h"

namespace flushwalk {

inline void* pointer(Address at) { return reinterpret_cast<void*>(at); }

// Of a mapping's line in /proc/self/maps, or its first one in smaps ("7f12a000-7f12b000 rw-p ...");
// nullopt: it is another line.
std::optional<Range> mapping_of(std::string_view line);

// After a fork, while no other thread is at work: gives this process copies of the pages that it
// shares with the child. Otherwise the first write to each is a fault that changes a present
// translation, and so a shootdown of the threads that are at work by then. Kernels before 5.14
// cannot (MADV_POPULATE_WRITE): there these shootdowns remain, and are counted.
void take_pages_back();

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SHOOTDOWN_OWN_PAGES_H_
