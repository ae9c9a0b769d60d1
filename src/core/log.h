// What the user reads: spdlog behind three functions, a log file in the run folder, and the progress line.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

namespace liere {

/// Lines go to stderr ("warning: ..." and "error: ..." carry their word) and, once a file is opened, with time stamps to the file as well.
void log_info(const std::string& line);
void log_warning(const std::string& line);
/// Appends to `path` (the run folder's log.txt) from now on.
void open_log_file(const std::filesystem::path& path);
void close_log_file();

/// "1h 02m", "3m 20s", "12 s", "0.4 s".
std::string format_duration(double seconds);
/// "1,234,567".
std::string format_count(int64_t n);
/// "3.2 GiB".
std::string format_bytes(double bytes);

/// One line rewritten in place on a terminal; elsewhere a plain line at most every `plain_interval`.
///   train epoch 2/3  [=========>        ]  312/782  1,024 images/s  loss 3.21  data 2 %  ETA 1m 12s
class ProgressLine {
 public:
  /// `total` steps of which `done` are already behind us.
  ProgressLine(std::string title, int64_t total, int64_t done = 0, std::chrono::seconds plain_interval = std::chrono::seconds(10));
  ~ProgressLine();
  void set_title(const std::string& title);
  /// `details` is free text between the counter and the ETA.
  void update(int64_t done, const std::string& details);
  /// Ends the line (terminal) so that other output starts on a fresh one.
  void finish();

 private:
  std::string title_;
  int64_t total_, first_, done_ = 0;
  bool terminal_, open_ = false;
  std::chrono::seconds plain_interval_;
  std::chrono::steady_clock::time_point start_, last_;
};

}  // namespace liere
