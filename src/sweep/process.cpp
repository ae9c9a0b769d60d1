#include "sweep/process.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <thread>
#include <utility>

#include "core/check.h"
#include "core/signals.h"

namespace liere::sweep {
namespace {

/// The last line that begins with "error: ", without that; else the last line.
struct LastWords {
  std::string error, last;
  void add(const std::string& line) {
    if (line.starts_with("error: ")) error = line.substr(7);
    if (!line.empty()) last = line;
  }
  std::string text() const { return error.empty() ? last : error; }
};

/// Passes on what comes to stderr until the other end closes.
std::string relay(int from) {
  LastWords words;
  std::string line;
  char buffer[4096];
  for (ssize_t count = 0; (count = ::read(from, buffer, sizeof buffer)) > 0 || (count < 0 && errno == EINTR);) {
    if (count < 0) continue;
    (void)!::write(2, buffer, static_cast<size_t>(count));
    for (const char c : std::string_view(buffer, static_cast<size_t>(count))) {
      if (c != '\n') {
        line += c;
        continue;
      }
      words.add(line);
      line.clear();
    }
  }
  words.add(line);
  ::close(from);
  return words.text();
}

[[noreturn]] void become(const std::vector<std::string>& arguments, const ProcessOptions& options, pid_t parent, int errors, int failure) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  ::setpgid(0, 0);
  for (const int number : kStopSignals) ::signal(number, SIG_DFL);
  if (!options.processors.empty()) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const int processor : options.processors) CPU_SET(processor, &set);
    ::sched_setaffinity(0, sizeof set, &set);
  }
  const int nothing = ::open("/dev/null", O_RDONLY);
  ::dup2(nothing, 0);
  if (errors >= 0) ::dup2(errors, 2);
  if (!options.log.empty()) {
    const int log = ::open(options.log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (log >= 0) {
      ::dup2(log, 1);
      ::dup2(log, 2);
    }
  }
  std::vector<char*> argv;
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::execvp(argv[0], argv.data());
  const int error = errno;
  (void)!::write(failure, &error, sizeof error);
  ::_exit(127);
}

}  // namespace

Process::Process(const std::vector<std::string>& arguments, const ProcessOptions& options) {
  int ends[2];  // carries errno of an exec that failed; closed by one that did not
  if (::pipe2(ends, O_CLOEXEC) != 0) throw Error(ExitCode::kFailure, std::string("a pipe could not be made: ") + std::strerror(errno));
  int errors[2] = {-1, -1};
  if (options.log.empty() && ::isatty(2) == 0 && ::pipe2(errors, O_CLOEXEC) != 0) errors[0] = errors[1] = -1;
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) become(arguments, options, parent, errors[1], ends[1]);
  const int fork_error = errno;
  ::close(ends[1]);
  if (errors[0] >= 0) {
    ::close(errors[1]);
    relayed_ = std::async(std::launch::async, relay, errors[0]);
  }
  int error = 0;
  if (pid_ < 0) error = fork_error;
  else if (::read(ends[0], &error, sizeof error) != sizeof error) error = 0;
  ::close(ends[0]);
  if (error == 0) return;
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
  throw Error(ExitCode::kFailure, arguments[0] + " cannot be started: " + std::strerror(error) + ".");
}

Process::Process(Process&& other) noexcept : pid_(std::exchange(other.pid_, -1)), relayed_(std::move(other.relayed_)), code_(other.code_) {}

std::string Process::error() { return relayed_.valid() ? relayed_.get() : std::string(); }

Process::~Process() {
  if (pid_ <= 0 || code_) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::optional<int> Process::ended() {
  if (code_) return code_;
  int status = 0;
  const pid_t found = ::waitpid(pid_, &status, WNOHANG);
  if (found == pid_) code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return code_;
}

void Process::signal(int number) const {
  if (pid_ > 0 && !code_) ::kill(pid_, number);
}

int run_quietly(const std::vector<std::string>& arguments, const std::filesystem::path& log) {
  Process process(arguments, {log, {}});
  for (bool passed = false; true;) {
    if (const auto code = process.ended()) return *code;
    if (stop_requested() && !passed) process.signal(stop_signal());
    passed |= stop_requested();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

std::string ending(int code) {
  return code > 128 ? std::string("ended by signal ") + std::to_string(code - 128) + " (" + ::strsignal(code - 128) + ")" : "exit code " + std::to_string(code);
}

std::string error_in(const std::filesystem::path& log) {
  std::ifstream in(log);
  LastWords words;
  for (std::string line; std::getline(in, line);) words.add(line);
  return words.text();
}

}  // namespace liere::sweep
