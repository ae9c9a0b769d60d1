// The run folder's record of a run: metrics.jsonl (a line per log step and evaluation), metrics.csv (a row per evaluation, in the columns of timm's
// summary.csv) and, unless switched off, TensorBoard's events. Lines are written whole, at the latest `flush_seconds` after they were made (as long as
// tick() is called), at every evaluation and before every checkpoint. docs/watching.md describes the files.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "train/observers/append_file.h"
#include "train/observers/reports.h"
#include "train/observers/tensorboard_events.h"

namespace liere {

struct MetricOptions {
  double flush_seconds = 10;
  bool tensorboard = true;
  int64_t step = 0;    // steps done so far: where a resumed run goes on
  std::string config;  // resolved YAML, shown by TensorBoard
};

class MetricFiles {
 public:
  /// Cuts the files back to `offsets` (bytes by name relative to `run`; a file not named starts empty) and appends. Throws CheckpointError.
  MetricFiles(const std::filesystem::path& run, const std::map<std::string, int64_t>& offsets, const MetricOptions& options = {});

  /// A log step.
  void on_step(const StepReport& report);
  void on_evaluation(const EvaluationReport& report);
  /// Any step: writes what has waited for `flush_seconds`. A failure is one warning; the lines are tried again later.
  void tick();
  void flush();

  /// For a checkpoint about to be published: writes and syncs, and returns the sizes. Throws CheckpointError when the disk does not take them.
  std::map<std::string, int64_t> offsets();

 private:
  using Clock = std::chrono::steady_clock;
  std::vector<AppendFile*> files();

  AppendFile jsonl_, csv_;
  std::vector<std::string> columns_;  // of metrics.csv as it stands: a file of an earlier version keeps its own
  std::optional<TensorboardEvents> tensorboard_;
  Clock::duration flush_interval_;
  std::optional<Clock::time_point> waiting_since_;
  bool started_ = false, warned_ = false;
};

}  // namespace liere
