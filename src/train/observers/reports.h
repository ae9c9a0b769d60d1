// What a training run tells those who watch it: one struct per step and per evaluation, and its JSON form, which every writer uses.
// A figure that is not known is NaN (or nullopt) and is left out of the JSON, except a loss or norm that is not finite: that one is null.
#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "train/metrics.h"

namespace liere {

constexpr double kNotMeasured = std::numeric_limits<double>::quiet_NaN();

/// One optimiser step.
struct StepReport {
  int64_t epoch = 0, step = 0, samples = 0;  // step and samples count from the start of the run, this one included
  double loss = 0, lr = 0, gradient_norm = 0;
  bool skipped = false;                      // non-finite: no update was made
  double samples_per_second = 0;             // over the last log interval
  double data_wait = 0;                      // share of the time spent waiting for data, 0..1
  int64_t skipped_steps = 0;                 // non-finite steps of the run so far
  std::optional<int64_t> memory;             // bytes: the most the process (CPU) or the device's allocator (CUDA) has held so far
  double mfu = kNotMeasured;                     // share of the peak FLOP per second, 0..1 (core/machine.h says of which peak)
  double orthogonality = kNotMeasured;           // max |R^T R - I| over the step's rotations
  double parameter_norm = kNotMeasured;          // 2-norm of all parameters
  double seconds_left = kNotMeasured;            // to the end of the run, at the rate so far
};

/// One evaluation. `split` names what it was measured on: "test", or "holdout" (training samples kept out of training).
struct EvaluationReport {
  int64_t epoch = 0, step = 0, samples = 0;  // epochs completed
  Classification result;
  double train_loss = 0;                     // mean over the samples since the last evaluation
  double lr = 0;
  bool best = false;
  std::string split = "test";
  std::optional<Classification> videos;      // where `result` is of several views of each: of the mean of their probabilities
};

/// The objects of metrics.jsonl: {"event": "train", ...} and {"event": "eval", ...}; docs/watching.md lists the keys.
nlohmann::json to_json(const StepReport& report);
nlohmann::json to_json(const EvaluationReport& report);

}  // namespace liere
