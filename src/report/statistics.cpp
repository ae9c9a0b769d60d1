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

std::optional<Interval> accuracy_interval(const Accuracy& accuracy) {
  if (std::isnan(accuracy.top1)) return std::nullopt;
  if (accuracy.bootstrap) return accuracy.bootstrap;
  if (accuracy.samples.value_or(0) < 1) return std::nullopt;
  return wilson_interval(accuracy.top1, *accuracy.samples);
}

Spread spread_of(const std::vector<double>& values) {
  Spread spread;
  double sum = 0, squares = 0;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    sum += value;
    spread.low = spread.count == 0 ? value : std::min(spread.low, value);
    spread.high = spread.count == 0 ? value : std::max(spread.high, value);
    ++spread.count;
  }
  if (spread.count == 0) return spread;
  spread.mean = sum / static_cast<double>(spread.count);
  for (const double value : values)
    if (std::isfinite(value)) squares += (value - spread.mean) * (value - spread.mean);
  if (spread.count > 1) spread.deviation = std::sqrt(squares / static_cast<double>(spread.count - 1));
  return spread;
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
