#include "core/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <memory>
#include <utility>

#include "core/check.h"

namespace liere {
namespace {

int64_t log_rank = 0;  // set before threads start

using Clock = std::chrono::steady_clock;

constexpr auto kRedrawInterval = std::chrono::milliseconds(100);
constexpr const char* kClearLine = "\r\033[K";

// Whether a progress line stands unfinished on the terminal; a log line clears it first, the next update draws it again.
std::atomic<bool> progress_on_screen = false;

struct Log {
  std::shared_ptr<spdlog::sinks::dist_sink_mt> sinks = std::make_shared<spdlog::sinks::dist_sink_mt>();
  spdlog::sink_ptr screen = std::make_shared<spdlog::sinks::stderr_sink_mt>(), file;
  spdlog::logger logger{"liere", sinks};

  Log() {
    screen->set_pattern("%v");
    sinks->add_sink(screen);
    logger.set_level(spdlog::level::trace);
    logger.flush_on(spdlog::level::trace);
    // A full disk must not end the run, nor fill the screen: one line for each opened file.
    logger.set_error_handler([this](const std::string& what) {
      if (!std::exchange(failed, true)) std::fprintf(stderr, "warning: the log file cannot be written: %s\n", what.c_str());
    });
  }

  bool failed = false;
};

Log& log() {
  static Log instance;
  return instance;
}

void put(spdlog::level::level_enum level, const std::string& line) {
  if (progress_on_screen.exchange(false)) std::fputs(kClearLine, stderr);
  log().logger.log(level, spdlog::string_view_t(line));
}

std::string printed(const char* format, auto... values) {
  char text[64];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

// At most `columns` bytes, not cutting a UTF-8 sequence.
std::string shortened(std::string text, size_t columns) {
  if (text.size() <= columns) return text;
  while (columns > 0 && (static_cast<unsigned char>(text[columns]) & 0xC0) == 0x80) --columns;
  text.resize(columns);
  return text;
}

}  // namespace

void log_info(const std::string& line) {
  if (log_rank == 0) put(spdlog::level::info, line);
}
void log_warning(const std::string& line) { put(spdlog::level::warn, (log_rank > 0 ? "rank " + std::to_string(log_rank) + ": warning: " : "warning: ") + line); }
void set_log_rank(int64_t rank) { log_rank = rank; }

void open_log_file(const std::filesystem::path& path) {
  close_log_file();
  try {
    log().file = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path.string(), false);
  } catch (const spdlog::spdlog_ex& error) {
    throw Error(ExitCode::kFailure, "the log file " + path.string() + " cannot be opened: " + error.what());
  }
  log().file->set_pattern("%Y-%m-%d %H:%M:%S.%e %v");
  log().failed = false;
  log().sinks->add_sink(log().file);
}

void close_log_file() {
  if (log().file == nullptr) return;
  log().sinks->remove_sink(log().file);
  log().file.reset();
}

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  if (seconds < 0.0995) return printed("%.0f ms", seconds * 1000);
  if (seconds < 9.95) return printed("%.1f s", seconds);
  if (seconds < 59.5) return printed("%.0f s", seconds);
  const double whole = std::round(seconds);
  if (whole < 3600) return printed("%.0fm %02.0fs", std::floor(whole / 60), std::fmod(whole, 60));
  const double minutes = std::round(seconds / 60);
  return printed("%.0fh %02.0fm", std::floor(minutes / 60), std::fmod(minutes, 60));
}

std::string format_count(int64_t n) {
  std::string text = std::to_string(n);
  const size_t first_digit = n < 0 ? 1 : 0;
  for (size_t i = text.size(); i > first_digit + 3;) text.insert(i -= 3, 1, ',');
  return text;
}

std::string format_bytes(double bytes) {
  if (!std::isfinite(bytes) || bytes < 0) return "?";
  if (bytes < 1023.5) return printed("%.0f B", bytes);
  const char* const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  size_t unit = 0;
  for (bytes /= 1024; bytes >= 1023.95 && unit + 1 < std::size(units); bytes /= 1024) ++unit;
  return printed("%.1f %s", bytes, units[unit]);
}

ProgressLine::ProgressLine(std::string title, int64_t total, int64_t done, std::chrono::seconds plain_interval)
    : title_(std::move(title)),
      total_(total),
      first_(done),
      done_(done),
      terminal_(::isatty(STDERR_FILENO) == 1),
      plain_interval_(plain_interval),
      start_(Clock::now()),
      last_(terminal_ ? start_ - kRedrawInterval : start_) {}

ProgressLine::~ProgressLine() { finish(); }

void ProgressLine::set_title(const std::string& title) { title_ = title; }

void ProgressLine::update(int64_t done, const std::string& details) {
  done_ = done;
  details_ = details;
  pending_ = true;
  finished_ = false;
  const auto waited = Clock::now() - last_;
  if (terminal_ ? waited >= kRedrawInterval : waited >= plain_interval_) draw();
}

void ProgressLine::finish() {
  if (finished_) return;
  if (pending_) draw();
  if (progress_on_screen.exchange(false)) std::fputs("\n", stderr);
  finished_ = true;
}

void ProgressLine::draw() {
  std::string text(terminal_ ? kClearLine : "");
  text.append(line(terminal_ ? terminal_width() - 1 : 0)).append(terminal_ ? "" : "\n");
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
  if (terminal_) progress_on_screen = true;
  pending_ = false;
  last_ = Clock::now();
}

// `width` 0: without bar and limit.
std::string ProgressLine::line(size_t width) const {
  std::string tail = format_count(done_).append("/").append(format_count(total_));
  if (!details_.empty()) tail.append("  ").append(details_);
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  if (done_ >= total_) {
    tail += "  in " + format_duration(seconds);
  } else if (done_ > first_) {
    tail += "  ETA " + format_duration(seconds * static_cast<double>(total_ - done_) / static_cast<double>(done_ - first_));
  }
  constexpr size_t kWidestBar = 20, kNarrowestBar = 5, kFrame = 6;  // two brackets, two gaps of two spaces
  const size_t text = title_.size() + tail.size();
  if (width < text + kFrame + kNarrowestBar) {
    const std::string plain = title_ + "  " + tail;
    return width == 0 ? plain : shortened(plain, width);
  }
  const size_t bar = std::min(kWidestBar, width - text - kFrame);
  const double share = total_ > 0 ? std::clamp(static_cast<double>(done_) / static_cast<double>(total_), 0.0, 1.0) : 1.0;
  const size_t filled = static_cast<size_t>(share * static_cast<double>(bar));
  std::string drawn(filled, '=');
  if (filled < bar) drawn += '>';
  drawn.resize(bar, ' ');
  return title_ + "  [" + drawn + "]  " + tail;
}

}  // namespace liere
