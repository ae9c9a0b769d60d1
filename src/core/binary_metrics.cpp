#include "core/binary_metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <unordered_map>

#include "core/rng.h"

namespace liere {

BinaryScores::BinaryScores(std::span<const double> scores, std::span<const uint8_t> labels) {
  if (scores.empty()) throw std::domain_error("BinaryScores: expected at least one sample");
  if (scores.size() != labels.size()) throw std::domain_error("BinaryScores: scores and labels have different lengths");
  sorted_.reserve(scores.size());
  for (size_t i = 0; i < scores.size(); ++i) {
    if (std::isnan(scores[i])) throw std::domain_error("BinaryScores: the score of sample " + std::to_string(i) + " is no number");
    if (labels[i] > 1) throw std::domain_error("BinaryScores: the label of sample " + std::to_string(i) + " is neither 0 nor 1");
    sorted_.push_back({scores[i], labels[i], static_cast<uint32_t>(i)});
  }
  std::stable_sort(sorted_.begin(), sorted_.end(), [](const Sorted& a, const Sorted& b) { return a.score < b.score; });
}

void BinaryScores::check(std::span<const double> weights) const {
  if (!weights.empty() && weights.size() != sorted_.size()) throw std::domain_error("BinaryScores: expected a weight for each sample");
}

BinaryScores::Classes BinaryScores::classes(std::span<const double> weights) const {
  check(weights);
  Classes sums;
  for (const auto& s : sorted_) (s.label ? sums.positive : sums.negative) += weight_of(s, weights);
  return sums;
}

template <class Visit>
void BinaryScores::each_score_from_above(std::span<const double> weights, Visit visit) const {
  for (size_t end = sorted_.size(); end > 0;) {
    const double score = sorted_[end - 1].score;
    double positives = 0, negatives = 0;
    for (; end > 0 && sorted_[end - 1].score == score; --end) (sorted_[end - 1].label ? positives : negatives) += weight_of(sorted_[end - 1], weights);
    visit(score, positives, negatives);
  }
}

BinaryCounts BinaryScores::at(double threshold, std::span<const double> weights) const {
  check(weights);
  BinaryCounts counts;
  for (const auto& s : sorted_) {
    const double weight = weight_of(s, weights);
    if (s.score >= threshold)
      (s.label ? counts.true_positive : counts.false_positive) += weight;
    else
      (s.label ? counts.false_negative : counts.true_negative) += weight;
  }
  return counts;
}

double BinaryScores::majority(std::span<const double> weights) const {
  const auto [positive, negative] = classes(weights);
  return std::max(positive, negative) / (positive + negative);
}

double BinaryScores::prevalence(std::span<const double> weights) const {
  const auto [positive, negative] = classes(weights);
  return positive / (positive + negative);
}

double BinaryScores::auroc(std::span<const double> weights) const {
  const auto [positive, negative] = classes(weights);
  double pairs = 0, positives_above = 0;
  each_score_from_above(weights, [&](double, double positives, double negatives) {
    pairs += negatives * (positives_above + positives / 2);
    positives_above += positives;
  });
  return pairs / (positive * negative);  // 0 / 0 where a class is missing
}

double BinaryScores::average_precision(std::span<const double> weights) const {
  const double positive = classes(weights).positive;
  double sum = 0, true_positives = 0, called = 0;
  each_score_from_above(weights, [&](double, double positives, double negatives) {
    true_positives += positives;
    called += positives + negatives;
    if (positives > 0) sum += positives * (true_positives / called);
  });
  return sum / positive;
}

double BinaryScores::brier(std::span<const double> weights) const {
  check(weights);
  double sum = 0, total = 0;
  for (const auto& s : sorted_) {
    const double weight = weight_of(s, weights), error = s.score - s.label;
    sum += weight * error * error;
    total += weight;
  }
  return sum / total;
}

std::vector<ReliabilityBin> BinaryScores::reliability(int64_t bins, std::span<const double> weights) const {
  check(weights);
  const auto count = static_cast<double>(bins);
  std::vector<ReliabilityBin> result(static_cast<size_t>(bins));
  for (size_t b = 0; b < result.size(); ++b) {
    result[b].low = static_cast<double>(b) / count;
    result[b].high = static_cast<double>(b + 1) / count;
  }
  for (const auto& s : sorted_) {
    auto& bin = result[static_cast<size_t>(std::clamp(std::ceil(s.score * count) - 1, 0.0, count - 1))];
    const double weight = weight_of(s, weights);
    bin.weight += weight;
    bin.score += weight * s.score;
    bin.positives += weight * s.label;
  }
  for (auto& bin : result) {
    if (bin.weight == 0) continue;
    bin.score /= bin.weight;
    bin.positives /= bin.weight;
  }
  return result;
}

double BinaryScores::calibration_error(int64_t bins, std::span<const double> weights) const {
  double sum = 0, total = 0;
  for (const auto& bin : reliability(bins, weights)) {
    sum += bin.weight * std::abs(bin.positives - bin.score);
    total += bin.weight;
  }
  return sum / total;
}

double BinaryScores::threshold_at_specificity(double specificity, std::span<const double> weights) const {
  const double negative = classes(weights).negative;
  if (negative == 0) return std::nan("");
  double threshold = std::nextafter(sorted_.back().score, std::numeric_limits<double>::infinity()), false_positives = 0;
  each_score_from_above(weights, [&](double score, double, double negatives) {
    false_positives += negatives;
    // The quotient is rounded once, as a specificity of 0.9 is: 9 of 10 reach it.
    if ((negative - false_positives) / negative >= specificity) threshold = score;
  });
  return threshold;
}

double BinaryScores::sensitivity_at_specificity(double specificity, std::span<const double> weights) const {
  const double threshold = threshold_at_specificity(specificity, weights);
  return std::isnan(threshold) ? threshold : at(threshold, weights).sensitivity();
}

std::vector<RocPoint> BinaryScores::roc() const {
  const auto [positive, negative] = classes({});
  if (positive == 0 || negative == 0) return {};
  std::vector<RocPoint> points = {{std::nextafter(sorted_.back().score, std::numeric_limits<double>::infinity()), 0, 0}};
  double true_positives = 0, false_positives = 0;
  each_score_from_above({}, [&](double score, double positives, double negatives) {
    true_positives += positives;
    false_positives += negatives;
    points.push_back({score, false_positives / negative, true_positives / positive});
  });
  return points;
}

void each_group_resample(std::span<const int64_t> groups, int64_t resamples, uint64_t seed, const std::function<void(std::span<const double> weights)>& visit) {
  if (groups.empty()) throw std::domain_error("each_group_resample: expected at least one sample");
  const int64_t count = 1 + *std::max_element(groups.begin(), groups.end());
  std::vector<bool> seen(static_cast<size_t>(std::clamp<int64_t>(count, 0, static_cast<int64_t>(groups.size()))), false);
  for (const int64_t group : groups) {
    if (group < 0 || count > static_cast<int64_t>(groups.size())) throw std::domain_error("each_group_resample: expected groups numbered 0, 1, 2, .. without gaps");
    seen[static_cast<size_t>(group)] = true;
  }
  if (std::find(seen.begin(), seen.end(), false) != seen.end()) throw std::domain_error("each_group_resample: expected groups numbered 0, 1, 2, .. without gaps");
  std::vector<double> drawn(static_cast<size_t>(count)), weights(groups.size());
  for (int64_t resample = 0; resample < resamples; ++resample) {
    Rng rng(seed, Purpose::kBootstrap, static_cast<uint32_t>(resample));
    std::fill(drawn.begin(), drawn.end(), 0.0);
    for (int64_t draw = 0; draw < count; ++draw) drawn[static_cast<size_t>(rng.integer(count))] += 1;
    for (size_t i = 0; i < groups.size(); ++i) weights[i] = drawn[static_cast<size_t>(groups[i])];
    visit(weights);
  }
}

std::vector<int64_t> number_groups(std::span<const std::string> names) {
  std::unordered_map<std::string, int64_t> known;
  std::vector<int64_t> groups;
  int64_t next = 0;
  for (const auto& name : names) {
    if (name.empty()) {
      groups.push_back(next++);
      continue;
    }
    const auto [found, fresh] = known.emplace(name, next);
    next += fresh;
    groups.push_back(found->second);
  }
  return groups;
}

DefinedInterval defined_interval(const std::vector<double>& resampled) {
  std::vector<double> defined;
  for (const double value : resampled)
    if (!std::isnan(value)) defined.push_back(value);
  const auto left_out = static_cast<int64_t>(resampled.size() - defined.size());
  if (defined.empty()) return {{std::nan(""), std::nan("")}, left_out};
  return {percentile_interval(std::move(defined)), left_out};
}

}  // namespace liere
