#include "launch/local_ranks.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <iostream>
#include <optional>
#include <utility>

#include "core/check.h"
#include "core/machine.h"
#include "core/signals.h"

namespace liere {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kStoppedEarly = static_cast<int>(ExitCode::kStoppedEarly), kPeer = static_cast<int>(ExitCode::kDevice);

struct Child {
  int64_t rank = 0;
  pid_t pid = -1;
  int errors = -1;         // its stderr; -1 of rank 0
  std::string line, last;  // begun; the last whole one
  std::optional<int> status;
  bool is_running() const { return !status; }
};

[[noreturn]] void fail(const char* what) {
  throw Error(ExitCode::kFailure, std::string("the ranks cannot be started: ") + what + ": " + std::strerror(errno) + ".");
}

/// A port of the loopback interface that nobody listens on.
uint16_t free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (socket < 0 || ::bind(socket, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    fail("no free port");
  ::close(socket);
  return ntohs(address.sin_port);
}

sigset_t stop_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : kStopSignals) ::sigaddset(&signals, signal);
  return signals;
}

[[noreturn]] void become(const Child& child, int64_t count, uint16_t port, pid_t parent, int errors, const std::vector<std::string>& arguments,
                         const LocalRanksOptions& options) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);                          // it died meanwhile
  ::setpgid(0, 0);                                                // the terminal's Ctrl-C reaches the parent alone, which passes it on
  for (const int signal : kStopSignals) ::signal(signal, SIG_DFL);  // this process's handlers are not for it
  sigset_t held = stop_signals();
  if (!options.holds_signals) ::sigemptyset(&held);
  ::sigprocmask(SIG_SETMASK, &held, nullptr);
  if (errors >= 0) {
    const int nothing = ::open("/dev/null", O_RDWR);
    ::dup2(nothing, 0);
    ::dup2(nothing, 1);
    ::dup2(errors, 2);
  }
  ::setenv("LIERE_RANK", std::to_string(child.rank).c_str(), 1);
  ::setenv("LIERE_RANKS", std::to_string(count).c_str(), 1);
  ::setenv("LIERE_PORT", std::to_string(port).c_str(), 1);
  std::vector<char*> argv;
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::execv(options.program.c_str(), argv.data());
  std::cerr << "error: " << options.program << " cannot be started: " << std::strerror(errno) << std::endl;
  ::_exit(1);
}

int code_of(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }
bool is_failure(int code) { return code != 0 && code != kStoppedEarly; }

