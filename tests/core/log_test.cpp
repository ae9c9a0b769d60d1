// The format functions, the log file, and the progress line on a file and on a pseudo-terminal.
#include "core/log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <limits>
#include <regex>
#include <thread>

#include "core/check.h"
#include "support/matchers.h"
#include "support/catch.h"
#include "support/fixtures.h"

using namespace liere;
using test::has;

namespace {

std::string get(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Sends stderr to `fd` while it lives.
class RedirectedStderr {
 public:
  explicit RedirectedStderr(int fd) : saved_(::dup(STDERR_FILENO)) {
    std::fflush(stderr);
    ::dup2(fd, STDERR_FILENO);
  }
  ~RedirectedStderr() {
    std::fflush(stderr);
    ::dup2(saved_, STDERR_FILENO);
    ::close(saved_);
  }

 private:
  int saved_;
};

// What `body` writes to stderr when that is a plain file.
template <typename Body>
std::string plain_stderr(Body body) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "stderr";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  REQUIRE(fd >= 0);
  {
    const RedirectedStderr redirected(fd);
    body();
  }
  ::close(fd);
  return get(path);
}

// What `body` writes to stderr when that is a terminal of `columns` columns; nothing when the machine has no pseudo-terminals.
template <typename Body>
std::string terminal_stderr(unsigned short columns, Body body) {
  const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
  if (master < 0 || ::grantpt(master) != 0 || ::unlockpt(master) != 0) return "";
  const int terminal = ::open(::ptsname(master), O_RDWR | O_NOCTTY);
  if (terminal < 0) return "";
  const winsize size{24, columns, 0, 0};
  ::ioctl(terminal, TIOCSWINSZ, &size);
  {
    const RedirectedStderr redirected(terminal);
    body();
  }
  // What is written arrives a moment later: read up to a mark.
  const std::string mark = "<end>";
  std::string text;
  if (::write(terminal, mark.data(), mark.size()) == static_cast<ssize_t>(mark.size())) {
    char part[4096];
    pollfd waiting{master, POLLIN, 0};
    while (text.find(mark) == std::string::npos && ::poll(&waiting, 1, 10000) == 1) {
      const ssize_t length = ::read(master, part, sizeof part);
      if (length <= 0) break;
      text.append(part, static_cast<size_t>(length));
    }
    text = text.substr(0, text.find(mark));
  }
  ::close(terminal);
  ::close(master);
  return text;
}

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

}  // namespace

TEST_CASE("durations are written for people") {
  CHECK(format_duration(0) == "0 ms");
  CHECK(format_duration(0.04) == "40 ms");
  CHECK(format_duration(0.0994) == "99 ms");
  CHECK(format_duration(0.0996) == "0.1 s");
  CHECK(format_duration(0.4) == "0.4 s");
  CHECK(format_duration(9.94) == "9.9 s");
  CHECK(format_duration(9.96) == "10 s");
  CHECK(format_duration(12.3) == "12 s");
  CHECK(format_duration(59.4) == "59 s");
  CHECK(format_duration(59.6) == "1m 00s");
  CHECK(format_duration(200) == "3m 20s");
  CHECK(format_duration(3599.4) == "59m 59s");
  CHECK(format_duration(3599.6) == "1h 00m");
  CHECK(format_duration(3725) == "1h 02m");
  CHECK(format_duration(360000) == "100h 00m");
  CHECK(format_duration(-1) == "?");
  CHECK(format_duration(std::numeric_limits<double>::infinity()) == "?");
  CHECK(format_duration(std::numeric_limits<double>::quiet_NaN()) == "?");
}

TEST_CASE("counts have separators and bytes have binary units") {
  CHECK(format_count(0) == "0");
  CHECK(format_count(999) == "999");
  CHECK(format_count(1000) == "1,000");
  CHECK(format_count(1234567) == "1,234,567");
  CHECK(format_count(-123) == "-123");
  CHECK(format_count(-1234) == "-1,234");
  CHECK(format_count(std::numeric_limits<int64_t>::min()) == "-9,223,372,036,854,775,808");
  CHECK(format_bytes(0) == "0 B");
  CHECK(format_bytes(1023) == "1023 B");
  CHECK(format_bytes(1024) == "1.0 KiB");
  CHECK(format_bytes(3.2 * 1024 * 1024 * 1024) == "3.2 GiB");
  CHECK(format_bytes(1024.0 * 1024 - 1) == "1.0 MiB");
  CHECK(format_bytes(0x1p60) == "1024.0 PiB");
  CHECK(format_bytes(-1) == "?");
}

