// Intervals and tests on what was counted: for evaluations, their comparison, and reports. Nothing here is random but through Rng.
//   Wilson     (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n),  z = 1.95996...   (Wilson, JASA 1927; stays within 0..100 % near the ends)
//   bootstrap  n samples drawn with replacement, B times; the 95 % interval lies between the 2.5 % and 97.5 % quantiles (Efron and Tibshirani 1993)
//   McNemar    of the samples that exactly one of two models has right, b and c: exact binomial with p = 1/2 where b + c < 25, else chi-square of one
//              degree of freedom with Edwards' continuity correction, (|b - c| - 1)^2 / (b + c)
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace liere {

struct Interval {
  double low, high;
};

/// 95 % interval of an accuracy in percent over `samples` >= 1 test samples, in percent.
Interval wilson_interval(double percent, int64_t samples);

/// The q-quantile of sorted values, interpolated between neighbours: position q (n - 1).
double quantile(const std::vector<double>& sorted, double q);

/// 2.5 % and 97.5 % quantiles; NaN where a value is NaN.
Interval percentile_interval(std::vector<double> values);

/// Means of every column over `resamples` resamples of its rows; result[column][resample]. All columns share the draws, so that differences and ratios of
/// columns are paired. Columns have equal lengths n >= 1. Resample r draws n integers from Rng(seed, kBootstrap, r).
std::vector<std::vector<double>> bootstrap_means(const std::vector<std::span<const double>>& columns, int64_t resamples, uint64_t seed);

/// Two-sided p of "the value is 0" from its resampled values: twice the smaller share on either side of 0, (k + 1) / (B + 1), at most 1.
double bootstrap_p(const std::vector<double>& resampled);

struct McNemarResult {
  int64_t only_first = 0, only_second = 0;  // samples that this one alone has right
  bool exact = true;                        // binomial; else chi-square with continuity correction
  double statistic = 0;                     // chi-square's; 0 for the exact test
  double p = 1;                             // two-sided
};
McNemarResult mcnemar(int64_t only_first, int64_t only_second);

}  // namespace liere
