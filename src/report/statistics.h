// The small statistics of a report: images to reach a level, the accuracy of guessing; intervals are core/statistics.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/statistics.h"
#include "report/run.h"

namespace liere::report {

/// Training samples seen at the first evaluation whose top-1 is at least `percent`; nullopt where there is none.
std::optional<int64_t> samples_to_reach(const std::vector<EvalEvent>& evals, double percent);

/// Accuracy of guessing in percent: from the number of classes, else from the dataset's name (arrows, cifar10, cifar100); nullopt for others.
std::optional<double> chance_level(const Run& run);

}  // namespace liere::report
