// Philox against the published known-answer vectors, the numbers of docs/numerics.md, and the distributions' properties.
#include "core/rng.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <sstream>
#include <vector>

#include "core/philox.h"
#include "support/catch.h"

using namespace liere;

namespace {

using Words = std::array<uint32_t, 4>;

// Distance from the exact value in units in the last place of the double nearest to it.
double ulps(double found, long double exact) {
  const double nearest = static_cast<double>(exact);
  const double magnitude = std::max(std::fabs(nearest), std::numeric_limits<double>::min());
  const double ulp = std::nextafter(magnitude, std::numeric_limits<double>::infinity()) - magnitude;
  return static_cast<double>(std::fabs(static_cast<long double>(found) - exact) / ulp);
}

// Kolmogorov-Smirnov distance of a sample from a distribution function.
template <typename Cdf>
double ks_distance(std::vector<double> sample, Cdf cdf) {
  std::sort(sample.begin(), sample.end());
  const double n = static_cast<double>(sample.size());
  double worst = 0;
  for (size_t i = 0; i < sample.size(); ++i) {
    const double f = cdf(sample[i]);
    worst = std::max({worst, f - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - f});
  }
  return worst;
}

// Regularised incomplete beta function by the midpoint rule in u = t^p, p = min(a, 1), which takes the singularity at 0 away.
double beta_cdf(double a, double b, double x) {
  if (x > 0.5) return 1 - beta_cdf(b, a, 1 - x);
  const double p = std::min(a, 1.0), upper = std::pow(x, p);
  const int steps = 400;
  double sum = 0;
  for (int i = 0; i < steps; ++i) {
    const double t = std::pow((i + 0.5) / steps * upper, 1 / p);
    sum += std::pow(t, a - p) * std::pow(1 - t, b - 1);
  }
  return std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b)) / p * sum * upper / steps;
}

std::string hex(uint64_t value, int digits) {
  char text[24];
  std::snprintf(text, sizeof text, "%0*" PRIx64, digits, value);
  return text;
}

std::string exact(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

// `count` results of `draw`, each called on the stream of the page's examples.
template <typename Draw>
std::string drawn(int count, Draw draw) {
  Rng rng(42, Purpose::kAugmentation, 1, 2, 3);
  std::string text;
  for (int i = 0; i < count; ++i) text.append(1, ' ').append(draw(rng));
  return text + "\n";
}

// The block of test vectors as docs/numerics.md should have it.
std::string vectors() {
  std::ostringstream out;
  for (const uint64_t seed : {0, 42})
    for (const int purpose : {1, 2, 3})
      out << "stream_key(" << seed << ", " << purpose << ") = " << hex(stream_key(seed, static_cast<Purpose>(purpose)), 16) << "\n";
  out << "named_seed(0, \"\") = " << hex(named_seed(0, ""), 16) << "\n";
  out << "named_seed(42, \"head.weight\") = " << hex(named_seed(42, "head.weight"), 16) << "\n";
  const std::string stream = "Rng(42, 4, 1, 2, 3) ";
  out << stream << "bits32" << drawn(8, [](Rng& rng) { return hex(rng.bits32(), 8); });
  out << stream << "bits64" << drawn(2, [](Rng& rng) { return hex(rng.bits64(), 16); });
  out << stream << "uniform" << drawn(3, [](Rng& rng) { return exact(rng.uniform()); });
  out << stream << "normal" << drawn(3, [](Rng& rng) { return exact(rng.normal()); });
  out << stream << "integer(1000)" << drawn(8, [](Rng& rng) { return std::to_string(rng.integer(1000)); });
  out << stream << "integer(2^40)" << drawn(3, [](Rng& rng) { return std::to_string(rng.integer(int64_t(1) << 40)); });
  out << stream << "beta(0.8, 0.8)" << drawn(3, [](Rng& rng) { return exact(rng.beta(0.8, 0.8)); });
  out << stream << "beta(2, 5)" << drawn(3, [](Rng& rng) { return exact(rng.beta(2, 5)); });
  out << stream << "permutation(10)";
  for (const int64_t i : Rng(42, Purpose::kAugmentation, 1, 2, 3).permutation(10)) out << " " << i;
  const uint64_t key = stream_key(named_seed(42, "head.weight"), Purpose::kParameter);
  double values[4];
  fill_uniform(key, values, 4, -1, 1);
  out << "\nfill_uniform(stream_key(named_seed(42, \"head.weight\"), 1), -1, 1)";
  for (const double value : values) out << " " << exact(value);
  fill_normal(key, values, 4, 0, 1);
  out << "\nfill_normal(stream_key(named_seed(42, \"head.weight\"), 1), 0, 1)";
  for (const double value : values) out << " " << exact(value);
  double sine, cosine;
  portable_sincos(2.5, sine, cosine);
  out << "\nlog(0.1) " << exact(portable_log(0.1)) << "\nexp(-0.3) " << exact(portable_exp(-0.3)) << "\nsincos(2.5) " << exact(sine) << " "
      << exact(cosine) << "\n";
  return out.str();
}

}  // namespace

