#include "core/statistics.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/rng.h"

namespace liere {

Interval wilson_interval(double percent, int64_t samples) {
  constexpr double z = 1.959963984540054;
  const double n = static_cast<double>(samples), p = percent / 100, scale = 1 + z * z / n;
  const double center = (p + z * z / (2 * n)) / scale;
  const double half = z * std::sqrt(std::max(0.0, p * (1 - p)) / n + z * z / (4 * n * n)) / scale;
  return {100 * std::max(0.0, center - half), 100 * std::min(1.0, center + half)};
}

double quantile(const std::vector<double>& sorted, double q) {
  if (sorted.empty()) throw std::domain_error("quantile: expected at least one value");
  const double position = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(position);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

Interval percentile_interval(std::vector<double> values) {
  if (std::any_of(values.begin(), values.end(), [](double value) { return std::isnan(value); })) return {std::nan(""), std::nan("")};
  std::sort(values.begin(), values.end());
  return {quantile(values, 0.025), quantile(values, 0.975)};
}

std::vector<std::vector<double>> bootstrap_means(const std::vector<std::span<const double>>& columns, int64_t resamples, uint64_t seed) {
  const size_t rows = columns.empty() ? 0 : columns[0].size();
  if (rows == 0) throw std::domain_error("bootstrap_means: expected at least one row");
  for (const auto& column : columns)
    if (column.size() != rows) throw std::domain_error("bootstrap_means: the columns have different lengths");
  std::vector<std::vector<double>> means(columns.size(), std::vector<double>(static_cast<size_t>(resamples)));
  std::vector<double> counts(rows);
  for (int64_t resample = 0; resample < resamples; ++resample) {
    Rng rng(seed, Purpose::kBootstrap, static_cast<uint32_t>(resample));
    std::fill(counts.begin(), counts.end(), 0.0);
    for (size_t draw = 0; draw < rows; ++draw) counts[static_cast<size_t>(rng.integer(static_cast<int64_t>(rows)))] += 1;
    for (size_t column = 0; column < columns.size(); ++column) {
      double sum = 0;
      for (size_t row = 0; row < rows; ++row) sum += counts[row] * columns[column][row];
      means[column][static_cast<size_t>(resample)] = sum / static_cast<double>(rows);
    }
  }
  return means;
}

double bootstrap_p(const std::vector<double>& resampled) {
  int64_t at_most = 0, at_least = 0;
  for (const double value : resampled) {
    at_most += value <= 0;
    at_least += value >= 0;
  }
  return std::min(1.0, 2.0 * static_cast<double>(std::min(at_most, at_least) + 1) / static_cast<double>(resampled.size() + 1));
}

McNemarResult mcnemar(int64_t only_first, int64_t only_second) {
  constexpr int64_t kExactBelow = 25;
  McNemarResult result{only_first, only_second};
  const int64_t n = only_first + only_second;
  result.exact = n < kExactBelow;
  if (!result.exact) {
    const double excess = std::max(0.0, std::abs(static_cast<double>(only_first - only_second)) - 1);
    result.statistic = excess * excess / static_cast<double>(n);
    result.p = std::erfc(std::sqrt(result.statistic / 2));
    return result;
  }
  double term = std::ldexp(1.0, static_cast<int>(-n)), tail = 0;  // n over k times 2^-n
  for (int64_t k = 0; k <= std::min(only_first, only_second); ++k) {
    tail += term;
    term *= static_cast<double>(n - k) / static_cast<double>(k + 1);
  }
  result.p = std::min(1.0, 2 * tail);
  return result;
}

}  // namespace liere
