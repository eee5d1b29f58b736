// A program as its users meet it: a process with arguments, pipes and signals.
#ifndef FLUSHWALK_ALLOCATOR_TESTS_CHILD_PROGRAM_H_
#define FLUSHWALK_ALLOCATOR_TESTS_CHILD_PROGRAM_H_

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace flushwalk {

using Arguments = std::vector<std::string>;

Arguments operator+(Arguments left, const Arguments& right);

struct Outcome {
  int exit_code = -1;  // 128 + the signal that ended it
  std::string out;
  std::string err;
};

// A started program, with pipes at its ends; killed by its destructor.
class ChildProgram {
 public:
  ChildProgram(const std::string& path, const Arguments& arguments, const std::string& input = "");
  ~ChildProgram();
  ChildProgram(const ChildProgram&) = delete;
  ChildProgram& operator=(const ChildProgram&) = delete;

  // Reads on until there were so many lines of --progress; false when the program ends before.
  bool wait_for_progress(std::size_t count);
  void kill(int signal);
  pid_t process() const { return process_; }
  Outcome finish();

 private:
  bool read_more();

  pid_t process_ = 0;
  int out_ = -1;
  int err_ = -1;
  bool out_open_ = true;
  bool err_open_ = true;
  Outcome outcome_;
};

Outcome run(const std::string& path, const Arguments& arguments, const std::string& input = "");

std::vector<std::string> lines_of(const std::string& text);

// Exit code 2 and one line on standard error.
void expect_one_line(const Outcome& outcome, const std::string& start, const std::string& part);

// A folder of the test's own.
class InFolder : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  static std::string read(const std::filesystem::path& path);
  static void write(const std::filesystem::path& path, const std::string& text);

  std::filesystem::path folder;
};

}  // namespace flushwalk

#endif  // FLUSHWALK_ALLOCATOR_TESTS_CHILD_PROGRAM_H_
