#include "bench/support/csv_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace flushwalk {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Cells = std::vector<std::string>;

const Cells kHeader = {"case", "p50", "note"};
constexpr const char* kHeaderText = "case,p50,note\r\n";

// Faults for FileCalls: how many more bytes a write may take, and then which error it gives.
struct Faults {
  std::size_t bytes_left = 0;
  std::size_t most_at_once = 1U << 20;
  int write_error = ENOSPC;
  bool truncate_fails = false;
  int interruptions = 0;
};
Faults faults;

ssize_t faulty_write(int fd, const void* data, size_t size) {
  if (faults.interruptions > 0) {
    --faults.interruptions;
    errno = EINTR;
    return -1;
  }
  if (faults.bytes_left == 0) {
    errno = faults.write_error;
    return -1;
  }
  const ssize_t written =
      ::write(fd, data, std::min({size, faults.bytes_left, faults.most_at_once}));
  faults.bytes_left -= static_cast<std::size_t>(written);
  return written;
}

int faulty_truncate(int fd, off_t size) {
  if (faults.truncate_fails) {
    errno = EIO;
    return -1;
  }
  return ::ftruncate(fd, size);
}

constexpr FileCalls kFaultyCalls{.write = faulty_write, .truncate = faulty_truncate};

class CsvWriterTest : public testing::Test {
 protected:
  CsvWriterTest()
      : folder_(std::filesystem::path(testing::TempDir()) / fmt::format("csv_{}", getpid())),
        path_(folder_ / "rows.csv") {
    std::filesystem::create_directories(folder_);
    faults = Faults{};
  }
  ~CsvWriterTest() override { std::filesystem::remove_all(folder_); }

  CsvWriter opened(FileCalls calls = FileCalls::real()) const {
    auto result = CsvWriter::open(path_, kHeader, calls);
    if (const auto* problem = std::get_if<Problem>(&result)) {
      throw std::runtime_error(problem->line());
    }
    return std::get<CsvWriter>(std::move(result));
  }

  // Empty when the file can be opened.
  std::string refusal(const std::string& path) const {
    const auto result = CsvWriter::open(path, kHeader);
    const auto* problem = std::get_if<Problem>(&result);
    return problem ? problem->line() : "";
  }

