// A child process of a sweep: started with its output shown or kept in a file, on processors of its own, watched without waiting. Killed with this process if
// it is killed; in a process group of its own, so that a terminal's Ctrl-C reaches this process alone, which passes it on.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <vector>

namespace liere::sweep {

struct ProcessOptions {
  std::filesystem::path log;    // its output goes there; empty: it is shown, and where that is no terminal what it says last is kept
  std::vector<int> processors;  // empty: all of this process's
};

class Process {
 public:
  /// `arguments[0]` is searched in PATH where it holds no '/'. Throws Error(kFailure) where it cannot be started.
  Process(const std::vector<std::string>& arguments, const ProcessOptions& options);
  ~Process();
  Process(Process&& other) noexcept;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// The exit code (128 + signal) once it has ended.
  std::optional<int> ended();
  void signal(int number) const;
  /// Of a child that was shown elsewhere than on a terminal, once it has ended: what error_in says of a log.
  std::string error();

 private:
  pid_t pid_ = -1;
  std::future<std::string> relayed_;
  std::optional<int> code_;
};

/// Runs it to its end and keeps its output in `log`; passes a stop signal on. Returns the exit code.
int run_quietly(const std::vector<std::string>& arguments, const std::filesystem::path& log);

/// "exit code 3", "ended by signal 9 (Killed)" of a code as above.
std::string ending(int code);

/// The last line of a log that begins with "error: ", without that; else its last line; "" where there is none.
std::string error_in(const std::filesystem::path& log);

}  // namespace liere::sweep
