// What the user reads: spdlog behind three functions, a log file in the run folder, and the progress line.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

namespace liere {

/// Lines go to stderr ("warning: ..." and "error: ..." carry their word) and, once a file is opened, with time stamps to the file as well.
void log_info(const std::string& line);
void log_warning(const std::string& line);
/// In rank `rank` of several: lines of information are not shown (rank 0 shows them), warnings are, with "rank 2: " before them.
void set_log_rank(int64_t rank);
/// Appends to `path` (the run folder's log.txt) from now on, every line flushed. Throws Error(kFailure) when it cannot be opened.
void open_log_file(const std::filesystem::path& path);
void close_log_file();

/// "1h 02m", "3m 20s", "12 s", "0.4 s", "40 ms"; "?" for what is not finite or negative.
std::string format_duration(double seconds);
/// "1,234,567".
std::string format_count(int64_t n);
/// "3.2 GiB".
std::string format_bytes(double bytes);

/// One line on stderr, rewritten in place on a terminal (at most ten times a second); elsewhere a plain line without the bar at most every
/// `plain_interval`. The time left is extrapolated from the steps done since construction. For one thread; log lines may come in between.
///   train epoch 2/3  [=========>        ]  312/782  1,024 images/s  loss 3.21  data 2 %  ETA 1m 12s
class ProgressLine {
 public:
  /// `total` steps of which `done` are already behind us.
  ProgressLine(std::string title, int64_t total, int64_t done = 0, std::chrono::seconds plain_interval = std::chrono::seconds(10));
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  void set_title(const std::string& title);
  /// `details` is free text between the counter and the ETA.
  void update(int64_t done, const std::string& details);
  /// Shows the last update and ends the line (terminal) so that other output starts on a fresh one.
  void finish();

 private:
  std::string line(size_t width) const;
  void draw();

  std::string title_, details_;
  int64_t total_, first_, done_;
  bool terminal_, pending_ = false, finished_ = false;
  std::chrono::seconds plain_interval_;
  std::chrono::steady_clock::time_point start_, last_;
};

}  // namespace liere
