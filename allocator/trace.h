// Trace: a sequence of operations on the allocator, as text, read one line at a time.
//
// Set-up lines come first: `cpus N`, `possible 0,2,3`, `bits B`, `base HEX`, `space BLOCKS`,
// `lazymax PAGES`. Then operations: `alloc CPU PAGES NAME`, `free NAME`, `unmap_aliases [START END
// FLUSH]`, `purge CPU`, `reclaim`, `drain`, `state`, `free_racing NAME`. `#` begins a comment.
// Nothing but the current line is kept in memory.
#ifndef FLUSHWALK_ALLOCATOR_TRACE_H_
#define FLUSHWALK_ALLOCATOR_TRACE_H_

#include <cstdint>
#include <istream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "allocator/geometry.h"

namespace flushwalk {

struct TraceSetup {
  PossibleCpus cpus = PossibleCpus::first(1);
  unsigned slots = 1024;
  Address base = 0xffffc90000000000;
  std::optional<std::uint64_t> space_blocks;    // unset: 32 TiB as on x86-64, or what fits
  std::optional<std::uint64_t> lazy_max_pages;  // unset: the kernel's for that many CPUs
};

enum class TraceOp { alloc, free, free_racing, unmap_aliases, purge, reclaim, drain, state };

struct TraceOperation {
  TraceOp op = TraceOp::state;
  unsigned cpu = 0;                   // alloc, purge: a possible CPU
  unsigned pages = 0;                 // alloc
  std::string name;                   // alloc, free, free_racing
  std::optional<std::int64_t> start;  // unmap_aliases: pages from the first block; unset: ULONG_MAX
  std::optional<std::int64_t> end;    // unset: 0
  bool flush = false;
};

// A malformed line or an impossible set-up: what() is "file:line: what was expected".
class TraceError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class TraceReader {
 public:
  // file: the name for error messages. in outlives the reader. Reads the set-up; throws TraceError.
  TraceReader(std::istream& in, std::string file);

  const TraceSetup& setup() const { return setup_; }

  // The next operation, or false at the end. Throws TraceError.
  bool next(TraceOperation* operation);

  // An error at the line that next() read last.
  TraceError error(std::string_view expected) const;

 private:
  using Words = std::vector<std::string_view>;

  bool read_line();
  bool read_setup_word();
  std::uint64_t number(std::size_t word, std::string_view what, std::uint64_t low,
                       std::uint64_t high) const;
  std::optional<std::int64_t> page_offset(std::size_t word, std::string_view what) const;
  std::string_view name() const;
  unsigned possible_cpu() const;
  void read_possible();
  void read_bits();
  void read_base();
  void check_setup(std::uint64_t last_line) const;
  void expect_words(std::size_t count, std::string_view form) const;
  void read_unmap_aliases(TraceOperation* operation) const;

  std::istream& in_;
  std::string file_;
  std::uint64_t line_number_ = 0;
  std::string line_;
  Words words_;
  bool pending_ = false;  // the line after the set-up has been read
  TraceSetup setup_;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_TRACE_H_
