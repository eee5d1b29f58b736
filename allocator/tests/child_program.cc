#include "allocator/tests/child_program.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

extern char** environ;

namespace flushwalk {

namespace fs = std::filesystem;

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

ChildProgram::ChildProgram(const std::string& path, const Arguments& arguments,
                           const std::string& input) {
  int in[2];
  int out[2];
  int err[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
    ADD_FAILURE() << "pipe2";
    return;
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  posix_spawn_file_actions_adddup2(&actions, err[1], 2);
  std::vector<char*> argv = {const_cast<char*>(path.c_str())};
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  EXPECT_EQ(posix_spawn(&process_, path.c_str(), &actions, nullptr, argv.data(), environ), 0)
      << path;
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  close(err[1]);
  out_ = out[0];
  err_ = err[0];
  EXPECT_EQ(write(in[1], input.data(), input.size()), static_cast<ssize_t>(input.size()));
  close(in[1]);
}
ChildProgram::~ChildProgram() {
  if (process_ > 0) {
    ::kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  close(out_);
  close(err_);
}

bool ChildProgram::wait_for_progress(std::size_t count) {
  const auto lines = [&] {
    std::size_t found = 0;
    for (std::size_t at = 0; (at = outcome_.err.find("\n{", at)) != std::string::npos; ++at) {
      ++found;
    }
    return found;
  };
  while (lines() < count) {
    if (!read_more()) {
      return false;
    }
  }
  return true;
}

void ChildProgram::kill(int signal) { ::kill(process_, signal); }

Outcome ChildProgram::finish() {
  while (read_more()) {
  }
  int status = 0;
  EXPECT_EQ(waitpid(process_, &status, 0), process_);
  process_ = 0;
  outcome_.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome_;
}

// False when both pipes have ended.
bool ChildProgram::read_more() {
  pollfd ends[2] = {{out_open_ ? out_ : -1, POLLIN, 0}, {err_open_ ? err_ : -1, POLLIN, 0}};
  if ((!out_open_ && !err_open_) || poll(ends, 2, 60'000) <= 0) {
    return false;
  }
  const auto read_one = [](const pollfd& end, std::string* text, bool* open) {
    if (end.revents != 0) {
      char buffer[4096];
      const ssize_t got = read(end.fd, buffer, sizeof(buffer));
      text->append(buffer, got > 0 ? static_cast<std::size_t>(got) : 0);
      *open = got > 0;
    }
  };
  read_one(ends[0], &outcome_.out, &out_open_);
  read_one(ends[1], &outcome_.err, &err_open_);
  return true;
}

Outcome run(const std::string& path, const Arguments& arguments, const std::string& input) {
  return ChildProgram(path, arguments, input).finish();
}

Arguments operator+(Arguments left, const Arguments& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  return lines;
}

void expect_one_line(const Outcome& outcome, const std::string& start, const std::string& part) {
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, StartsWith(start));
  EXPECT_THAT(outcome.err, HasSubstr(part));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  EXPECT_THAT(outcome.err, EndsWith("\n"));
}

void InFolder::SetUp() {
  std::string text = (fs::temp_directory_path() / "flushwalk_XXXXXX").string();
  ASSERT_NE(mkdtemp(text.data()), nullptr);
  folder = text;
}

void InFolder::TearDown() { fs::remove_all(folder); }

std::string InFolder::read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void InFolder::write(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace flushwalk
