// Working set: live pages which no flush is meant for, and which are read before it and after it.
// What they take longer then is collateral: of a long range the kernel drops every translation
// there is.
//
// Private memory of its own, outside of every flushed range: the flush's system calls find nothing
// of it in the page tables that they look at. One byte of each page is read, at another line of the
// page each time, so that the lines do not fight for one place in the first cache.
#ifndef FLUSHWALK_BENCH_SUPPORT_WORKING_SET_H_
#define FLUSHWALK_BENCH_SUPPORT_WORKING_SET_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "allocator/geometry.h"

namespace flushwalk {

inline constexpr unsigned kMostWorkingSetPages = 65'536;

class WorkingSet {
 public:
  // pages: 0..kMostWorkingSetPages, each of them its own (no huge ones), written once. nullptr,
  // with one line in *error.
  static std::unique_ptr<WorkingSet> create(std::size_t pages, std::string* error);
  ~WorkingSet();
  WorkingSet(const WorkingSet&) = delete;
  WorkingSet& operator=(const WorkingSet&) = delete;

  // The byte of each page that is read.
  const std::vector<Address>& bytes() const { return bytes_; }

  void read() const {
    for (const Address byte : bytes_) {
      static_cast<void>(*reinterpret_cast<const volatile unsigned char*>(byte));
    }
  }

 private:
  WorkingSet() = default;

  void* memory_ = nullptr;
  std::size_t length_ = 0;
  std::vector<Address> bytes_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_WORKING_SET_H_
