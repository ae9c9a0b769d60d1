// The progress line (rate, loss, data wait, skipped steps, time left) and one line per evaluation.
#pragma once

#include <cstdint>

#include "core/log.h"
#include "train/observers/reports.h"

namespace liere {

class Console {
 public:
  /// `unit`: what a sample is called: "images", "videos".
  Console(int64_t total_steps, int64_t steps_per_epoch, int64_t first_step, std::string unit = "images");
  void on_step(const StepReport& report);
  void on_evaluation(const EvaluationReport& report, int64_t epochs);
  void pause() { line_.finish(); }

 private:
  std::string unit_;
  ProgressLine line_;
  int64_t total_steps_, steps_per_epoch_;
};

/// "1,024 images/s  loss 3.210  data 2 %", and "  skipped 3" once steps were skipped.
std::string progress_details(const StepReport& report, const std::string& unit = "images");

/// "epoch 2/3  step 200  train loss 1.2345  test loss 1.1000  top-1 71.00 %  top-5 91.00 %  (2,000 images)  best so far"
/// Of a video's views: "top-1 47.00 % of views, 51.00 % of videos  ...  (56,745 views of 3,783 videos)".
std::string evaluation_line(const EvaluationReport& report, int64_t steps_per_epoch, int64_t epochs, const std::string& unit = "images");

}  // namespace liere
