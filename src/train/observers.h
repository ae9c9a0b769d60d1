// What watches a training run: the console, metrics.jsonl and metrics.csv. The trainer reports; observers never steer.
#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/log.h"
#include "train/metrics.h"

namespace liere {

/// One optimiser step.
struct StepReport {
  int64_t epoch = 0, step = 0, samples = 0;  // step and samples count from the start of the run, this one included
  double loss = 0, lr = 0, gradient_norm = 0;
  bool skipped = false;                      // non-finite: no update was made
  double samples_per_second = 0;             // over the last log interval
  double data_wait = 0;                      // share of the time spent waiting for data
  double orthogonality = std::nan("");       // max |R^T R - I| of the step's rotations; NaN where it was not measured
};

/// One evaluation of the test set.
struct EvaluationReport {
  int64_t epoch = 0, step = 0, samples = 0;  // epochs completed
  Classification result;
  double train_loss = 0;                     // mean over the samples since the last evaluation
  double lr = 0;
  bool best = false;
  std::string split = "test";                // or "holdout"
};

/// metrics.jsonl (train and eval events) and metrics.csv (one row per evaluation), flushed line by line.
class MetricFiles {
 public:
  /// Cuts the files back to `offsets` (bytes; a file not named starts empty) and appends.
  MetricFiles(const std::filesystem::path& run, const std::map<std::string, int64_t>& offsets);
  void on_step(const StepReport& report);
  void on_evaluation(const EvaluationReport& report);
  /// Bytes written so far, for the checkpoint.
  std::map<std::string, int64_t> offsets();

 private:
  std::ofstream jsonl_, csv_;
  std::filesystem::path run_;
};

/// Progress line and one line per evaluation.
class Console {
 public:
  Console(int64_t total_steps, int64_t steps_per_epoch, int64_t first_step);
  void on_step(const StepReport& report);
  void on_evaluation(const EvaluationReport& report, int64_t epochs);
  void pause() { line_.finish(); }

 private:
  ProgressLine line_;
  int64_t total_steps_, steps_per_epoch_;
};

}  // namespace liere
