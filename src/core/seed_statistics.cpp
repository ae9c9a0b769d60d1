#include "core/seed_statistics.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <stdexcept>

#include "core/rng.h"

namespace liere {
namespace {

constexpr double kNormalQuantile = 1.959963984540054;

double mean_of(std::span<const double> values) { return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size()); }

/// P(|T| > t) for whole degrees of freedom, by the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4.
double two_sided_tail(double t, int64_t degrees) {
  const double angle = std::atan(t / std::sqrt(static_cast<double>(degrees))), cosine = std::cos(angle), sine = std::sin(angle);
  double term = degrees % 2 == 1 ? cosine : 1.0, sum = 0;
  for (int64_t k = degrees % 2 == 1 ? 1 : 0; k <= degrees - 2; k += 2) {
    sum += term;
    term *= cosine * cosine * static_cast<double>(k + 1) / static_cast<double>(k + 2);
  }
  const double inside = degrees % 2 == 1 ? 2 / std::numbers::pi * (angle + sine * sum) : sine * sum;
  return 1 - inside;
}

}  // namespace

double student_t(int64_t degrees) {
  if (degrees < 1) throw std::domain_error("student_t: expected at least one degree of freedom");
  double low = 0, high = 16;  // one degree: 12.7
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (two_sided_tail(middle, degrees) > 0.05 ? low : high) = middle;
  }
  return (low + high) / 2;
}

Interval interval_over_seeds(std::span<const double> values) {
  if (values.size() < 2) throw std::domain_error("interval_over_seeds: expected two values or more");
  const double mean = mean_of(values), n = static_cast<double>(values.size());
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double half = student_t(static_cast<int64_t>(values.size()) - 1) * std::sqrt(squares / (n - 1) / n);
  return {mean - half, mean + half};
}

std::vector<double> resample_seeds(const std::vector<std::span<const double>>& resampled, std::span<const double> means, uint64_t seed) {
  const size_t seeds = resampled.size();
  if (seeds == 0 || means.size() != seeds) throw std::domain_error("resample_seeds: expected one mean per seed");
  for (const auto& one : resampled)
    if (one.size() != resampled[0].size()) throw std::domain_error("resample_seeds: the seeds have different numbers of resamples");
  std::vector<double> result(resampled[0].begin(), resampled[0].end());
  if (seeds == 1) return result;
  const double n = static_cast<double>(seeds), all = mean_of(means);
  const double enlarged = std::sqrt(n / (n - 1)) * student_t(static_cast<int64_t>(seeds) - 1) / kNormalQuantile;
  for (size_t r = 0; r < result.size(); ++r) {
    Rng rng(seed, Purpose::kBootstrap, static_cast<uint32_t>(r), 1);
    double samples = 0, drawn = 0;  // of the samples drawn, all seeds; of the seeds drawn, all samples
    for (const auto& one : resampled) samples += one[r];
    for (size_t draw = 0; draw < seeds; ++draw) drawn += means[static_cast<size_t>(rng.integer(static_cast<int64_t>(seeds)))];
    result[r] = samples / n + enlarged * (drawn / n - all);
  }
  return result;
}

SignFlipResult sign_flip_test(std::span<const double> differences) {
  constexpr size_t kMostExact = 20;
  constexpr int64_t kRandomPatterns = 99999;
  const size_t n = differences.size();
  if (n == 0) throw std::domain_error("sign_flip_test: expected at least one difference");
  SignFlipResult result{.seeds = n, .difference = mean_of(differences), .exact = n <= kMostExact};
  const double observed = std::abs(std::accumulate(differences.begin(), differences.end(), 0.0));
  double scale = 0;
  for (const double difference : differences) scale += std::abs(difference);
  const double reached = observed - 1e-12 * scale;  // equal sums in another order of addition are equal
  if (result.exact) {
    const uint64_t patterns =
        uint64_t(1) << (n - 1);  // the sign of the last stands for both: the sums of a pattern and its opposite are as far from 0
    uint64_t extreme = 0;
    for (uint64_t pattern = 0; pattern < patterns; ++pattern) {
      double sum = 0;
      for (size_t i = 0; i < n; ++i) sum += pattern >> i & 1 ? -differences[i] : differences[i];
      extreme += std::abs(sum) >= reached;
    }
    result.p = static_cast<double>(extreme) / static_cast<double>(patterns);
    result.smallest_p = 1 / static_cast<double>(patterns);
    return result;
  }
  int64_t extreme = 1;
  Rng rng(0, Purpose::kBootstrap, 0, 2);
  for (int64_t pattern = 0; pattern < kRandomPatterns; ++pattern) {
    double sum = 0;
    for (const double difference : differences) sum += rng.coin() ? -difference : difference;
    extreme += std::abs(sum) >= reached;
  }
  result.p = static_cast<double>(extreme) / static_cast<double>(kRandomPatterns + 1);
  result.smallest_p = 1.0 / static_cast<double>(kRandomPatterns + 1);
  return result;
}

std::vector<double> holm(const std::vector<double>& p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&p](size_t a, size_t b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.size());
  double highest = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    highest = std::max(highest, std::min(1.0, static_cast<double>(p.size() - rank) * p[order[rank]]));
    adjusted[order[rank]] = highest;
  }
  return adjusted;
}

}  // namespace liere
