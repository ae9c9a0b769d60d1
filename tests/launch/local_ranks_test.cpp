// Processes started on this machine: their place, their exit codes, signals, and that none is left behind.
#include "launch/local_ranks.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <iterator>
#include <thread>

#include "core/check.h"
#include "core/machine.h"
#include "core/rng.h"
#include "core/signals.h"
#include "support/catch.h"
#include "support/fixtures.h"

using namespace liere;
using liere::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

int run(int64_t count, const std::string& script, double grace = 1) { return run_local_ranks(count, {"sh", "-c", script}, {"/bin/sh", grace, /*holds_signals=*/false}); }

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// In a process of its own, whose stderr goes to `log`.
pid_t start(int64_t count, const std::string& script, const fs::path& log, double grace = 1) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  if (!std::freopen(log.c_str(), "w", stderr)) ::_exit(99);
  int code = 98;
  try {
    code = run(count, script, grace);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
  std::fflush(stderr);
  ::_exit(code);
}
int code_of(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
void wait_for(const fs::path& path) {
  for (int i = 0; i < 1000 && !fs::exists(path); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
}
bool lives(const fs::path& pid_file) {
  const auto text = text_of(pid_file);
  if (text.empty()) return false;
  const auto status = text_of("/proc/" + text.substr(0, text.find('\n')) + "/stat");
  return !status.empty() && status.find(") Z") == std::string::npos;
}

}  // namespace

TEST_CASE("local ranks: each has its number, one port and the arguments", "[launch]") {
  TemporaryFolder folder;
  const auto in = "cd " + folder.path().string() + "; ";
  CHECK(run(3, in + "echo $LIERE_RANK of $LIERE_RANKS at $LIERE_PORT >rank$LIERE_RANK") == 0);
  const auto first = text_of(folder.path() / "rank0");
  CHECK_THAT(first, Catch::StartsWith("0 of 3 at "));
  for (const char* rank : {"1", "2"}) CHECK(text_of(folder.path() / (std::string("rank") + rank)) == rank + first.substr(1));
  CHECK_THROWS_AS(run(0, "true"), ConfigError);
}

TEST_CASE("local ranks: the exit code is the cause's, said once with its last line", "[launch]") {
  TemporaryFolder folder;
  const auto log = folder.path() / "log";
  const auto result = [&](const std::string& script) { return code_of(start(3, script, log)); };
  CHECK(result("exit 0") == 0);
  CHECK(result("exit 75") == 75);
  CHECK(result("[ $LIERE_RANK = 1 ] && exit 75; exit 0") == 75);
  CHECK(result("[ $LIERE_RANK = 1 ] && { echo 'error: no data' >&2; exit 3; }; exec sleep 20") == 3);
  const auto text = text_of(log);
  CHECK_THAT(text, Catch::Contains("[rank 1] error: no data") && Catch::Contains("error: rank 1 of 3 on host " + host_name()) &&
                       Catch::Contains(" ended with exit code 3; its last line: error: no data; the others were ended."));
  CHECK(text.find("error: rank", text.find("error: rank 1 of 3") + 1) == std::string::npos);
  // Who lost a peer (5) is not the cause, also when it ends first.
  const auto ready = (folder.path() / "ready").string();
  CHECK(result("[ $LIERE_RANK = 1 ] && { trap '' TERM; echo >" + ready + "; sleep 0.2; exit 6; }; until [ -e " + ready +
               " ]; do sleep 0.01; done; exit 5") == 6);
  CHECK(result("[ $LIERE_RANK = 1 ] && exec sleep 20; exit 5") == 5);  // who was ended because of it is no cause either
  // Out of memory has the code of a lost peer: who says that it lost one is not the cause.
  CHECK(result("[ $LIERE_RANK = 1 ] && { sleep 0.1; echo 'error: could not go on with the others' >&2; exit 5; }; trap '' TERM; sleep 0.2; [ $LIERE_RANK = 2 ] && echo 'error: out of memory' >&2; exit 5") == 5);
  CHECK_THAT(text_of(log), Catch::Contains("error: rank 2 of 3") && Catch::Contains("its last line: error: out of memory"));
  CHECK(result("[ $LIERE_RANK = 0 ] && { trap '' TERM; sleep 0.2; exit 5; }; sleep 0.1; echo 'error: could not go on with the others' >&2; exit 5") == 5);
  CHECK_THAT(text_of(log), Catch::Contains("error: rank 0 of 3"));
  CHECK(result("[ $LIERE_RANK = 2 ] && kill -9 $$; exec sleep 20") == 137);
  CHECK_THAT(text_of(log), Catch::Contains("rank 2 of 3 on host " + host_name() + " was ended by signal 9 (Killed)"));
}

TEST_CASE("local ranks: who does not end after a failure is killed within the grace", "[launch]") {
  TemporaryFolder folder;
  const auto start_time = std::chrono::steady_clock::now();
  CHECK(code_of(start(2, "[ $LIERE_RANK = 1 ] && exit 4; trap '' TERM; while :; do sleep 0.05; done", folder.path() / "log", 0.5)) == 4);
  CHECK(std::chrono::steady_clock::now() - start_time < std::chrono::seconds(5));
}

TEST_CASE("local ranks: one that stands still is ended with the others, not after the grace", "[launch]") {
  TemporaryFolder folder;
  const auto ready = (folder.path() / "ready").string();
  const auto start_time = std::chrono::steady_clock::now();
  CHECK(code_of(start(2, "[ $LIERE_RANK = 1 ] && { echo $$ >" + ready + "; kill -STOP $$; exec sleep 20; }; until [ -e " + ready + " ]; do sleep 0.01; done; sleep 0.1; exit 5",
                      folder.path() / "log", 30)) == 5);
  CHECK(std::chrono::steady_clock::now() - start_time < std::chrono::seconds(10));
  CHECK_FALSE(lives(ready));
}

TEST_CASE("local ranks: signals reach all of them, a second interrupt is for now", "[launch]") {
  TemporaryFolder folder;
  const auto in = "cd " + folder.path().string() + "; ";
  for (const int signal : {SIGTERM, SIGUSR1, SIGINT}) {
    const auto child = start(2, in + "trap 'exit 75' TERM USR1 INT; echo >ready$LIERE_RANK; while :; do sleep 0.02; done", folder.path() / "log");
    wait_for(folder.path() / "ready0");
    wait_for(folder.path() / "ready1");
    ::kill(child, signal);
    CHECK(code_of(child) == 75);
    fs::remove(folder.path() / "ready0");
    fs::remove(folder.path() / "ready1");
  }
  const auto child = start(2, in + "trap '' INT; echo >ready$LIERE_RANK; while :; do sleep 0.02; done", folder.path() / "log", 60);
  wait_for(folder.path() / "ready0");
  wait_for(folder.path() / "ready1");
  ::kill(child, SIGINT);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  ::kill(child, SIGINT);
  CHECK(code_of(child) == 130);
  CHECK_THAT(text_of(folder.path() / "log"), Catch::Contains("SIGINT came twice") && !Catch::Contains("error: rank"));
}

TEST_CASE("local ranks: a signal before a rank takes signals, or before the launcher does, is not lost", "[launch]") {
  TemporaryFolder folder;
  // rank_stand_in ends with 75 on a stop signal, with 0 after 20 s; it takes signals 100 ms after it begins.
  const auto program = (fs::path(::program_invocation_name).parent_path() / "rank_stand_in").string();
  const auto start_ranks = [&](bool stop_before) {
    const auto child = ::fork();
    if (child != 0) return child;
    install_stop_signals();
    if (stop_before) ::raise(SIGTERM);
    std::ofstream(folder.path() / "launcher") << "takes signals";
    if (!std::freopen((folder.path() / "log").c_str(), "w", stderr)) ::_exit(99);
    ::_exit(run_local_ranks(2, {program, "100"}, {program, 5}));
  };
  CHECK(code_of(start_ranks(true)) == 75);
  for (const int signal : {SIGTERM, SIGUSR1, SIGUSR2, SIGINT})
    for (const int delay : {0, 3, 10, 30, 150}) {
      CAPTURE(signal, delay);
      fs::remove(folder.path() / "launcher");
      const auto child = start_ranks(false);
      wait_for(folder.path() / "launcher");
      std::this_thread::sleep_for(std::chrono::milliseconds(delay));
      ::kill(child, signal);
      CHECK(code_of(child) == 75);
    }
}

TEST_CASE("local ranks: an interrupt that reaches a rank twice counts once", "[launch]") {
  TemporaryFolder folder;
  const auto program = (fs::path(::program_invocation_name).parent_path() / "rank_stand_in").string();
  const auto child = ::fork();
  if (child == 0) {
    install_stop_signals();
    ::_exit(run_local_ranks(2, {program, "0", (folder.path() / "pid").string()}, {program, 5}));
  }
  wait_for(folder.path() / "pid0");
  wait_for(folder.path() / "pid1");
  // As a scheduler sends it: to every process. The ranks get it from the launcher as well.
  for (const char* name : {"pid0", "pid1"}) ::kill(std::stoi(text_of(folder.path() / name)), SIGINT);
  ::kill(child, SIGINT);
  CHECK(code_of(child) == 75);
}

TEST_CASE("local ranks: 300 signals and 200 kills at random moments", "[.soak]") {
  TemporaryFolder folder;
  const auto program = (fs::path(::program_invocation_name).parent_path() / "rank_stand_in").string();
  const auto start_ranks = [&](const char* pid_file) {
    for (const char* name : {"launcher", "pid0", "pid1"}) fs::remove(folder.path() / name);
    const auto child = ::fork();
    if (child == 0) {
      install_stop_signals();
      if (!std::freopen((folder.path() / "log").c_str(), "w", stderr)) ::_exit(99);
      std::ofstream(folder.path() / "launcher") << "takes signals";
      std::vector<std::string> arguments = {program, "20"};
      if (pid_file) arguments.push_back((folder.path() / pid_file).string());
      ::_exit(run_local_ranks(2, arguments, {program, 5}));
    }
    wait_for(folder.path() / "launcher");
    return child;
  };
  Rng random(0, Purpose::kArrows, 1);
  for (int i = 0; i < 300; ++i) {
    const int signal = kStopSignals[random.integer(4)], delay = static_cast<int>(random.integer(200));
    CAPTURE(i, signal, delay);
    const auto child = start_ranks(nullptr);
    std::this_thread::sleep_for(std::chrono::milliseconds(delay));
    ::kill(child, signal);
    CHECK(code_of(child) == 75);
  }
  for (int i = 0; i < 200; ++i) {
    const auto child = start_ranks("pid");
    const auto victim = folder.path() / (random.integer(2) ? "pid1" : "pid0");
    wait_for(folder.path() / "pid0");
    wait_for(folder.path() / "pid1");
    std::this_thread::sleep_for(std::chrono::milliseconds(random.integer(50)));
    ::kill(std::stoi(text_of(victim)), SIGKILL);
    const auto begun = std::chrono::steady_clock::now();
    CHECK(code_of(child) == 137);
    CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(6));
    CHECK_FALSE((lives(folder.path() / "pid0") || lives(folder.path() / "pid1")));
  }
}

TEST_CASE("local ranks: none outlives the one that started them, whenever that is killed", "[launch]") {
  TemporaryFolder folder;
  const auto in = "cd " + folder.path().string() + "; ";
  for (int round = 0; round < 10; ++round) {
    const auto child = start(2, in + "echo $$ >pid$LIERE_RANK; trap '' TERM; while :; do sleep 0.02; done", folder.path() / "log");
    std::this_thread::sleep_for(std::chrono::milliseconds(round * 4));
    if (round == 9) wait_for(folder.path() / "pid1");
    ::kill(child, SIGKILL);
    CHECK(code_of(child) == 137);
    bool left = true;
    for (int i = 0; left && i < 200; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      left = lives(folder.path() / "pid0") || lives(folder.path() / "pid1");
    }
    CHECK_FALSE(left);
  }
}

TEST_CASE("local ranks: the option that asks for them is left out of their arguments", "[launch]") {
  std::string words[] = {"liere-train", "--ranks", "2", "--config", "a.yaml", "--gpus=3", "seed=1"};
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  CHECK(arguments_without(static_cast<int>(argv.size()), argv.data(), {"--ranks", "--gpus"}) ==
        std::vector<std::string>{"liere-train", "--config", "a.yaml", "seed=1"});
}