  std::string contents() const {
    std::ifstream file(path_, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

  void put(const std::string& text) const { std::ofstream(path_, std::ios::binary) << text; }

  std::filesystem::path folder_;
  std::string path_;
};

TEST(FormatCsvRecord, QuotesOnlyWhatMustBe) {
  EXPECT_EQ(format_csv_record(Cells{"a", "", "b c"}), "a,,b c\r\n");
  EXPECT_EQ(format_csv_record(Cells{"a,b", "say \"x\"", "two\nlines", "\r"}),
            "\"a,b\",\"say \"\"x\"\"\",\"two\nlines\",\"\r\"\r\n");
}

TEST(ParseCsvRecord, GivesBackWhatWasFormatted) {
  const std::vector<Cells> records = {
      {"plain", "", "x"}, {"\"", "\"\"", ","}, {"a\r\nb", "\n", "\r"}, {"", "", ""}};
  std::string text;
  for (const Cells& record : records) {
    text += format_csv_record(record);
  }
  std::size_t offset = 0;
  for (const Cells& record : records) {
    EXPECT_EQ(parse_csv_record(text, offset), record);
  }
  EXPECT_EQ(offset, text.size());
}

TEST(ParseCsvRecord, EveryPrefixOfARecordIsIncomplete) {
  const std::string text = format_csv_record(Cells{"a", "b\r\nc", "d\"e"});
  for (std::size_t length = 0; length < text.size(); ++length) {
    std::size_t offset = 0;
    EXPECT_EQ(parse_csv_record(text.substr(0, length), offset), std::nullopt) << length;
    EXPECT_EQ(offset, 0U);
  }
}

TEST_F(CsvWriterTest, NewFileHasItsHeaderAndThenItsRows) {
  CsvWriter writer = opened();
  EXPECT_EQ(contents(), kHeaderText);
  EXPECT_EQ(writer.write_row(Cells{"walk", "1.5", ""}), std::nullopt);
  EXPECT_EQ(contents(), std::string(kHeaderText) + "walk,1.5,\r\n");
}

TEST_F(CsvWriterTest, ReopenedFileIsAppendedTo) {
  EXPECT_EQ(opened().write_row(Cells{"a", "1", ""}), std::nullopt);
  EXPECT_EQ(opened().write_row(Cells{"b", "2", ""}), std::nullopt);
  EXPECT_EQ(contents(), std::string(kHeaderText) + "a,1,\r\nb,2,\r\n");
}

TEST_F(CsvWriterTest, TornLastRowIsCutOff) {
  const std::string valid = std::string(kHeaderText) + "a,1,\"x\r\ny\"\r\n";
  for (const std::string torn : {"b", "b,2,", "b,2,\r", "\"b\r\n", "b,2,\"z\r\n", "\"b\"\"\r\n"}) {
    put(valid + torn);
    CsvWriter writer = opened();
    EXPECT_EQ(writer.cut_bytes(), torn.size());
    EXPECT_EQ(writer.write_row(Cells{"c", "3", ""}), std::nullopt);
    EXPECT_EQ(contents(), valid + "c,3,\r\n");
  }
}

TEST_F(CsvWriterTest, TornHeaderIsWrittenAnew) {
  for (const char* torn : {"", "case,p5", "case,p50,note\r"}) {
    put(torn);
    EXPECT_EQ(opened().write_row(Cells{"c", "3", ""}), std::nullopt);
    EXPECT_EQ(contents(), std::string(kHeaderText) + "c,3,\r\n");
  }
}

TEST_F(CsvWriterTest, FileOfAnotherMakeIsRefusedAndLeftAlone) {
  for (const char* other : {"case,p50\r\na,1\r\n", "case,p50,note,more\r\n", "p50,case,note\r\n",
                            "some prose without a line end", "\r\n"}) {
    put(other);
    EXPECT_THAT(refusal(path_), HasSubstr("rows.csv: has ")) << other;
    EXPECT_EQ(contents(), other);
  }
}

TEST_F(CsvWriterTest, CompleteRowOfWrongLengthIsNamedAndLeftAlone) {
  const std::string text = std::string(kHeaderText) + "a,1,\r\nb,2\r\nc,3,\r\nd";
  put(text);
  EXPECT_THAT(refusal(path_), HasSubstr("record 3 has 2 fields, the header has 3"));
  EXPECT_EQ(contents(), text);
}

TEST_F(CsvWriterTest, FileWithPlainLineEndsIsTaken) {
  put("case,p50,note\na,1,\n");
  EXPECT_EQ(opened().write_row(Cells{"b", "2", ""}), std::nullopt);
  EXPECT_EQ(contents(), "case,p50,note\na,1,\nb,2,\r\n");
}

TEST_F(CsvWriterTest, RowOfWrongLengthIsNotWritten) {
  CsvWriter writer = opened();
  const auto problem = writer.write_row(Cells{"a", "1"});
  ASSERT_TRUE(problem.has_value());
  EXPECT_THAT(problem->line(), HasSubstr("a row of 2 cells for 3 columns"));
  EXPECT_EQ(contents(), kHeaderText);
}

TEST_F(CsvWriterTest, ShortWritesAndInterruptionsAreContinued) {
  faults = {.bytes_left = 1000, .most_at_once = 3, .interruptions = 2};
  CsvWriter writer = opened(kFaultyCalls);
  faults.interruptions = 2;
  EXPECT_EQ(writer.write_row(Cells{"walk", "1.5", "noted"}), std::nullopt);
  EXPECT_EQ(contents(), std::string(kHeaderText) + "walk,1.5,noted\r\n");
}

TEST_F(CsvWriterTest, FullDiskLeavesWholeRowsOnlyAndTheNextRowMaySucceed) {
  faults.bytes_left = 1000;
  CsvWriter writer = opened(kFaultyCalls);
  EXPECT_EQ(writer.write_row(Cells{"a", "1", ""}), std::nullopt);
  const std::string valid = contents();
  for (const std::size_t room : {0U, 1U, 7U}) {
    faults.bytes_left = room;
    const auto problem = writer.write_row(Cells{"b", "2", "long"});
    ASSERT_TRUE(problem.has_value());
    EXPECT_EQ(problem->subject, path_);
    EXPECT_THAT(problem->text, HasSubstr("No space left on device (errno 28)"));
    EXPECT_EQ(contents(), valid) << room;
  }
  faults.bytes_left = 1000;
  EXPECT_EQ(writer.write_row(Cells{"c", "3", ""}), std::nullopt);
  EXPECT_EQ(contents(), valid + "c,3,\r\n");
}

TEST_F(CsvWriterTest, FullDiskKeepsTheRowsOfAnEarlierRun) {
  EXPECT_EQ(opened().write_row(Cells{"a", "1", ""}), std::nullopt);
  const std::string valid = contents();
  CsvWriter writer = opened(kFaultyCalls);
  faults.bytes_left = 3;
  EXPECT_TRUE(writer.write_row(Cells{"b", "2", ""}).has_value());
  EXPECT_EQ(contents(), valid);
}

TEST_F(CsvWriterTest, RowThatCannotBeCutBackEndsTheFile) {
  faults.bytes_left = 1000;
  CsvWriter writer = opened(kFaultyCalls);
  faults = {.bytes_left = 2, .truncate_fails = true};
  EXPECT_TRUE(writer.write_row(Cells{"b", "2", ""}).has_value());
  faults = {.bytes_left = 1000};
  const auto problem = writer.write_row(Cells{"c", "3", ""});
  ASSERT_TRUE(problem.has_value());
  EXPECT_THAT(problem->text, HasSubstr("torn row"));
  EXPECT_EQ(contents(), std::string(kHeaderText) + "b,");
}

// The kernel's own short write: a size limit in the middle of a row.
TEST_F(CsvWriterTest, SizeLimitOfTheKernelLeavesWholeRowsOnly) {
  CsvWriter writer = opened();
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto old_handler = signal(SIGXFSZ, SIG_IGN);
  rlimit tight = old;
  tight.rlim_cur = contents().size() + 4;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  const auto problem = writer.write_row(Cells{"much too long", "2", ""});
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
  signal(SIGXFSZ, old_handler);
  ASSERT_TRUE(problem.has_value());
  EXPECT_THAT(problem->text, HasSubstr("File too large"));
  EXPECT_EQ(contents(), kHeaderText);
}

TEST_F(CsvWriterTest, UnusablePathsAreNamedWithTheReason) {
  EXPECT_THAT(refusal(folder_ / "none/rows.csv"), HasSubstr("none/rows.csv: cannot be opened"));
  EXPECT_THAT(refusal(folder_ / "none/rows.csv"), HasSubstr("No such file or directory (errno 2)"));
  EXPECT_THAT(refusal(folder_), HasSubstr("Is a directory"));
  EXPECT_THAT(refusal("/proc/rows.csv"), HasSubstr("cannot be opened for writing"));
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_THAT(refusal(path_), HasSubstr("is not a regular file"));
}

TEST_F(CsvWriterTest, OnlyOneRunWritesAFile) {
  CsvWriter first = opened();
  EXPECT_THAT(refusal(path_), HasSubstr("is being written by another run"));
  CsvWriter moved = std::move(first);
  EXPECT_THAT(refusal(path_), HasSubstr("is being written by another run"));
  { const CsvWriter gone = std::move(moved); }
  EXPECT_EQ(refusal(path_), "");
}

TEST_F(CsvWriterTest, EachRowIsOutsideOfTheProcessWhenWritten) {
  const pid_t child = fork();
  if (child == 0) {
    CsvWriter writer = opened();
    static_cast<void>(writer.write_row(Cells{"a", "1", ""}));
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(contents(), std::string(kHeaderText) + "a,1,\r\n");
}

}  // namespace
}  // namespace flushwalk