class Watch {
 public:
  Watch(int64_t count, const std::vector<std::string>& arguments, const LocalRanksOptions& options) : options_(options) {
    sigset_t signals = stop_signals();
    ::sigaddset(&signals, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &signals, &before_);
    signals_ = ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals_ < 0) fail("signalfd");
    const uint16_t port = free_port();
    const pid_t self = ::getpid();
    children_.resize(static_cast<size_t>(count));
    for (int64_t rank = 0; rank < count; ++rank) {
      auto& child = children_[static_cast<size_t>(rank)];
      child.rank = rank;
      int ends[2] = {-1, -1};
      if (rank > 0 && ::pipe2(ends, O_CLOEXEC) != 0) fail("pipe");
      child.pid = ::fork();
      if (child.pid == 0) become(child, count, port, self, ends[1], arguments, options);
      if (rank > 0) ::close(ends[1]);
      child.errors = ends[0];
      if (child.errors >= 0) ::fcntl(child.errors, F_SETFL, O_NONBLOCK);
      if (child.pid < 0) {
        child.status = 0;
        send(SIGKILL);
        fail("fork");
      }
    }
    // One that came before this took the signals over.
    if (stop_requested()) pass_on(stop_signal());
  }
  ~Watch() {
    send(SIGKILL);
    for (auto& child : children_)
      if (child.errors >= 0) ::close(child.errors);
    ::close(signals_);
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
  }

  int run() {
    while (std::any_of(children_.begin(), children_.end(), [](const auto& child) { return child.is_running(); })) {
      wait();
      handle_signals();
      for (auto& child : children_) relay(child);
      reap();
      if (kill_at_ && Clock::now() >= *kill_at_) {
        send(SIGKILL);
        killed_ = true;
      }
    }
    for (auto& child : children_) relay(child);
    return result();
  }

 private:
  void wait() {
    std::vector<pollfd> files = {{signals_, POLLIN, 0}};
    for (const auto& child : children_)
      if (child.errors >= 0) files.push_back({child.errors, POLLIN, 0});
    int timeout = 1000;
    if (kill_at_)
      timeout =
          std::clamp<int>(static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(*kill_at_ - Clock::now()).count()) + 1, 1, 1000);
    ::poll(files.data(), files.size(), timeout);
  }

  void handle_signals() {
    signalfd_siginfo info;
    while (::read(signals_, &info, sizeof info) == sizeof info) {
      const int signal = static_cast<int>(info.ssi_signo);
      if (signal == SIGCHLD) continue;
      pass_on(signal);
    }
  }

  void pass_on(int signal) {
    // A second Ctrl-C is for now.
    abandoned_ |= signal == SIGINT && interrupted_;
    interrupted_ |= signal == SIGINT;
    send(abandoned_ ? SIGKILL : signal);
  }

  void send(int signal) {
    for (const auto& child : children_)
      if (child.is_running() && child.pid > 0) ::kill(child.pid, signal);
  }

  void relay(Child& child) {
    char buffer[4096];
    ssize_t got = 0;
    while (child.errors >= 0 && (got = ::read(child.errors, buffer, sizeof buffer)) != 0) {
      if (got < 0) return;  // nothing more for now
      for (const char c : std::string_view(buffer, static_cast<size_t>(got))) {
        if (c != '\n') {
          child.line += c;
          continue;
        }
        std::cerr << "[rank " << child.rank << "] " << child.line << std::endl;
        child.last = std::exchange(child.line, "");
      }
    }
    if (child.errors >= 0) ::close(std::exchange(child.errors, -1));
    if (!child.line.empty()) std::cerr << "[rank " << child.rank << "] " << child.line << std::endl;
    if (!child.line.empty()) child.last = std::exchange(child.line, "");
  }

  void reap() {
    int status = 0;
    while (true) {
      const pid_t pid = ::waitpid(-1, &status, WNOHANG);
      if (pid <= 0) return;
      const auto child = std::find_if(children_.begin(), children_.end(), [&](const auto& c) { return c.pid == pid; });
      if (child == children_.end() || WIFSTOPPED(status)) continue;
      child->status = status;
      const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
      const bool ended_by_us = ((killed_ || abandoned_) && signal == SIGKILL) || (kill_at_ && signal == SIGTERM);
      if (!is_failure(code_of(status)) || ended_by_us) continue;
      failed_.push_back(child->rank);
      if (kill_at_) continue;
      kill_at_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.grace_seconds));
      send(SIGTERM);
      send(SIGCONT);  // one that stands still would not hear it
    }
  }

  /// Who did not end because of another: that one has the code of a lost peer and says so. Out of memory and no device have that code, too.
  int64_t cause() const {
    const auto child = [this](int64_t rank) -> const Child& { return children_[static_cast<size_t>(rank)]; };
    const auto find = [this](const auto& is_it) { return std::find_if(failed_.begin(), failed_.end(), is_it); };
    if (const auto found = find([&](int64_t rank) { return code_of(*child(rank).status) != kPeer; }); found != failed_.end()) return *found;
    const auto lost_a_peer = [&](int64_t rank) { return child(rank).last.find(kLostPeer) != std::string::npos; };
    if (const auto found = find([&](int64_t rank) { return rank > 0 && !lost_a_peer(rank); }); found != failed_.end()) return *found;
    const auto others_lost = std::all_of(failed_.begin(), failed_.end(), [&](int64_t rank) { return rank == 0 || lost_a_peer(rank); });
    if (const auto first = find([](int64_t rank) { return rank == 0; }); others_lost && first != failed_.end()) return 0;  // what it said is not read here
    return failed_.front();
  }

  int result() const {
    if (abandoned_) {
      std::cerr << "error: SIGINT came twice: all ranks were ended at once, without saving." << std::endl;
      return 128 + SIGINT;
    }
    if (failed_.empty())
      return std::any_of(children_.begin(), children_.end(), [](const auto& child) { return code_of(*child.status) == kStoppedEarly; })
                 ? kStoppedEarly
                 : 0;
    const auto& child = children_[static_cast<size_t>(cause())];
    std::cerr << "error: rank " << child.rank << " of " << children_.size() << " on host " << host_name() << " "
              << (WIFSIGNALED(*child.status) ? std::string("was ended by signal ") + std::to_string(WTERMSIG(*child.status)) + " (" +
                                                   ::strsignal(WTERMSIG(*child.status)) + ")"
                                             : "ended with exit code " + std::to_string(WEXITSTATUS(*child.status)))
              << (child.last.empty() ? "" : "; its last line: " + child.last) << "; the others were ended." << std::endl;
    return code_of(*child.status);
  }

  LocalRanksOptions options_;
  sigset_t before_ = {};
  int signals_ = -1;
  std::vector<Child> children_;
  std::vector<int64_t> failed_;  // ranks, in the order in which they ended
  std::optional<Clock::time_point> kill_at_;
  bool interrupted_ = false, abandoned_ = false;  // by the first SIGINT, by the second
  bool killed_ = false;                           // what was left after the grace was killed
};

}  // namespace

int run_local_ranks(int64_t count, const std::vector<std::string>& arguments, const LocalRanksOptions& options) {
  if (count < 1 || count > 1024) throw ConfigError("--ranks is " + std::to_string(count) + ", expected 1 to 1024 processes.");
  return Watch(count, arguments, options).run();
}

std::vector<std::string> arguments_without(int argc, char** argv, const std::vector<std::string>& options) {
  std::vector<std::string> arguments;
  for (int i = 0; i < argc; ++i) {
    const std::string argument = argv[i];
    if (std::find(options.begin(), options.end(), argument) != options.end())
      ++i;
    else if (std::none_of(options.begin(), options.end(), [&](const auto& option) { return argument.starts_with(option + "="); }))
      arguments.push_back(argument);
  }
  return arguments;
}

}  // namespace liere
