// Whether a confidence means what it says. Bins of equal width over the confidence (probability of the predicted class), bin b = ((b - 1)/B, b/B]:
//   ECE = sum_b n_b / n |accuracy_b - confidence_b|,  MCE = max_b |accuracy_b - confidence_b|       (Naeini et al. 2015; Guo et al. 2017, B = 15)
//   Brier = mean over samples of sum_c (p_c - [c is the label])^2                                   (Brier 1950; 0 is best, 2 worst)
//   NLL = mean of -log p_label, which is the loss
#pragma once

#include <span>
#include <vector>

#include "train/eval/rows.h"

namespace liere {

constexpr int64_t kCalibrationBins = 15;

struct CalibrationBin {
  double low, high;  // confidence
  int64_t count = 0;
  double confidence = 0, accuracy = 0;  // means of its samples, 0..1; 0 where there are none
};

struct Calibration {
  double ece = 0, mce = 0, brier = 0, nll = 0;
  double confidence = 0, accuracy = 0;  // means over all samples, 0..1
  std::vector<CalibrationBin> bins;
};

/// Rows with labels; at least one.
Calibration calibrate(std::span<const Row> rows, int64_t bins = kCalibrationBins);

}  // namespace liere
