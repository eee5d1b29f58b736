#include "bench/support/csv_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace flushwalk {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

// Like strerror, for any thread.
std::string error_text(int error) { return std::generic_category().message(error); }

std::optional<std::string> read_all(int fd) {
  std::string text;
  char buffer[65536];
  off_t offset = 0;
  while (true) {
    const ssize_t got = ::pread(fd, buffer, sizeof buffer, offset);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return std::nullopt;
    }
    if (got == 0) {
      return text;
    }
    text.append(buffer, static_cast<std::size_t>(got));
    offset += got;
  }
}

}  // namespace

FileCalls FileCalls::real() { return {.write = ::write, .truncate = ::ftruncate}; }

std::string format_csv_record(std::span<const std::string> cells) {
  std::string record;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) {
      record += ',';
    }
    const std::string& cell = cells[i];
    if (cell.find_first_of(",\"\r\n") == std::string::npos) {
      record += cell;
      continue;
    }
    record += '"';
    for (const char c : cell) {
      record.append(c == '"' ? 2 : 1, c);
    }
    record += '"';
  }
  record += kLineEnd;
  return record;
}

std::optional<std::vector<std::string>> parse_csv_record(std::string_view text,
                                                         std::size_t& offset) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (std::size_t i = offset; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c != '"') {
        cells.back() += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        cells.back() += c;
        ++i;
      } else {
        quoted = false;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == ',') {
      cells.emplace_back();
    } else if (c == '\n' || text.substr(i, kLineEnd.size()) == kLineEnd) {
      offset = i + (c == '\n' ? 1 : kLineEnd.size());
      return cells;
    } else {
      cells.back() += c;
    }
  }
  return std::nullopt;
}

std::variant<CsvWriter, Problem> CsvWriter::open(const std::string& path,
                                                 std::span<const std::string> header,
                                                 FileCalls calls) {
  // O_NONBLOCK: opening a pipe that nobody reads must not hang.
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0644);
  CsvWriter writer(path, fd, header.size(), calls);
  if (fd < 0) {
    return writer.problem("cannot be opened for writing", errno);
  }
  if (std::optional<Problem> problem = writer.take_over(header)) {
    return *std::move(problem);
  }
  return writer;
}

CsvWriter::CsvWriter(CsvWriter&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      columns_(other.columns_),
      calls_(other.calls_),
      size_(other.size_),
      cut_bytes_(other.cut_bytes_),
      broken_(other.broken_) {}

CsvWriter& CsvWriter::operator=(CsvWriter&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(columns_, other.columns_);
  std::swap(calls_, other.calls_);
  std::swap(size_, other.size_);
  std::swap(cut_bytes_, other.cut_bytes_);
  std::swap(broken_, other.broken_);
  return *this;
}

CsvWriter::~CsvWriter() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

Problem CsvWriter::problem(const std::string& action, int error) const {
  return {path_, fmt::format("{}: {} (errno {})", action, error_text(error), error)};
}

// Checks what is in the file, cuts a torn row off its end, and writes the header where there is
// none.
std::optional<Problem> CsvWriter::take_over(std::span<const std::string> header) {
  struct stat status {};
  if (::fstat(fd_, &status) != 0) {
    return problem("cannot be examined", errno);
  }
  if (!S_ISREG(status.st_mode)) {
    return Problem{path_, "is not a regular file"};
  }
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return Problem{path_, "is being written by another run"};
  }
  const std::optional<std::string> text = read_all(fd_);
  if (!text) {
    return problem("cannot be read", errno);
  }
  const std::string own_header = format_csv_record(header);
  std::size_t complete = 0;
  for (std::size_t record = 1; auto cells = parse_csv_record(*text, complete); ++record) {
    if (record == 1 && !std::equal(cells->begin(), cells->end(), header.begin(), header.end())) {
      return Problem{path_, "has other columns than this program writes; choose another folder"};
    }
    if (cells->size() != columns_) {
      return Problem{path_, fmt::format("record {} has {} fields, the header has {}", record,
                                        cells->size(), columns_)};
    }
  }
  if (complete == 0 && !own_header.starts_with(*text)) {
    return Problem{path_, "has no header of this program; choose another folder"};
  }
  size_ = complete;
  cut_bytes_ = text->size() - complete;
  if (cut_bytes_ > 0 && calls_.truncate(fd_, static_cast<off_t>(complete)) != 0) {
    return problem("a torn last row cannot be cut off", errno);
  }
  return complete == 0 ? append(own_header) : std::nullopt;
}

std::optional<Problem> CsvWriter::append(std::string_view record) {
  if (broken_) {
    return Problem{path_, "ends in a torn row, after an earlier error; no more rows are written"};
  }
  std::string_view rest = record;
  while (!rest.empty()) {
    const ssize_t written = calls_.write(fd_, rest.data(), rest.size());
    if (written > 0) {
      rest.remove_prefix(static_cast<std::size_t>(written));
      continue;
    }
    const int error = written < 0 ? errno : ENOSPC;
    if (error == EINTR) {
      continue;
    }
    if (rest.size() < record.size() && calls_.truncate(fd_, static_cast<off_t>(size_)) != 0) {
      broken_ = true;
    }
    return problem("a row cannot be written", error);
  }
  size_ += record.size();
  return std::nullopt;
}

std::optional<Problem> CsvWriter::write_row(std::span<const std::string> cells) {
  if (cells.size() != columns_) {
    return Problem{path_, fmt::format("a row of {} cells for {} columns", cells.size(), columns_)};
  }
  return append(format_csv_record(cells));
}

}  // namespace flushwalk