TEST_CASE("Philox4x32-10 gives the known answers of Random123") {
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
  static_assert(philox_block(0, 0, 0, 0, 0).word[0] == 0x6627e8d5, "the form for kernels is the same function");
}

TEST_CASE("the program draws the numbers of docs/numerics.md") {
  std::ifstream in(std::filesystem::path(LIERE_SOURCE_DIR) / "docs/numerics.md");
  const std::string page{std::istreambuf_iterator<char>(in), {}}, opening = "```vectors\n";
  const size_t begin = page.find(opening);
  REQUIRE(begin != std::string::npos);
  const size_t first = begin + opening.size();
  CHECK(page.substr(first, page.find("```", first) - first) == vectors());
}

TEST_CASE("a stream reads the blocks of its counter, one word at a time") {
  Rng rng(7, Purpose::kAugmentation, 3, 5, 1);
  const uint64_t key = stream_key(7, Purpose::kAugmentation);
  for (uint32_t draw = 0; draw < 3; ++draw) {
    const PhiloxBlock block = philox_block(key, 3, 5, 1, draw);
    for (int i = 0; i < 4; ++i) REQUIRE(rng.bits32() == block.word[i]);
  }
}

TEST_CASE("streams of other seeds, purposes, names and counters differ") {
  std::set<uint64_t> first;
  for (uint64_t seed = 0; seed < 50; ++seed)
    for (uint32_t purpose = 1; purpose <= 10; ++purpose) first.insert(Rng(seed, static_cast<Purpose>(purpose)).bits64());
  CHECK(first.size() == 500);
  first.clear();
  for (uint32_t a = 0; a < 5; ++a)
    for (uint32_t b = 0; b < 5; ++b)
      for (uint32_t c = 0; c < 5; ++c) first.insert(Rng(1, Purpose::kDropout, a, b, c).bits64());
  CHECK(first.size() == 125);
  CHECK(named_seed(1, "head.weight") != named_seed(1, "head.bias"));
  CHECK(named_seed(1, "head.weight") != named_seed(2, "head.weight"));
}

TEST_CASE("log, exp and sincos stay within 2 ulp of long double") {
  static_assert(std::numeric_limits<long double>::digits >= 64, "the reference needs more digits than double");
  Rng rng(11, Purpose::kBootstrap);
  double log_worst = 0, exp_worst = 0, sine_worst = 0, cosine_worst = 0;
  for (int i = 0; i < 200000; ++i) {
    const double near_one = rng.uniform(0.5, 2.0), wide = std::ldexp(rng.uniform(1, 2), static_cast<int>(rng.integer(2040)) - 1060),
                 unit = 1 - rng.uniform();
    for (const double x : {near_one, wide, unit}) log_worst = std::max(log_worst, ulps(portable_log(x), std::log(static_cast<long double>(x))));
    for (const double x : {rng.uniform(-1, 1), rng.uniform(-745, 709.7)})
      exp_worst = std::max(exp_worst, ulps(portable_exp(x), std::exp(static_cast<long double>(x))));
    const double turn = rng.uniform(-6.3, 6.3), far = rng.uniform(-0x1p20, 0x1p20), tiny = std::ldexp(turn, -static_cast<int>(rng.integer(300)));
    const double multiple = static_cast<double>(rng.integer(600000)) * 1.5707963267948966;  // the hardest arguments: next to k pi/2
    for (const double x : {turn, far, tiny, multiple}) {
      double s, c;
      portable_sincos(x, s, c);
      sine_worst = std::max(sine_worst, ulps(s, std::sin(static_cast<long double>(x))));
      cosine_worst = std::max(cosine_worst, ulps(c, std::cos(static_cast<long double>(x))));
    }
  }
  INFO("log " << log_worst << ", exp " << exp_worst << ", sine " << sine_worst << ", cosine " << cosine_worst << " ulp");
  CHECK(log_worst <= 2);
  CHECK(exp_worst <= 2);
  CHECK(sine_worst <= 2);
  CHECK(cosine_worst <= 2);
}

