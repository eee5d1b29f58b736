// CsvWriter: appends rows to one CSV file that is valid at every moment.
//
// The file is RFC 4180: fields with a comma, quote or line end are quoted, records end with CR LF.
// All columns are known when the file is opened. A row is one write() to a file opened with
// O_APPEND: when the process is killed, the row is there or it is not. Should a write fail halfway
// (no space left), what it left is cut off again; should the kernel have been stopped halfway, the
// next opening cuts it off. The file is locked (flock) while it is open: two runs cannot mix their
// rows. Rows are not synced to the disk one by one: that would disturb the next measurement, and
// only a crash of the machine could tell.
#ifndef FLUSHWALK_BENCH_SUPPORT_CSV_WRITER_H_
#define FLUSHWALK_BENCH_SUPPORT_CSV_WRITER_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "bench/support/bad_input.h"

namespace flushwalk {

// The calls that can fail halfway, replaceable in tests.
struct FileCalls {
  ssize_t (*write)(int, const void*, size_t);
  int (*truncate)(int, off_t);

  static FileCalls real();
};

class CsvWriter {
 public:
  // Creates the file with its header, or opens one whose header is equal; a torn last row is cut
  // off. header: at least one column. A Problem when the file cannot be opened, is not a regular
  // file, is open in another writer, has another header, or has a complete row with a wrong number
  // of fields; a file that is refused is left as it is.
  static std::variant<CsvWriter, Problem> open(const std::string& path,
                                               std::span<const std::string> header,
                                               FileCalls calls = FileCalls::real());

  CsvWriter(CsvWriter&& other) noexcept;
  CsvWriter& operator=(CsvWriter&& other) noexcept;
  ~CsvWriter();

  // One row, as many cells as the header has columns. On a Problem the file is as it was before,
  // and the next row may be tried; only when that could not be had either, all further rows are
  // refused.
  std::optional<Problem> write_row(std::span<const std::string> cells);

  // Bytes of a torn last row that opening has cut off.
  std::uint64_t cut_bytes() const { return cut_bytes_; }
  const std::string& path() const { return path_; }

 private:
  CsvWriter(std::string path, int fd, std::size_t columns, FileCalls calls)
      : path_(std::move(path)), fd_(fd), columns_(columns), calls_(calls) {}

  std::optional<Problem> take_over(std::span<const std::string> header);
  std::optional<Problem> append(std::string_view record);
  Problem problem(const std::string& action, int error) const;

  std::string path_;
  int fd_ = -1;
  std::size_t columns_ = 0;
  FileCalls calls_;
  std::uint64_t size_ = 0;
  std::uint64_t cut_bytes_ = 0;
  bool broken_ = false;
};

// Cells as one record, with its line end.
std::string format_csv_record(std::span<const std::string> cells);

// The record that begins at `offset`, which moves behind it. nullopt, and `offset` stays, when the
// text ends before the record does. Takes LF alone as a line end, too.
std::optional<std::vector<std::string>> parse_csv_record(std::string_view text,
                                                         std::size_t& offset);

}  // namespace flushwalk

#endif  // FLUSHWALK_BENCH_SUPPORT_CSV_WRITER_H_
