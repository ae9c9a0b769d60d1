// Cases of the exponential of skew blocks for tests: plans with their memory, and exp(M) by a Taylor series in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/rng.h"
#include "models/kernels/skew_exp.h"

namespace liere::test {

using Matrix = std::vector<double>;

inline Matrix product(const Matrix& a, const Matrix& b, int64_t n) {
  Matrix c(n * n);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t k = 0; k < n; ++k)
      for (int64_t j = 0; j < n; ++j) c[i * n + j] += a[i * n + k] * b[k * n + j];
  return c;
}

/// exp(M) by scaling to a norm of 1/4, 16 terms and squaring of exp - I: nothing in common with the code under test.
inline Matrix reference(Matrix m, int64_t n) {
  double norm = 0;
  for (const double x : m) norm += x * x;
  int squarings = 0;
  for (norm = std::sqrt(norm); norm > 0.25; norm /= 2) ++squarings;
  for (double& x : m) x = std::ldexp(x, -squarings);
  Matrix e = m, term = m;
  for (int k = 2; k <= 16; ++k) {
    term = product(term, m, n);
    for (int64_t i = 0; i < n * n; ++i) e[i] += term[i] /= k;
  }
  for (; squarings > 0; --squarings) {
    const Matrix square = product(e, e, n);
    for (int64_t i = 0; i < n * n; ++i) e[i] = 2 * e[i] + square[i];
  }
  for (int64_t i = 0; i < n; ++i) e[i * n + i] += 1;
  return e;
}

/// A plan with its memory.
template <class T>
struct Case {
  int64_t axes, layers, groups, tokens, block;
  std::vector<T> generators, positions, x, rotations, gradient;
  bool rays = true;

  Case(int64_t axes, int64_t layers, int64_t groups, int64_t tokens, int64_t block, double size, uint64_t seed = 1)
      : axes(axes), layers(layers), groups(groups), tokens(tokens), block(block) {
    Rng rng(seed, Purpose::kParameter);
    const auto fill = [&](std::vector<T>& to, int64_t count, double low, double high) {
      to.resize(count);
      for (T& value : to) value = static_cast<T>(low + (high - low) * rng.uniform());
    };
    fill(generators, axes * layers * groups * entries(), -size, size);
    fill(positions, tokens * axes, -1, 1);
    fill(x, layers * tokens * groups * block * block, -1, 1);
  }
  int64_t entries() const { return block * (block - 1) / 2; }
  SkewExpPlan<T> plan() {
    rotations.resize(x.size());
    gradient.resize(generators.size());
    SkewExpPlan<T> p{axes, layers, groups, tokens, block, generators.data(), positions.data()};
    p.rotations = rotations.data();
    p.x = x.data();
    p.gradient = gradient.data();
    p.rays = rays;
    return p;
  }
  void run(InstructionSet set) {
    const auto p = plan();
    const auto& kernels = skew_exp_kernels<T>(set);
    kernels.forward(p, 0, kernels.items(p));
    kernels.backward(p, 0, kernels.items(p));
  }
  int64_t offset(int64_t layer, int64_t token, int64_t group) const { return ((layer * tokens + token) * groups + group) * block * block; }
  /// M of one matrix in double.
  Matrix exponent(int64_t layer, int64_t token, int64_t group) const {
    Matrix m(block * block);
    for (int64_t a = 0; a < axes; ++a) {
      const T* entry = &generators[((a * layers + layer) * groups + group) * entries()];
      for (int64_t i = 0; i < block; ++i)
        for (int64_t j = i + 1; j < block; ++j, ++entry) {
          const double value = double(positions[token * axes + a]) * double(*entry);
          m[i * block + j] += value;
          m[j * block + i] -= value;
        }
    }
    return m;
  }
};

inline double relative(const double* expected, const double* found, int64_t count) {
  double difference = 0, size = 0;
  for (int64_t i = 0; i < count; ++i) {
    difference += (found[i] - expected[i]) * (found[i] - expected[i]);
    size += expected[i] * expected[i];
  }
  return std::sqrt(difference / size);
}
template <class T>
inline double relative(const std::vector<double>& expected, const T* found) {
  const std::vector<double> wide(found, found + expected.size());
  return relative(expected.data(), wide.data(), static_cast<int64_t>(wide.size()));
}

/// Largest eigenvalue, within a few percent.
inline double norm_of(const Matrix& m, int64_t n) {
  std::vector<double> v(n, 1.0), w(n);
  v[0] = 2;
  double norm = 0;
  for (int step = 0; step < 40; ++step) {
    double size = 0;
    for (int64_t i = 0; i < n; ++i) {
      w[i] = 0;
      for (int64_t j = 0; j < n; ++j) w[i] += m[i * n + j] * v[j];
      size += w[i] * w[i];
    }
    norm = std::sqrt(size);
    if (norm == 0) return 0;
    for (int64_t i = 0; i < n; ++i) v[i] = w[i] / norm;
  }
  return norm;
}

template <class T>
inline void scale_to_norm(Case<T>& c, double norm) {
  double largest = 0;
  for (int64_t t = 0; t < c.tokens; ++t)
    for (int64_t g = 0; g < c.groups; ++g) largest = std::max(largest, norm_of(c.exponent(0, t, g), c.block));
  for (T& entry : c.generators) entry = static_cast<T>(entry * norm / largest);
}

inline std::vector<InstructionSet> sets() {
  std::vector<InstructionSet> found = {InstructionSet::kBaseline};
  if (instruction_set() >= InstructionSet::kAvx2) found.push_back(InstructionSet::kAvx2);
  if (instruction_set() >= InstructionSet::kAvx512) found.push_back(InstructionSet::kAvx512);
  return found;
}

/// What rounding to fp32 does to a rotation: the angles' error grows with the norm.
inline double single_bound(double norm) { return 7e-7 + 2e-7 * norm; }

}  // namespace liere::test