TEST_CASE("log, exp and sincos at their ends") {
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(portable_log(1) == 0);
  CHECK(portable_log(0) == -infinity);
  CHECK(std::isnan(portable_log(-1)));
  CHECK(portable_log(infinity) == infinity);
  CHECK(ulps(portable_log(5e-324), std::log(static_cast<long double>(5e-324))) <= 2);
  CHECK(portable_exp(0) == 1);
  CHECK(portable_exp(709.79) == infinity);
  CHECK(std::isfinite(portable_exp(709.782712893384)));
  CHECK(portable_exp(-746) == 0);
  CHECK(portable_exp(-745) == 5e-324);
  double s, c;
  portable_sincos(0, s, c);
  CHECK(s == 0);
  CHECK(c == 1);
  CHECK_THROWS_AS(portable_sincos(1.1e6, s, c), std::domain_error);
  CHECK_THROWS_AS(portable_sincos(std::nan(""), s, c), std::domain_error);
}

TEST_CASE("uniform is uniform and its ends are right") {
  Rng rng(3, Purpose::kOrder);
  std::vector<double> sample(20000);
  for (double& x : sample) x = rng.uniform();
  CHECK(ks_distance(sample, [](double x) { return x; }) < 1.95 / std::sqrt(20000.0));  // p = 0.001
  CHECK(*std::min_element(sample.begin(), sample.end()) >= 0);
  CHECK(*std::max_element(sample.begin(), sample.end()) < 1);
  int heads = 0;
  for (int i = 0; i < 20000; ++i) heads += rng.coin(0.2);
  CHECK(std::fabs(heads - 4000) < 4 * std::sqrt(20000 * 0.16));
  CHECK_FALSE(rng.coin(0));
  CHECK(rng.coin(1));
}

TEST_CASE("the n-th normal is a pure function of n, and normals are normal") {
  Rng all(5, Purpose::kBootstrap, 2);
  std::vector<double> sample(20000);
  for (double& x : sample) x = all.normal();
  for (const int n : {0, 1, 2, 777}) {
    Rng rng(5, Purpose::kBootstrap, 2);
    for (int i = 0; i < 4 * n; ++i) rng.bits32();
    CHECK(rng.normal() == sample[n]);
  }
  CHECK(ks_distance(sample, [](double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }) < 1.95 / std::sqrt(20000.0));
}

TEST_CASE("integer covers its range without bias") {
  Rng rng(9, Purpose::kOrder);
  std::array<int, 7> count{};
  for (int i = 0; i < 70000; ++i) ++count[rng.integer(7)];
  double chi2 = 0;
  for (const int n : count) chi2 += (n - 10000.0) * (n - 10000.0) / 10000.0;
  CHECK(chi2 < 22.5);  // 6 degrees of freedom, p = 0.001
  // 3 * 2^30 of 2^32: without rejection the first of each four would come twice as often.
  const int64_t large = int64_t(3) << 30;
  int low = 0;
  for (int i = 0; i < 30000; ++i) low += rng.integer(large) % 3 == 0;
  CHECK(std::fabs(low - 10000) < 4 * std::sqrt(30000 * 2.0 / 9));
  CHECK(rng.integer(1) == 0);
  int64_t highest = 0;
  for (int i = 0; i < 200; ++i) {
    const int64_t x = rng.integer(INT64_MAX);
    REQUIRE(x >= 0);
    highest = std::max(highest, x);
  }
  CHECK(highest > INT64_MAX / 2);
  CHECK_THROWS_AS(rng.integer(0), std::domain_error);
}

