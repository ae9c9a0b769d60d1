// Statistics over training seeds: of a method rather than of one trained model.
//   seeds and samples  all seeds are tested on the same samples: a resample draws the samples once for all seeds, and seeds with replacement; the two
//   deviations
//                      from the mean add up. S seeds drawn from S spread too little, by sqrt((S - 1) / S), and the quantiles of few are Student's:
//                      the seeds' deviation is enlarged by sqrt(S / (S - 1)) t / z
//   Student's t        mean +- t s / sqrt(S), where the samples are not known
//   sign flips         under "no difference" each seed's paired difference is as likely as its negative: p is the share of the 2^S sign patterns
//   whose sum is
//                      at least as far from 0 (Fisher 1935). It cannot fall below 2 / 2^S: 0.25 with three seeds, 0.0625 with five, 0.03125 with six
//   Holm               adjusted p of rank i of m (1 is the smallest): max over j <= i of min(1, (m - j + 1) p_j)   (Holm 1979)
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/statistics.h"

namespace liere {

/// The 97.5 % quantile of Student's t distribution; degrees >= 1.
double student_t(int64_t degrees);

/// 95 % interval of the mean over seeds by Student's t; two values or more.
Interval interval_over_seeds(std::span<const double> values);

/// The mean over seeds in every resample. `resampled[s][r]` is seed s's mean over the samples that resample r drew (bootstrap_means of all seeds
/// together), `means[s]` its mean over all samples. With one seed its own resamples. Resample r draws its seeds from Rng(seed, kBootstrap, r, 1).
std::vector<double> resample_seeds(const std::vector<std::span<const double>>& resampled, std::span<const double> means, uint64_t seed);

struct SignFlipResult {
  size_t seeds = 0;
  double difference = 0;  // mean over the seeds
  double p = 1;           // two-sided
  double smallest_p = 1;  // that so many seeds can give
  bool exact = true;      // all sign patterns; else 99,999 random ones and the observed
};

/// Of paired differences, one per seed, at least one. All patterns are counted up to 20 seeds.
SignFlipResult sign_flip_test(std::span<const double> differences);

/// In the order given.
std::vector<double> holm(const std::vector<double>& p);

}  // namespace liere
