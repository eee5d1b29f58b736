#include "allocator/trace.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <map>
#include <utility>

namespace flushwalk {
namespace {

constexpr unsigned kMostCpus = 65536;
constexpr std::uint64_t kMostSpaceBytes = std::uint64_t{1} << 55;

template <class Number>
bool parse(std::string_view text, Number* number, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number, base);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

TraceReader::TraceReader(std::istream& in, std::string file) : in_(in), file_(std::move(file)) {
  std::uint64_t setup_line = 0;
  while ((pending_ = read_line()) && read_setup_word()) {
    setup_line = line_number_;
  }
  check_setup(setup_line);
}

TraceError TraceReader::error(std::string_view expected) const {
  return TraceError(fmt::format("{}:{}: {}", file_, line_number_, expected));
}

// The next line that has words, split at blanks.
bool TraceReader::read_line() {
  while (std::getline(in_, line_)) {
    ++line_number_;
    const std::string_view text = std::string_view(line_).substr(0, line_.find('#'));
    words_.clear();
    constexpr std::string_view kBlanks = " \t\r";
    for (std::size_t at = text.find_first_not_of(kBlanks); at != std::string_view::npos;) {
      const std::size_t end = std::min(text.find_first_of(kBlanks, at), text.size());
      words_.push_back(text.substr(at, end - at));
      at = text.find_first_not_of(kBlanks, end);
    }
    if (!words_.empty()) {
      return true;
    }
  }
  if (in_.bad()) {
    throw error("cannot be read further");
  }
  return false;
}

void TraceReader::expect_words(std::size_t count, std::string_view form) const {
  if (words_.size() != count) {
    throw error(fmt::format("expected `{}`", form));
  }
}

std::uint64_t TraceReader::number(std::size_t word, std::string_view what, std::uint64_t low,
                                  std::uint64_t high) const {
  std::uint64_t value = 0;
  if (!parse(words_[word], &value) || value < low || value > high) {
    throw error(
        fmt::format("{} is a whole number in {}..{}, not `{}`", what, low, high, words_[word]));
  }
  return value;
}

std::optional<std::int64_t> TraceReader::page_offset(std::size_t word,
                                                     std::string_view what) const {
  constexpr std::int64_t kFarthest = std::int64_t{1} << 50;
  if (words_[word] == "-") {
    return std::nullopt;
  }
  std::int64_t value = 0;
  if (!parse(words_[word], &value) || value < -kFarthest || value > kFarthest) {
    throw error(fmt::format("{} is a number of pages or `-`, not `{}`", what, words_[word]));
  }
  return value;
}

std::string_view TraceReader::name() const { return words_.back(); }

unsigned TraceReader::possible_cpu() const {
  const auto cpu = static_cast<unsigned>(number(1, "CPU", 0, kMostCpus - 1));
  if (!setup_.cpus.contains(cpu)) {
    throw error(fmt::format("CPU {} is not possible here", cpu));
  }
  return cpu;
}

// True when the line was a set-up line.
bool TraceReader::read_setup_word() {
  const std::string_view word = words_[0];
  if (word == "cpus") {
    expect_words(2, "cpus N");
    setup_.cpus =
        PossibleCpus::first(static_cast<unsigned>(number(1, "the number of CPUs", 1, kMostCpus)));
  } else if (word == "possible") {
    read_possible();
  } else if (word == "bits") {
    read_bits();
  } else if (word == "base") {
    read_base();
  } else if (word == "space") {
    expect_words(2, "space BLOCKS");
    setup_.space_blocks = number(1, "the space in blocks", 1, kMostSpaceBytes / kPageSize);
  } else if (word == "lazymax") {
    expect_words(2, "lazymax PAGES");
    setup_.lazy_max_pages =
        number(1, "the lazy limit in pages", 0, ~std::uint64_t{0} >> kPageShift);
  } else {
    return false;
  }
  return true;
}

void TraceReader::read_possible() {
  expect_words(2, "possible 0,2,3");
  std::vector<unsigned> cpus;
  for (std::string_view rest = words_[1];;) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    unsigned cpu = 0;
    if (!parse(rest.substr(0, comma), &cpu) || cpu >= kMostCpus ||
        (!cpus.empty() && cpu <= cpus.back())) {
      throw error(fmt::format("possible CPUs are ascending numbers below {}, with commas, not `{}`",
                              kMostCpus, words_[1]));
    }
    cpus.push_back(cpu);
    if (comma == rest.size()) {
      break;
    }
    rest.remove_prefix(comma + 1);
  }
  setup_.cpus = PossibleCpus(std::move(cpus));
}

void TraceReader::read_bits() {
  expect_words(2, "bits B");
  setup_.slots = static_cast<unsigned>(number(1, "the slots of a block", 2, kMaxBlockSlots));
  if (!std::has_single_bit(setup_.slots)) {
    throw error(fmt::format("the slots of a block are a power of two, not {}", setup_.slots));
  }
}

void TraceReader::read_base() {
  expect_words(2, "base HEX");
  std::string_view hex = words_[1];
  if (hex.starts_with("0x") || hex.starts_with("0X")) {
    hex.remove_prefix(2);
  }
  if (!parse(hex, &setup_.base, 16) || setup_.base % kPageSize != 0) {
    throw error(fmt::format("the base is a page-aligned hexadecimal address, not `{}`", words_[1]));
  }
}

// last_line: of the set-up, to which an impossible whole is put down.
void TraceReader::check_setup(std::uint64_t last_line) const {
  const Geometry geometry(setup_.base, setup_.slots);
  const std::uint64_t blocks = setup_.space_blocks.value_or(1);
  const std::uint64_t most = kMostSpaceBytes / geometry.block_bytes();
  if (blocks > most) {
    throw TraceError(fmt::format("{}:{}: the space is at most {} blocks of {} slots, not {}", file_,
                                 last_line, most, geometry.slots(), blocks));
  }
  const std::uint64_t bytes = blocks * geometry.block_bytes();
  if (geometry.first_block() < setup_.base ||
      geometry.first_block() + bytes < geometry.first_block()) {
    throw TraceError(fmt::format(
        "{}:{}: the address space does not fit between its base and the highest address", file_,
        last_line));
  }
}

bool TraceReader::next(TraceOperation* operation) {
  if (!std::exchange(pending_, false) && !read_line()) {
    return false;
  }
  static const std::map<std::string_view, TraceOp> kOperations = {
      {"alloc", TraceOp::alloc},
      {"free", TraceOp::free},
      {"free_racing", TraceOp::free_racing},
      {"unmap_aliases", TraceOp::unmap_aliases},
      {"purge", TraceOp::purge},
      {"reclaim", TraceOp::reclaim},
      {"drain", TraceOp::drain},
      {"state", TraceOp::state}};
  const auto found = kOperations.find(words_[0]);
  if (found == kOperations.end()) {
    throw error(fmt::format("`{}` is not an operation, or a set-up line after the first operation",
                            words_[0]));
  }
  *operation = TraceOperation{};
  operation->op = found->second;
  const unsigned most_pages = Geometry(setup_.base, setup_.slots).max_alloc_pages();
  switch (operation->op) {
    case TraceOp::alloc:
      expect_words(4, "alloc CPU PAGES NAME");
      operation->cpu = possible_cpu();
      operation->pages = static_cast<unsigned>(number(2, "the pages of an alloc", 0, most_pages));
      operation->name = name();
      break;
    case TraceOp::free:
    case TraceOp::free_racing:
      expect_words(2, fmt::format("{} NAME", words_[0]));
      operation->name = name();
      break;
    case TraceOp::unmap_aliases:
      read_unmap_aliases(operation);
      break;
    case TraceOp::purge:
      expect_words(2, "purge CPU");
      operation->cpu = possible_cpu();
      break;
    case TraceOp::reclaim:
    case TraceOp::drain:
    case TraceOp::state:
      expect_words(1, words_[0]);
      break;
  }
  return true;
}

void TraceReader::read_unmap_aliases(TraceOperation* operation) const {
  if (words_.size() == 1) {
    return;
  }
  expect_words(4, "unmap_aliases [START END FLUSH]");
  operation->start = page_offset(1, "START");
  operation->end = page_offset(2, "END");
  operation->flush = number(3, "FLUSH", 0, 1) == 1;
}

}  // namespace flushwalk
