#include "report/statistics.h"

#include <algorithm>
#include <cmath>

namespace liere::report {

Interval wilson_interval(double percent, int64_t samples) {
  constexpr double z = 1.959963984540054;
  const double n = static_cast<double>(samples), p = percent / 100, scale = 1 + z * z / n;
  const double center = (p + z * z / (2 * n)) / scale;
  const double half = z * std::sqrt(std::max(0.0, p * (1 - p)) / n + z * z / (4 * n * n)) / scale;
  return {100 * std::max(0.0, center - half), 100 * std::min(1.0, center + half)};
}

std::optional<int64_t> samples_to_reach(const std::vector<EvalEvent>& evals, double percent) {
  for (const EvalEvent& eval : evals)
    if (eval.accuracy.top1 >= percent) return eval.samples;
  return std::nullopt;
}

std::optional<double> chance_level(const Run& run) {
  if (run.classes && *run.classes > 0) return 100.0 / static_cast<double>(*run.classes);
  if (run.dataset == "arrows") return 25.0;
  if (run.dataset == "cifar10") return 10.0;
  if (run.dataset == "cifar100") return 1.0;
  return std::nullopt;
}

}  // namespace liere::report
