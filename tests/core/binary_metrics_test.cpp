// Metrics of two classes against their definitions: every small case enumerated, values worked out by hand, invariances; the bootstrap over groups.
#include "core/binary_metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/rng.h"
#include "support/catch.h"

using namespace liere;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Case {
  std::vector<double> scores;
  std::vector<uint8_t> labels;
  BinaryScores sorted() const { return {scores, labels}; }
  int64_t count(int label) const { return std::count(labels.begin(), labels.end(), label); }
};

/// Calls visit for every vector of `length` digits below `base`.
template <class Visit>
void each_vector(size_t length, int base, Visit visit) {
  std::vector<int> digits(length, 0);
  for (;;) {
    visit(digits);
    size_t i = 0;
    while (i < length && ++digits[i] == base) digits[i++] = 0;
    if (i == length) return;
  }
}

/// Every assignment of scores 1, 2, 3 and labels to `length` samples, in every order.
template <class Visit>
void each_case(size_t length, Visit visit) {
  each_vector(length, 6, [&](const std::vector<int>& digits) {
    Case c;
    for (const int digit : digits) {
      c.scores.push_back(1 + digit / 2);
      c.labels.push_back(static_cast<uint8_t>(digit % 2));
    }
    visit(c);
  });
}

/// Equal, or both NaN; `margin` for sums in another order.
void same(double found, double expected, double margin = 0) {
  if (std::isnan(expected) || std::isnan(found))
    REQUIRE((std::isnan(expected) && std::isnan(found)));
  else
    REQUIRE(std::abs(found - expected) <= margin);
}

double mann_whitney(const Case& c) {
  double wins = 0;
  for (size_t i = 0; i < c.scores.size(); ++i)
    for (size_t j = 0; j < c.scores.size(); ++j)
      if (c.labels[i] == 1 && c.labels[j] == 0) wins += c.scores[i] > c.scores[j] ? 1 : c.scores[i] == c.scores[j] ? 0.5 : 0;
  return wins / static_cast<double>(c.count(1) * c.count(0));
}

/// Counts by looking at each sample.
BinaryCounts counted(const Case& c, double threshold) {
  BinaryCounts counts;
  for (size_t i = 0; i < c.scores.size(); ++i) {
    const bool called = c.scores[i] >= threshold, positive = c.labels[i] == 1;
    counts.true_positive += called && positive;
    counts.false_positive += called && !positive;
    counts.true_negative += !called && !positive;
    counts.false_negative += !called && positive;
  }
  return counts;
}

double step_precision(const Case& c) {
  double sum = 0, recall = 0;
  for (const double threshold : {3.0, 2.0, 1.0}) {
    const auto counts = counted(c, threshold);
    const double now = counts.sensitivity(), precision = counts.true_positive / (counts.true_positive + counts.false_positive);
    if (now > recall) sum += (now - recall) * precision;
    recall = now;
  }
  return c.count(1) == 0 ? std::nan("") : sum;
}

}  // namespace

TEST_CASE("AUROC, average precision and counts of every small case are their definitions", "[binary]") {
  int64_t cases = 0, without_a_class = 0;
  for (size_t length = 1; length <= 5; ++length)
    each_case(length, [&](const Case& c) {
      const auto sorted = c.sorted();
      same(sorted.auroc(), mann_whitney(c));
      same(sorted.average_precision(), step_precision(c), 1e-14);
      const auto n = static_cast<double>(length), positive = static_cast<double>(c.count(1));
      same(sorted.prevalence(), positive / n);
      same(sorted.majority(), std::max(positive, n - positive) / n);
      for (const double threshold : {0.0, 1.0, 1.5, 2.0, 3.0, 3.5}) {
        const auto found = sorted.at(threshold), expected = counted(c, threshold);
        REQUIRE((found.true_positive == expected.true_positive && found.false_positive == expected.false_positive));
        REQUIRE((found.true_negative == expected.true_negative && found.false_negative == expected.false_negative));
        same(found.balanced_accuracy(), (expected.sensitivity() + expected.specificity()) / 2);
      }
      ++cases;
      without_a_class += positive == 0 || positive == n;
    });
  CHECK(cases == 6 + 36 + 216 + 1296 + 7776);
  CHECK(without_a_class == 2 * (3 + 9 + 27 + 81 + 243));
}

