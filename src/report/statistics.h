// The small statistics of a report: intervals of accuracies, images to reach a level, the accuracy of guessing.
//   Wilson:  (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n),  z = 1.95996...   (Wilson, JASA 1927; stays within 0..100 % also near the
//   ends)
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "report/run.h"

namespace liere::report {

/// 95 % interval of an accuracy in percent over `samples` >= 1 test samples, in percent.
Interval wilson_interval(double percent, int64_t samples);

/// The interval of an evaluation: its own (bootstrap), else Wilson's; nullopt without a figure or a count.
std::optional<Interval> accuracy_interval(const Accuracy& accuracy);

/// Mean, sample standard deviation (n - 1; unknown for one), ends and number of the values that are known; unknown without any.
struct Spread {
  double mean = kUnknown, deviation = kUnknown, low = kUnknown, high = kUnknown;
  size_t count = 0;
};
Spread spread_of(const std::vector<double>& values);

/// Training samples seen at the first evaluation whose top-1 is at least `percent`; nullopt where there is none.
std::optional<int64_t> samples_to_reach(const std::vector<EvalEvent>& evals, double percent);

/// Accuracy of guessing in percent: from the number of classes, else from the dataset's name (arrows, cifar10, cifar100); nullopt for others.
std::optional<double> chance_level(const Run& run);

}  // namespace liere::report
