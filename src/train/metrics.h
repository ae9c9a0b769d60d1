// Sums before means: what an evaluation adds up, so that every sample counts exactly once.
#pragma once

#include <cstdint>

namespace liere {

struct Classification {
  int64_t count = 0, correct1 = 0, correct5 = 0;
  double loss_sum = 0;

  double top1() const { return count ? 100.0 * static_cast<double>(correct1) / static_cast<double>(count) : 0; }
  double top5() const { return count ? 100.0 * static_cast<double>(correct5) / static_cast<double>(count) : 0; }
  double loss() const { return count ? loss_sum / static_cast<double>(count) : 0; }
};

/// The sums of an evaluation. Where a sample has several views (the clips and crops of a video) each view is scored by itself, as the paper's release does, and each
/// sample by the mean of its views' probabilities; with one view both are the same.
struct EvaluationSums {
  Classification views, samples;
  int64_t views_per_sample = 1;
  bool several_views() const { return views_per_sample > 1; }
};

}  // namespace liere