TEST_CASE("the threshold of a specificity is the lowest that keeps it, in every small case", "[binary]") {
  for (size_t length = 1; length <= 5; ++length)
    each_case(length, [&](const Case& c) {
      for (const double specificity : {0.25, 0.5, 0.75, 1.0}) {
        const double threshold = c.sorted().threshold_at_specificity(specificity);
        if (c.count(0) == 0) {
          REQUIRE(std::isnan(threshold));
          REQUIRE(std::isnan(c.sorted().sensitivity_at_specificity(specificity)));
          continue;
        }
        const double highest = *std::max_element(c.scores.begin(), c.scores.end());
        double expected = std::nextafter(highest, kInfinity);
        for (const double score : {3.0, 2.0, 1.0})
          if (std::count(c.scores.begin(), c.scores.end(), score) && counted(c, score).specificity() >= specificity) expected = score;
        REQUIRE(threshold == expected);
        REQUIRE(c.sorted().at(threshold).specificity() >= specificity);
        double best = c.count(1) == 0 ? std::nan("") : 0.0;  // no threshold of that specificity does better
        for (const double other : {0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5})
          if (counted(c, other).specificity() >= specificity) best = std::max(best, counted(c, other).sensitivity());
        same(c.sorted().sensitivity_at_specificity(specificity), best);
      }
    });
}

TEST_CASE("metrics with weights are those of the samples repeated so often, in every small case", "[binary]") {
  constexpr int64_t kBins = 4;
  each_case(3, [&](Case c) {
    for (auto& score : c.scores) score /= 4;
    each_vector(3, 3, [&](const std::vector<int>& repeats) {
      Case repeated;
      std::vector<double> weights(repeats.begin(), repeats.end());
      for (size_t i = 0; i < 3; ++i)
        for (int k = 0; k < repeats[i]; ++k) {
          repeated.scores.push_back(c.scores[i]);
          repeated.labels.push_back(c.labels[i]);
        }
      if (repeated.scores.empty()) return;
      const auto found = c.sorted(), expected = repeated.sorted();
      same(found.auroc(weights), expected.auroc());
      same(found.average_precision(weights), expected.average_precision(), 1e-14);
      same(found.majority(weights), expected.majority());
      same(found.prevalence(weights), expected.prevalence());
      same(found.brier(weights), expected.brier(), 1e-14);
      same(found.calibration_error(kBins, weights), expected.calibration_error(kBins), 1e-14);
      same(found.sensitivity_at_specificity(0.5, weights), expected.sensitivity_at_specificity(0.5));
      same(found.at(0.5, weights).accuracy(), expected.at(0.5).accuracy());
    });
  });
}

TEST_CASE("metrics of cases worked out by hand", "[binary]") {
  // Positives 0.35 and 0.8, negatives 0.1 and 0.4: of four pairs one (0.35 and 0.4) is the wrong way round.
  const Case four{{0.1, 0.4, 0.35, 0.8}, {0, 0, 1, 1}};
  CHECK(four.sorted().auroc() == 0.75);
  // From above: 0.8 (precision 1, recall 1/2), 0.4, 0.35 (precision 2/3, recall 1).
  CHECK(four.sorted().average_precision() == Approx(0.5 * 1 + 0.5 * 2 / 3).epsilon(1e-15));
  CHECK(four.sorted().brier() == Approx((0.01 + 0.16 + 0.4225 + 0.04) / 4).epsilon(1e-15));
  CHECK(four.sorted().at(0.5).accuracy() == 0.75);
  CHECK(four.sorted().at(0.35).false_positive == 1);  // at the threshold is above it
  CHECK(four.sorted().threshold_at_specificity(0.9) == 0.8);
  CHECK(four.sorted().sensitivity_at_specificity(0.9) == 0.5);
  CHECK(four.sorted().threshold_at_specificity(0.5) == 0.35);
  // All alike: half of nothing known, and AP is the prevalence.
  const Case alike{{0.7, 0.7, 0.7, 0.7, 0.7}, {1, 0, 0, 1, 0}};
  CHECK(alike.sorted().auroc() == 0.5);
  CHECK(alike.sorted().average_precision() == Approx(0.4).epsilon(1e-15));
  CHECK(alike.sorted().threshold_at_specificity(0.9) == std::nextafter(0.7, kInfinity));
  CHECK(alike.sorted().sensitivity_at_specificity(0.9) == 0);
  CHECK(alike.sorted().majority() == 0.6);
  // Two bins: 0.1 and 0.5 (none and one positive; means 0.3 and 0.5) in (0, 0.5], 0.6 and 1 in (0.5, 1] (means 0.8 and 1): ECE = 0.5 * 0.2 + 0.5 * 0.2.
  const Case bins{{0.1, 0.5, 0.6, 1.0}, {0, 1, 1, 1}};
  CHECK(bins.sorted().calibration_error(2) == Approx(0.2).epsilon(1e-14));
  const auto two = bins.sorted().reliability(2);
  CHECK((two[0].weight == 2 && two[0].positives == 0.5 && two[1].weight == 2 && two[1].positives == 1));
  CHECK(two[0].score == Approx(0.3));
  CHECK(Case({0.0}, {0}).sorted().reliability(15)[0].weight == 1);
  CHECK(Case({1.0}, {1}).sorted().reliability(15)[14].weight == 1);
  // 9 of 10 negatives below 0.9: a specificity of 0.9, exactly.
  Case ten;
  for (int i = 0; i < 10; ++i) {
    ten.scores.push_back(i / 10.0);
    ten.labels.push_back(0);
  }
  CHECK(ten.sorted().threshold_at_specificity(0.9) == 0.9);
  CHECK(ten.sorted().at(0.9).specificity() == 0.9);
}