TEST_CASE("beta has its mean, variance and distribution") {
  const std::vector<std::pair<double, double>> shapes = {{0.8, 0.8}, {1, 1}, {0.2, 0.2}, {2, 5}, {0.5, 3}, {30, 10}};
  for (size_t i = 0; i < shapes.size(); ++i) {
    const auto [a, b] = shapes[i];
    Rng rng(21, Purpose::kMixup, static_cast<uint32_t>(i));
    const int n = 4000;
    std::vector<double> sample(n);
    double mean = 0, square = 0;
    for (double& x : sample) {
      x = rng.beta(a, b);
      mean += x / n;
      square += x * x / n;
    }
    const double exact_mean = a / (a + b), exact_variance = a * b / ((a + b) * (a + b) * (a + b + 1));
    INFO("Beta(" << a << ", " << b << ")");
    CHECK(std::fabs(mean - exact_mean) < 4 * std::sqrt(exact_variance / n));
    CHECK(std::fabs(square - mean * mean - exact_variance) < 0.08 * exact_variance);
    CHECK(ks_distance(sample, [a, b](double x) { return beta_cdf(a, b, x); }) < 1.95 / std::sqrt(static_cast<double>(n)));
  }
  Rng rng(22, Purpose::kMixup);
  for (int i = 0; i < 100; ++i) {
    const double x = rng.beta(1e-3, 1e-3);
    REQUIRE((x >= 0 && x <= 1));
  }
  CHECK_THROWS_AS(rng.beta(0, 1), std::domain_error);
}

TEST_CASE("permutation holds each index once and every order equally often") {
  Rng rng(4, Purpose::kOrder);
  std::map<std::vector<int64_t>, int> count;
  for (int i = 0; i < 24000; ++i) ++count[rng.permutation(4)];
  REQUIRE(count.size() == 24);
  double chi2 = 0;
  for (const auto& [order, n] : count) chi2 += (n - 1000.0) * (n - 1000.0) / 1000.0;
  CHECK(chi2 < 49.7);  // 23 degrees of freedom, p = 0.001
  std::vector<int64_t> order = rng.permutation(1001);
  std::sort(order.begin(), order.end());
  for (int64_t i = 0; i < 1001; ++i) REQUIRE(order[i] == i);
  CHECK(rng.permutation(0).empty());
}

TEST_CASE("fills are pure functions of key and index") {
  const uint64_t key = stream_key(named_seed(42, "head.weight"), Purpose::kParameter);
  const int64_t n = 1003;
  std::vector<double> whole(n), normals(n);
  fill_uniform(key, whole.data(), n, -2, 3);
  fill_normal(key, normals.data(), n, 1, 0.5);
  for (const int64_t chunk : {1, 3, 4, 7, 256}) {
    std::vector<double> parts(n), normal_parts(n);
    for (int64_t first = 0; first < n; first += chunk) {
      fill_uniform(key, parts.data() + first, std::min(chunk, n - first), -2, 3, first);
      fill_normal(key, normal_parts.data() + first, std::min(chunk, n - first), 1, 0.5, first);
    }
    REQUIRE(parts == whole);
    REQUIRE(normal_parts == normals);
  }
  std::vector<float> single(n), single_normals(n);
  fill_uniform(key, single.data(), n, -2, 3);
  fill_normal(key, single_normals.data(), n, 1, 0.5);
  Rng words(named_seed(42, "head.weight"), Purpose::kParameter);
  for (int64_t i = 0; i < n; ++i) {
    REQUIRE(single[i] == static_cast<float>(whole[i]));
    REQUIRE(single_normals[i] == static_cast<float>(normals[i]));
    REQUIRE(whole[i] == -2 + 5 * ((words.bits32() + 0.5) * 0x1p-32));
  }
  CHECK(ks_distance(whole, [](double x) { return (x + 2) / 5; }) < 1.95 / std::sqrt(static_cast<double>(n)));
  CHECK(ks_distance(normals, [](double x) { return 0.5 * std::erfc(-(x - 1) / 0.5 / std::sqrt(2.0)); }) < 1.95 / std::sqrt(static_cast<double>(n)));
}

TEST_CASE("fills reach beyond 2^34 elements without repeating") {
  double early[4], late[4], across[8];
  const int64_t far = int64_t(1) << 34;
  fill_uniform(5, early, 4, 0, 1);
  fill_uniform(5, late, 4, 0, 1, far);
  fill_uniform(5, across, 8, 0, 1, far - 4);
  CHECK(std::memcmp(early, late, sizeof early) != 0);
  CHECK(std::memcmp(late, across + 4, sizeof late) == 0);
}