TEST_CASE("log lines are plain on stderr and dated in the file") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "log.txt";
  std::ofstream(path) << "from before\n";
  const std::string screen = plain_stderr([&] {
    log_info("before the file");
    open_log_file(path);
    log_info("100 % {} %s");
    CHECK(get(path).find("100 % {} %s") != std::string::npos);  // flushed with the line
    log_warning("careful");
    close_log_file();
    log_info("behind the file");
  });
  CHECK(screen == "before the file\n100 % {} %s\nwarning: careful\nbehind the file\n");
  const std::string stamp = R"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} )", file = get(path);
  INFO(file);
  CHECK(std::regex_match(file, std::regex("from before\n" + stamp + R"(100 % \{\} %s)" + "\n" + stamp + "warning: careful\n")));
}

TEST_CASE("a log file that cannot be opened is an error with its path") {
  CHECK_THROWS_WITH(open_log_file("/proc/liere/log.txt"), has("/proc/liere/log.txt"));
  CHECK(plain_stderr([] { log_info("still works"); }) == "still works\n");
}

TEST_CASE("a log file on a full disk warns once and goes on") {
  if (!std::filesystem::exists("/dev/full")) {
    std::cout << "skipped: this machine has no /dev/full\n";
    return;
  }
  const std::string screen = plain_stderr([] {
    open_log_file("/dev/full");
    log_info("one");
    log_info("two");
    close_log_file();
  });
  INFO(screen);
  CHECK(count(screen, "warning: the log file cannot be written") == 1);
  CHECK(count(screen, "one\n") == 1);
  CHECK(count(screen, "two\n") == 1);
}

TEST_CASE("the progress line is plain lines at the interval where stderr is a file") {
  const std::string every = plain_stderr([] {
    ProgressLine progress("train epoch 2/3", 1500, 500, std::chrono::seconds(0));
    progress.update(500, "");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    progress.update(1000, "loss 3.21");
    progress.update(1500, "loss 3.20");
  });
  INFO(every);
  CHECK(std::regex_match(every, std::regex("train epoch 2/3  500/1,500\n"
                                           "train epoch 2/3  1,000/1,500  loss 3.21  ETA [0-9.]+ m?s\n"
                                           "train epoch 2/3  1,500/1,500  loss 3.20  in [0-9.]+ m?s\n")));
  // Within the interval nothing but the end.
  const std::string rare = plain_stderr([] {
    ProgressLine progress("eval", 100);
    for (int i = 1; i <= 100; ++i) progress.update(i, "");
    progress.finish();
    progress.finish();
  });
  CHECK(count(rare, "\n") == 1);
  CHECK(rare.find("eval  100/100  in ") == 0);
  CHECK(plain_stderr([] { ProgressLine unused("eval", 100); }).empty());
}

TEST_CASE("the time left counts only the steps of this run") {
  const std::string text = plain_stderr([] {
    ProgressLine progress("t", 1000, 900, std::chrono::seconds(0));
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    progress.update(901, "");  // 1 step in 0.3 s: 99 more take at least 29.7 s; counted from step 0 it would be 33 ms
  });
  INFO(text);
  std::smatch found;
  REQUIRE(std::regex_search(text, found, std::regex("ETA ([0-9]+) s|ETA ([0-9]+)m")));
  if (found[1].matched) CHECK(std::stoi(found[1]) >= 29);
}

TEST_CASE("the progress line is redrawn in place on a terminal") {
  const std::string text = terminal_stderr(60, [] {
    ProgressLine progress("train", 1000);
    for (int i = 1; i <= 1000; ++i) progress.update(i, "loss 1.5");
    log_info("a line between");
    progress.update(1000, "loss 1.5");
    progress.finish();
  });
  if (text.empty()) {
    std::cout << "skipped: this machine has no pseudo-terminals\n";
    return;
  }
  INFO(text);
  const std::string clear = "\r\033[K";
  CHECK(text.find(clear + "train  [>") == 0);
  CHECK(count(text, clear) <= 5);  // the first, a few at most on a slow machine, the log line's, the last
  CHECK(text.find(clear + "a line between") != std::string::npos);
  CHECK(std::regex_search(text, std::regex("train  \\[=+\\]  1,000/1,000  loss 1.5  in [0-9.]+ m?s\r?\n$")));
  const std::string narrow = terminal_stderr(20, [] { ProgressLine("a long title", 10).update(3, "details that are long"); });
  CHECK(narrow == clear + "a long title  3/10 \r\n");
}
