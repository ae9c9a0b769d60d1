// Angular frequencies: 2x2 blocks, blocks made of known frequencies in a random basis, the trace of the exponential.
#include "models/kernels/skew_frequencies.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/rng.h"
#include "models/kernels/skew_exp.h"
#include "support/catch.h"

using namespace liere;

namespace {

std::vector<double> normals(int64_t n, uint64_t seed) {
  std::vector<double> out(static_cast<size_t>(n));
  fill_normal(stream_key(seed, Purpose::kParameter), out.data(), n, 0, 1);
  return out;
}

/// The strict upper triangle of Q D Q^T, D of 2x2 blocks [0 theta; -theta 0], Q orthogonal (Gram-Schmidt of normal vectors).
std::vector<double> block_of(const std::vector<double>& theta, int64_t b, uint64_t seed) {
  std::vector<double> q = normals(b * b, seed);
  for (int64_t i = 0; i < b; ++i) {
    for (int repeat = 0; repeat < 2; ++repeat)
      for (int64_t j = 0; j < i; ++j) {
        double dot = 0;
        for (int64_t c = 0; c < b; ++c) dot += q[i * b + c] * q[j * b + c];
        for (int64_t c = 0; c < b; ++c) q[i * b + c] -= dot * q[j * b + c];
      }
    double square = 0;
    for (int64_t c = 0; c < b; ++c) square += q[i * b + c] * q[i * b + c];
    for (int64_t c = 0; c < b; ++c) q[i * b + c] /= std::sqrt(square);
  }
  std::vector<double> upper;
  for (int64_t r = 0; r < b; ++r)
    for (int64_t c = r + 1; c < b; ++c) {
      double sum = 0;
      for (size_t k = 0; k < theta.size(); ++k) {
        const double *u = &q[2 * k * b], *v = &q[(2 * k + 1) * b];
        sum += theta[k] * (u[r] * v[c] - v[r] * u[c]);
      }
      upper.push_back(sum);
    }
  return upper;
}

}  // namespace

TEST_CASE("skew frequencies: a 2x2 block has the size of its entry") {
  const std::vector<double> blocks = {3.5, -2, 0, 1e-9};
  CHECK(skew_frequencies(blocks.data(), 4, 2) == std::vector<double>{3.5, 2, 0, 1e-9});
}

TEST_CASE("skew frequencies: a change of basis leaves them") {
  for (const int64_t b : {3, 4, 5, 8, 9, 16, 20, 64}) {
    std::vector<double> theta;
    for (int64_t k = 0; k < b / 2; ++k) theta.push_back(k == 1 ? 40.0 : 6.0 / static_cast<double>(k + 1));
    const auto block = block_of(theta, b, static_cast<uint64_t>(b));
    std::sort(theta.rbegin(), theta.rend());
    const auto found = skew_frequencies(block.data(), 1, b);
    REQUIRE(found.size() == theta.size());
    for (size_t k = 0; k < theta.size(); ++k) CHECK(std::abs(found[k] - theta[k]) < 1e-12 * 40 * static_cast<double>(b));
  }
}

TEST_CASE("skew frequencies: the trace of the exponential is the sum of 2 cos") {
  const int64_t b = 16, entries = b * (b - 1) / 2;
  const auto blocks = normals(3 * entries, 7);
  const auto theta = skew_frequencies(blocks.data(), 3, b);
  const double at = 0.3;
  std::vector<double> r(static_cast<size_t>(3 * b * b));
  const SkewExpPlan<double> plan{
      .axes = 1, .layers = 1, .groups = 3, .tokens = 1, .block = b, .generators = blocks.data(), .positions = &at, .rotations = r.data()};
  skew_exp_kernels<double>().forward(plan, 0, 3);
  for (int64_t k = 0; k < 3; ++k) {
    double trace = 0, sum = 0;
    for (int64_t i = 0; i < b; ++i) trace += r[(k * b + i) * b + i];
    for (int64_t i = 0; i < b / 2; ++i) sum += 2 * std::cos(at * theta[k * b / 2 + i]);
    CHECK(std::abs(trace - sum) < 1e-12 * b);
  }
}

TEST_CASE("skew frequencies: a block that is not finite spoils no other") {
  const std::vector<double> blocks = {NAN, 2};
  const auto found = skew_frequencies(blocks.data(), 2, 2);
  CHECK(std::isnan(found[0]));
  CHECK(found[1] == 2);
}