TEST_CASE("ranks are what counts: monotone transforms and exchanged classes", "[binary]") {
  Rng rng(1, Purpose::kHoldout);
  Case c, scaled, exchanged, negated;
  for (int i = 0; i < 500; ++i) {
    const double score = static_cast<double>(rng.integer(60)) / 10;  // with ties
    const uint8_t label = rng.coin(0.2 + score / 10);
    c.scores.push_back(score);
    scaled.scores.push_back(3 * std::exp(score) - 100);
    exchanged.scores.push_back(score);
    negated.scores.push_back(-score);
    c.labels.push_back(label);
    scaled.labels.push_back(label);
    exchanged.labels.push_back(1 - label);
    negated.labels.push_back(1 - label);
  }
  const double area = c.sorted().auroc();
  CHECK(area > 0.6);
  CHECK(area < 0.95);
  CHECK(scaled.sorted().auroc() == area);
  CHECK(scaled.sorted().average_precision() == c.sorted().average_precision());
  for (const double specificity : {0.5, 0.8, 0.9, 0.95}) CHECK(scaled.sorted().sensitivity_at_specificity(specificity) == c.sorted().sensitivity_at_specificity(specificity));
  CHECK(exchanged.sorted().auroc() == Approx(1 - area).epsilon(1e-14));
  CHECK(negated.sorted().auroc() == area);
  CHECK(area == Approx(mann_whitney(c)).epsilon(1e-14));
  // The area under the ROC curve by trapezoids is the same number; the curve rises from (0, 0) to (1, 1).
  const auto roc = c.sorted().roc();
  double trapezoids = 0;
  for (size_t i = 1; i < roc.size(); ++i) {
    CHECK((roc[i].false_positive_rate >= roc[i - 1].false_positive_rate && roc[i].sensitivity >= roc[i - 1].sensitivity && roc[i].threshold < roc[i - 1].threshold));
    trapezoids += (roc[i].false_positive_rate - roc[i - 1].false_positive_rate) * (roc[i].sensitivity + roc[i - 1].sensitivity) / 2;
  }
  CHECK(trapezoids == Approx(area).epsilon(1e-12));
  CHECK((roc.front().false_positive_rate == 0 && roc.front().sensitivity == 0 && roc.back().false_positive_rate == 1 && roc.back().sensitivity == 1));
  // The order of the samples is nothing.
  Case turned = c;
  std::reverse(turned.scores.begin(), turned.scores.end());
  std::reverse(turned.labels.begin(), turned.labels.end());
  CHECK(turned.sorted().auroc() == area);
  CHECK(turned.sorted().average_precision() == c.sorted().average_precision());
}

TEST_CASE("scores and labels that have no meaning are refused", "[binary]") {
  CHECK_THROWS_AS(Case({}, {}).sorted(), std::domain_error);
  CHECK_THROWS_AS(Case({0.5, std::nan("")}, {0, 1}).sorted(), std::domain_error);
  CHECK_THROWS_AS(Case({0.5}, {2}).sorted(), std::domain_error);
  CHECK_THROWS_AS(Case({0.5, 0.6}, {1}).sorted(), std::domain_error);
  const auto good = Case({0.5, 0.6}, {1, 0}).sorted();
  CHECK_THROWS_AS(good.auroc(std::vector<double>{1}), std::domain_error);
  const auto nothing = [](std::span<const double>) {};
  for (const auto& groups : std::vector<std::vector<int64_t>>{{}, {0, 2}, {-1, 0}, {1, 1}, {0, 5000000000}}) CHECK_THROWS_AS(each_group_resample(groups, 3, 0, nothing), std::domain_error);
}

TEST_CASE("groups are numbered by their first appearance, and who has none is one", "[binary]") {
  const std::vector<std::string> names = {"b", "a", "", "b", "", "c"};
  CHECK(number_groups(names) == std::vector<int64_t>{0, 1, 2, 0, 3, 4});
}

