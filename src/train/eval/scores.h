// Top-1, top-5 and loss with their 95 % bootstrap intervals over the test samples (paper section 4.J: B = 1000).
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "core/statistics.h"
#include "train/eval/rows.h"

namespace liere {

constexpr uint64_t kBootstrapSeed = 0;  // of every interval: equal evaluations have equal intervals

/// Per sample: 100 or 0 for right or wrong, so that means are percent; of samples with several views the mean over these, so that resampling draws whole
/// samples (a cluster bootstrap: the views of one video are anything but independent).
struct Outcomes {
  std::vector<double> top1, top5, loss;
};
/// Rows in order of (sample, view).
Outcomes outcomes_of(std::span<const Row> rows);
/// Sample by sample the mean over repetitions (seeds) on the same samples.
Outcomes mean_of(const std::vector<Outcomes>& repetitions);

/// top1, top5 (percent) and loss; with resamples > 0 also KEY_interval: [low, high].
nlohmann::json scores(const Outcomes& outcomes, int64_t resamples);

/// relative_drop = 100 (before - after) / before in percent, with relative_drop_interval from resampling the same samples in both; 0 where nothing was
/// right before.
nlohmann::json relative_drop(const Outcomes& before, const Outcomes& after, int64_t resamples);

/// [low, high]; null where an end is no number.
nlohmann::json interval_json(const Interval& interval);

/// {"resamples", "seed", "method"} as every eval.json with intervals states it.
nlohmann::json bootstrap_statement(int64_t resamples);

}  // namespace liere
