// How well scores tell two classes apart: for the test `detection` of liere-eval. Labels are 0 (negative) or 1 (positive); a sample is called positive where its
// score is at or above a threshold. All metrics are fractions, 0..1, and NaN where they have no meaning (AUROC without negatives, say).
//   AUROC    P(score of a positive > of a negative) + P(equal) / 2: the Mann-Whitney statistic, exact with ties (Hanley and McNeil 1982), O(n log n)
//   AP       sum over thresholds, from above, of (recall_k - recall_(k-1)) precision_k: steps, no interpolation; equal scores are one threshold
//   ECE      sum over bins of n_b / n |share of positives_b - mean score_b|: of the probability of the positive class, bins ((b - 1)/B, b/B]
//   Brier    mean of (score - label)^2                                                                  (Brier 1950, his sum over both classes halved)
// Weights say how often each sample counts: a metric with whole weights is, up to rounding, the metric of the samples repeated so often. That is what makes the
// bootstrap quick: scores are sorted once, a resample is a vector of weights.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/statistics.h"

namespace liere {

/// Weights of the samples called rightly and wrongly at a threshold.
struct BinaryCounts {
  double true_positive = 0, false_positive = 0, true_negative = 0, false_negative = 0;

  double total() const { return true_positive + false_positive + true_negative + false_negative; }
  double accuracy() const { return (true_positive + true_negative) / total(); }
  double sensitivity() const { return true_positive / (true_positive + false_negative); }
  double specificity() const { return true_negative / (true_negative + false_positive); }
  double balanced_accuracy() const { return (sensitivity() + specificity()) / 2; }
};

/// Where calling positive at and above `threshold` leads.
struct RocPoint {
  double threshold = 0, false_positive_rate = 0, sensitivity = 0;
};

struct ReliabilityBin {
  double low = 0, high = 0;  // of the score
  double weight = 0;
  double score = 0, positives = 0;  // means over its samples, 0 where there are none
};

class BinaryScores {
 public:
  /// Throws std::domain_error: no samples, lengths that differ, a score that is no number, a label that is neither 0 nor 1.
  BinaryScores(std::span<const double> scores, std::span<const uint8_t> labels);

  size_t size() const { return sorted_.size(); }

  // `weights` in the order of the samples as given; none: each sample once.
  BinaryCounts at(double threshold, std::span<const double> weights = {}) const;
  /// Of whoever always says the more frequent class.
  double majority(std::span<const double> weights = {}) const;
  /// The share of positives.
  double prevalence(std::span<const double> weights = {}) const;
  double auroc(std::span<const double> weights = {}) const;
  double average_precision(std::span<const double> weights = {}) const;
  double brier(std::span<const double> weights = {}) const;
  /// Scores are probabilities, 0..1.
  double calibration_error(int64_t bins, std::span<const double> weights = {}) const;
  std::vector<ReliabilityBin> reliability(int64_t bins, std::span<const double> weights = {}) const;

  /// The lowest threshold at which the share of negatives below it is at least `specificity`: one of the scores, or the next number above the highest (nothing here
  /// is called positive then). NaN without negatives. For use on other samples than these.
  double threshold_at_specificity(double specificity, std::span<const double> weights = {}) const;
  /// Sensitivity at that threshold on the same samples: a property of the ROC curve, not of a threshold that could have been known beforehand.
  double sensitivity_at_specificity(double specificity, std::span<const double> weights = {}) const;

  /// From (0, 0), nothing called positive, to (1, 1), one point per distinct score, thresholds falling. Empty where a class is missing.
  std::vector<RocPoint> roc() const;

 private:
  struct Sorted {
    double score;
    uint8_t label;
    uint32_t sample;
  };
  struct Classes {
    double positive = 0, negative = 0;
  };
  double weight_of(const Sorted& s, std::span<const double> weights) const { return weights.empty() ? 1.0 : weights[s.sample]; }
  Classes classes(std::span<const double> weights) const;
  /// Calls visit(score, positives, negatives) for each distinct score, the highest first.
  template <class Visit>
  void each_score_from_above(std::span<const double> weights, Visit visit) const;
  void check(std::span<const double> weights) const;

  std::vector<Sorted> sorted_;  // by score, the lowest first
};

/// Resamples groups (patients), whatever their sizes: groups[i] is the group of sample i, 0 .. G-1, each at least once. Resample r draws G groups with replacement
/// from Rng(seed, kBootstrap, r), as bootstrap_means draws rows; weights[i] is then how often sample i's group was drawn. Throws std::domain_error.
void each_group_resample(std::span<const int64_t> groups, int64_t resamples, uint64_t seed, const std::function<void(std::span<const double> weights)>& visit);

/// Numbers 0, 1, 2, .. for names in order of their first appearance; an empty name is a group of its own.
std::vector<int64_t> number_groups(std::span<const std::string> names);

/// The 95 % interval of resampled values without those that are NaN (resamples in which a class is missing), and how many these were. NaN where none is left.
struct DefinedInterval {
  Interval interval;
  int64_t left_out = 0;
};
DefinedInterval defined_interval(const std::vector<double>& resampled);

}  // namespace liere
