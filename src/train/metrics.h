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

}  // namespace liere
