// Test `detection`: how well a finding is told from its absence, for models of two classes (the second one is the finding) or of several labels a sample (each is one).
// Metrics are those of core/binary_metrics.h; intervals resample groups (patients), all metrics and findings from the same draws. The threshold for sensitivity and
// specificity is chosen on the validation part, before the test part is looked at, and held fixed in its resamples.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "train/eval/rows.h"
#include "train/eval/tests.h"

namespace liere {

/// Scores of a part of the data. Groups are numbered from 0 (core/binary_metrics.h, number_groups): names of patients go no further than the data set.
struct DetectionPart {
  ClassScores scores;
  std::vector<int64_t> groups;  // of every sample
};

struct Detection {
  std::vector<std::string> class_names;
  bool multi_label = false;
  DetectionPart test;
  std::optional<DetectionPart> validation;  // absent: no threshold is chosen, and what needs one is null
  std::string validation_name;              // what it is, for the text
  double specificity = 0.9;                 // eval.specificity
  int64_t resamples = 1000;                 // eval.resamples
};

/// Throws ConfigError where there are neither two classes nor several labels, DivergedError for probabilities that are no numbers.
TestOutput detect(const Detection& detection);

/// Throws ConfigError naming `classes` unless the model has two classes or several labels a sample.
void require_findings(int64_t classes, bool multi_label);

}  // namespace liere
