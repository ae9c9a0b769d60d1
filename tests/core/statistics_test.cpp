// Intervals and tests against closed forms and values worked out by hand.
#include "core/statistics.h"

#include <cmath>
#include <limits>

#include "core/rng.h"
#include "support/catch.h"

using namespace liere;

namespace {

/// `ones` of n values are 100, the rest 0.
std::vector<double> proportion(int64_t ones, int64_t n) {
  std::vector<double> values(static_cast<size_t>(n), 0.0);
  for (int64_t i = 0; i < ones; ++i) values[static_cast<size_t>(i * n / ones)] = 100;
  return values;
}

}  // namespace

TEST_CASE("quantiles interpolate between neighbours", "[statistics]") {
  CHECK(quantile({1, 2, 3, 4, 5}, 0.5) == 3);
  CHECK(quantile({1, 2, 3, 4}, 0.5) == 2.5);
  CHECK(quantile({10, 20}, 0.25) == 12.5);
  CHECK(quantile({7}, 0.975) == 7);
  std::vector<double> values(1001);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>((i * 5) % 1001);  // a permutation of 0..1000
  const auto interval = percentile_interval(values);
  CHECK(interval.low == Approx(25));
  CHECK(interval.high == Approx(975));
  values[3] = std::nan("");
  CHECK(std::isnan(percentile_interval(values).low));
}

TEST_CASE("the bootstrap interval of a proportion is the normal approximation's", "[statistics]") {
  // Half width 1.96 sqrt(p (1 - p) / n); the quantiles of B = 2000 resamples have a standard error of
  // sqrt(0.025 * 0.975 / B) / 0.058 = 0.06 of the resamples' deviation: 0.2 is more than three of them.
  for (const auto& [ones, n] : {std::pair<int64_t, int64_t>{7032, 10000}, {1500, 2000}, {300, 1000}}) {
    const auto values = proportion(ones, n);
    const auto interval = percentile_interval(bootstrap_means({values}, 2000, 0)[0]);
    const double p = static_cast<double>(ones) / static_cast<double>(n), deviation = 100 * std::sqrt(p * (1 - p) / static_cast<double>(n));
    INFO(ones << " of " << n);
    CHECK(interval.low == Approx(100 * p - 1.959964 * deviation).margin(0.2 * deviation).epsilon(0));
    CHECK(interval.high == Approx(100 * p + 1.959964 * deviation).margin(0.2 * deviation).epsilon(0));
  }
}

TEST_CASE("bootstrap intervals cover the truth in 95 percent of experiments", "[statistics]") {
  // 400 experiments of 300 coins with p = 0.3: expected coverage about 94.5 % (percentile, n = 300), standard error 1.1 points.
  constexpr int kExperiments = 400;
  int covered = 0;
  for (uint32_t experiment = 0; experiment < kExperiments; ++experiment) {
    Rng rng(1, Purpose::kHoldout, experiment);
    std::vector<double> values(300);
    for (auto& value : values) value = rng.coin(0.3);
    const auto interval = percentile_interval(bootstrap_means({values}, 300, experiment)[0]);
    covered += interval.low <= 0.3 && 0.3 <= interval.high;
  }
  CHECK(covered >= 0.91 * kExperiments);
  CHECK(covered <= 0.98 * kExperiments);
}

TEST_CASE("the bootstrap is a function of values and seed, and its columns share the draws", "[statistics]") {
  std::vector<double> a(500), twice(500);
  Rng rng(5, Purpose::kHoldout);
  for (size_t i = 0; i < a.size(); ++i) twice[i] = 2 * (a[i] = rng.uniform());
  const auto first = bootstrap_means({a, twice}, 50, 3);
  CHECK(first == bootstrap_means({a, twice}, 50, 3));
  CHECK(first[0] == bootstrap_means({a}, 50, 3)[0]);
  CHECK(first[0] != bootstrap_means({a}, 50, 4)[0]);
  for (size_t i = 0; i < 50; ++i) CHECK(first[1][i] == Approx(2 * first[0][i]).epsilon(1e-14));
  const std::vector<double> constant(40, 2.5);
  CHECK(bootstrap_means({constant}, 20, 0)[0] == std::vector<double>(20, 2.5));
}

TEST_CASE("the bootstrap's p is twice the smaller share on either side of zero", "[statistics]") {
  std::vector<double> values(999, 1.0);
  CHECK(bootstrap_p(values) == Approx(2.0 / 1000));
  for (int i = 0; i < 9; ++i) values[static_cast<size_t>(i)] = -1;
  CHECK(bootstrap_p(values) == Approx(2.0 * 10 / 1000));
  for (auto& value : values) value = -value;
  CHECK(bootstrap_p(values) == Approx(2.0 * 10 / 1000));
  CHECK(bootstrap_p(std::vector<double>(99, 0.0)) == 1);
}

TEST_CASE("McNemar's test meets values worked out by hand", "[statistics]") {
  // b + c < 25: twice the tail of Binomial(b + c, 1/2).  1 and 9: 2 (1 + 10) / 1024.  0 and 5: 2 / 32.  2 and 4: 2 (1 + 6 + 15) / 64.  5 and 5: 1.
  for (const auto& [b, c, p] : {std::tuple<int64_t, int64_t, double>{1, 9, 22.0 / 1024}, {0, 5, 2.0 / 32}, {2, 4, 44.0 / 64}, {5, 5, 1.0}, {0, 0, 1.0}, {0, 1, 1.0}}) {
    INFO(b << " and " << c);
    const auto result = mcnemar(b, c);
    CHECK(result.exact);
    CHECK(result.p == Approx(p).epsilon(1e-12));
    CHECK(mcnemar(c, b).p == result.p);
  }
  // Else (|b - c| - 1)^2 / (b + c).  121 and 59: 61^2 / 180 = 20.6722, p = 5.4502e-6.  15 and 10: 4^2 / 25 = 0.64, p = 0.42371.  30 and 30: 0, p = 1.
  for (const auto& [b, c, chi, p] : {std::tuple<int64_t, int64_t, double, double>{121, 59, 3721.0 / 180, 5.4502e-6}, {15, 10, 0.64, 0.423711}, {30, 30, 0, 1}}) {
    INFO(b << " and " << c);
    const auto result = mcnemar(b, c);
    CHECK_FALSE(result.exact);
    CHECK(result.statistic == Approx(chi).margin(1e-12));
    CHECK(result.p == Approx(p).epsilon(1e-4));
    CHECK(mcnemar(c, b).p == result.p);
  }
  CHECK(mcnemar(12, 12).exact);
  CHECK_FALSE(mcnemar(12, 13).exact);
}
