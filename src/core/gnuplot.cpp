#include "core/gnuplot.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/check.h"
#include "core/files.h"

extern char** environ;

namespace liere {
namespace {

/// Everything until the other end closes; only the beginning is kept.
std::string read_pipe(int descriptor) {
  std::string kept;
  char buffer[4096];
  for (;;) {
    const ssize_t count = ::read(descriptor, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return kept;
    if (kept.size() < 65536) kept.append(buffer, static_cast<size_t>(count));
  }
}

/// The first line with letters in it: gnuplot opens its messages with an empty line, the statement and a caret.
std::string first_line(const std::string& text) {
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    if (line.find_first_not_of(" \t\r^") != std::string::npos) return line;
    begin = end + 1;
  }
  return "";
}

}  // namespace

ProgramResult run_program(const std::string& program, const std::vector<std::string>& arguments, const std::filesystem::path& folder) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    throw Error(ExitCode::kFailure, std::string("a pipe to ") + program + " could not be made: " + std::strerror(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  std::vector<std::string> words = {program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  const int failure = ::posix_spawnp(&child, program.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  ProgramResult result;
  if (failure != 0) {
    ::close(ends[0]);
    if (failure != ENOENT) throw Error(ExitCode::kFailure, program + " could not be started: " + std::strerror(failure));
    result.found = false;
    return result;
  }
  result.first_error = first_line(read_pipe(ends[0]));
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  result.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return result;
}

Drawn draw_with_gnuplot(const PlotScript& plot, const std::filesystem::path& folder, const std::string& program, const std::vector<std::string>& formats) {
  namespace fs = std::filesystem;
  const fs::path script = folder / (plot.name + ".gp");
  for (const std::string& format : formats) fs::remove(folder / (plot.name + "." + format));
  write_file_atomically(folder / (plot.name + ".tsv"), plot.data);
  write_file_atomically(script, plot.script);
  for (const std::string& format : formats) {
    const fs::path picture = folder / (plot.name + "." + format), partial = folder / (plot.name + "." + format + ".partial");
    const std::string variables = "format = '" + format + "'; picture = '" + partial.filename().string() + "'";
    const ProgramResult result = run_program(program, {"--default-settings", "-e", variables, script.filename().string()}, folder);
    if (!result.found) return Drawn::kNoProgram;
    std::error_code ignored;
    if (result.status != 0 || !fs::exists(partial) || fs::file_size(partial) == 0) {
      fs::remove(partial, ignored);
      throw Error(ExitCode::kFailure, program + " did not draw '" + picture.string() + "' (exit status " + std::to_string(result.status) +
                                          "): " + (result.first_error.empty() ? "it gave no reason" : result.first_error) + ". Run it by hand: cd " +
                                          folder.string() + " && " + program + " " + script.filename().string());
    }
    fs::rename(partial, picture);
  }
  return Drawn::kYes;
}

std::string gnuplot_string(const std::string& text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'')
      result += "''";
    else
      result += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  }
  return result + "'";
}

}  // namespace liere