TEST_CASE("the bootstrap over groups of one is that over samples, and copies within a group change nothing", "[binary]") {
  constexpr int64_t kSamples = 200, kResamples = 100;
  Case c, copies;
  std::vector<double> right;
  std::vector<int64_t> single, tripled;
  for (int64_t i = 0; i < kSamples; ++i) {
    Rng rng(2, Purpose::kHoldout, static_cast<uint32_t>(i));
    c.scores.push_back(rng.uniform());
    c.labels.push_back(rng.coin(c.scores.back()));
    right.push_back((c.scores.back() >= 0.5) == (c.labels.back() == 1));
    single.push_back(i);
    for (int copy = 0; copy < 3; ++copy) {
      copies.scores.push_back(c.scores.back());
      copies.labels.push_back(c.labels.back());
      tripled.push_back(i);
    }
  }
  const auto accuracies = [](const Case& of, const std::vector<int64_t>& groups) {
    std::vector<double> values;
    const auto sorted = of.sorted();
    each_group_resample(groups, kResamples, 5, [&](std::span<const double> weights) { values.push_back(sorted.at(0.5, weights).accuracy()); });
    return values;
  };
  CHECK(accuracies(c, single) == bootstrap_means({right}, kResamples, 5)[0]);
  CHECK(accuracies(copies, tripled) == accuracies(c, single));
  int64_t fewer = 0;
  each_group_resample(tripled, kResamples, 5, [&](std::span<const double> weights) {
    REQUIRE(std::accumulate(weights.begin(), weights.end(), 0.0) == 3 * kSamples);
    fewer += std::count(weights.begin(), weights.end(), 0.0) > 0;
  });
  CHECK(fewer == kResamples);
}

TEST_CASE("intervals by group cover the truth where groups of unequal size agree among themselves, intervals by sample do not", "[binary]") {
  // 60 groups of 1 .. 9 samples, all of a group right or all wrong, right with p = 0.7. By sample the deviation is taken sqrt(E[m^2] / E[m]) = 2.5 times too small.
  constexpr int kExperiments = 300;
  int by_group = 0, by_sample = 0;
  for (uint32_t experiment = 0; experiment < kExperiments; ++experiment) {
    Rng rng(3, Purpose::kHoldout, experiment);
    Case c;
    std::vector<int64_t> groups, samples;
    for (int64_t group = 0; group < 60; ++group) {
      const bool right = rng.coin(0.7);
      for (int64_t i = 0; i <= group % 9; ++i) {
        c.scores.push_back(0.9);
        c.labels.push_back(right);
        groups.push_back(group);
        samples.push_back(static_cast<int64_t>(samples.size()));
      }
    }
    const auto sorted = c.sorted();
    const auto covers = [&](const std::vector<int64_t>& of) {
      std::vector<double> values;
      each_group_resample(of, 200, experiment, [&](std::span<const double> weights) { values.push_back(sorted.at(0.5, weights).accuracy()); });
      const auto [interval, left_out] = defined_interval(values);
      REQUIRE(left_out == 0);
      return interval.low <= 0.7 && 0.7 <= interval.high;
    };
    by_group += covers(groups);
    by_sample += covers(samples);
  }
  CHECK(by_group >= 0.88 * kExperiments);
  CHECK(by_group <= 0.98 * kExperiments);
  CHECK(by_sample <= 0.75 * kExperiments);
}

TEST_CASE("resamples without a class are counted and left out", "[binary]") {
  // One positive in twenty groups: it is missing from a resample with (1 - 1/20)^20 = 36 %.
  Case c;
  std::vector<int64_t> groups;
  for (int64_t i = 0; i < 20; ++i) {
    c.scores.push_back(i == 7 ? 0.65 : 0.05 * static_cast<double>(i));
    c.labels.push_back(i == 7);
    groups.push_back(i);
  }
  const auto sorted = c.sorted();
  std::vector<double> areas;
  int64_t missing = 0;
  each_group_resample(groups, 1000, 0, [&](std::span<const double> weights) {
    areas.push_back(sorted.auroc(weights));
    missing += weights[7] == 0;
  });
  const auto [interval, left_out] = defined_interval(areas);
  CHECK(left_out == missing);
  CHECK(missing > 300);
  CHECK(missing < 420);
  CHECK(interval.low < sorted.auroc());
  CHECK(interval.high > sorted.auroc());
  const auto none = defined_interval({std::nan(""), std::nan("")});
  CHECK(none.left_out == 2);
  CHECK(std::isnan(none.interval.low));
}
