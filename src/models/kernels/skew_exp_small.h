// Blocks up to 8: everything in lanes, one matrix (one token) in each; loops of a fixed side.
#pragma once

#include "models/kernels/skew_angles.h"
#include "models/kernels/skew_exp_lanes.h"

namespace liere::LIERE_INSTRUCTION_SET {
namespace {

/// Errors of the eigenvectors enter W D W^T in proportion to D, and I + W (D - I) W^T to D - I: 1 (take the second) where that is the smaller.
template <class T, int kH>
LIERE_INLINE Vec<T> shift_of(const SineCosine<Vec<T>> (&trig)[kH]) {
  Vec<T> sum{};
  for (const auto& at : trig) sum += at.cos;
  return sum * 2 > T(kH) ? Vec<T>{} + 1 : Vec<T>{};
}

template <class T, int kH>
LIERE_INLINE Vec<T> sines_and_cosines(const Spectral<T>& s, SineCosine<Vec<T>> (&trig)[kH]) {
  for (int k = 0; k < kH; ++k) trig[k] = sine_cosine<T>(s.theta[k]);
  return shift_of<T, kH>(trig);
}

/// r [N, N] = exp(M).
template <class T, int kN>
LIERE_INLINE void exponential_in_lanes(const Spectral<T>& s, Vec<T>* r) {
  using V = Vec<T>;
  constexpr int kH = kN / 2;
  V y[kN][kN];
  SineCosine<V> trig[kH];
  const V shift = sines_and_cosines<T, kH>(s, trig);
  for (int k = 0; k < kH; ++k) {
    const SineCosine<V> at = {trig[k].sin, trig[k].cos - shift};
#pragma GCC unroll 8
    for (int i = 0; i < kN; ++i) {
      const V u = s.w[k * s.stride + i], v = s.w[(kH + k) * s.stride + i];
      y[k][i] = at.cos * u - at.sin * v;
      y[kH + k][i] = at.sin * u + at.cos * v;
    }
  }
  for (int i = 0; i < kN; i += 2) {
    V sum[2][kN] = {};
#pragma GCC unroll 8
    for (int k = 0; k < kN; ++k)
#pragma GCC unroll 8
      for (int j = 0; j < kN; ++j) {
        sum[0][j] += y[k][i] * s.w[k * s.stride + j];
        sum[1][j] += y[k][i + 1] * s.w[k * s.stride + j];
      }
#pragma GCC unroll 8
    for (int j = 0; j < kN; ++j) {
      r[i * kN + j] = sum[0][j];
      r[(i + 1) * kN + j] = sum[1][j];
    }
    r[i * kN + i] += shift;
    r[(i + 1) * kN + i + 1] += shift;
  }
}

/// g [N, N] skew -> phi1(-ad_M)[g]; only the upper triangle of the result is written.
template <class T, int kN>
LIERE_INLINE void derivative_in_lanes(const Spectral<T>& s, Vec<T>* g) {
  using V = Vec<T>;
  constexpr int kH = kN / 2;
  V y[kN][kN], given[kN][kN];
  SineCosine<V> trig[kH];
  const V shift = sines_and_cosines<T, kH>(s, trig);
  for (int i = 0; i < kN; ++i)
    for (int j = i + 1; j < kN; ++j) given[i][j] = shift != 0 ? g[i * kN + j] : V{};
  for (int i = 0; i < kN; ++i)
#pragma GCC unroll 8
    for (int k = 0; k < kN; ++k) {
      V sum{};
#pragma GCC unroll 8
      for (int j = 0; j < kN; ++j) sum += g[i * kN + j] * s.w[k * s.stride + j];
      y[i][k] = sum;
    }
  for (int l = 0; l < kN; ++l)
#pragma GCC unroll 8
    for (int k = 0; k < kN; ++k) {
      if (k <= l) continue;
      V sum{};
#pragma GCC unroll 8
      for (int i = 0; i < kN; ++i) sum += s.w[l * s.stride + i] * y[i][k];
      g[l * kN + k] = sum;
      g[k * kN + l] = -sum;
    }
  const auto put = [&](int l, int k, V value) {
    g[l * kN + k] = value;
    g[k * kN + l] = -value;
  };
  for (int j = 0; j < kH; ++j)
    for (int k = j + 1; k < kH; ++k) {
      const PairBlock<V> at = {g[j * kN + k], g[j * kN + kH + k], g[(kH + j) * kN + k], g[(kH + j) * kN + kH + k]};
      const PairBlock<V> turned = apply_phi1<V>(at, s.theta[j], trig[j], s.theta[k], trig[k]);
      put(j, k, turned.uu - shift * at.uu);
      put(j, kH + k, turned.uv - shift * at.uv);
      put(kH + j, k, turned.vu - shift * at.vu);
      put(kH + j, kH + k, turned.vv - shift * at.vv);
    }
  for (int k = 0; k < kH; ++k) put(k, kH + k, g[k * kN + kH + k] * (1 - shift));
  for (int k = 0; k < kN; ++k) g[k * kN + k] = V{};
  for (int k = 0; k < kN; ++k)
#pragma GCC unroll 8
    for (int j = 0; j < kN; ++j) {
      V sum{};
#pragma GCC unroll 8
      for (int l = 0; l < kN; ++l) sum += g[k * kN + l] * s.w[l * s.stride + j];
      y[k][j] = sum;
    }
  for (int i = 0; i < kN; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < kN; ++j) {
      if (j <= i) continue;
      V sum = given[i][j];
#pragma GCC unroll 8
      for (int k = 0; k < kN; ++k) sum += s.w[k * s.stride + i] * y[k][j];
      g[i * kN + j] = sum;
    }
}

template <class T, int kN>
void forward_small(const SkewExpPlan<T>& plan, int64_t begin, int64_t end) {
  const Sides<T> sides(plan.block);
  Scratch scratch(sides.spectral_bytes());
  const Spectral<T> s = take_spectral(scratch, sides);
  const Rays<T> rays = find_rays(plan.positions, plan.tokens, plan.axes, false);
  const int64_t b = plan.block;
  Vec<T> r[kN * kN];
  for (int64_t item = begin; item < end; ++item) {
    const Generator<T> g = generator_of(plan, item);
    write_identity(plan, rays, item, g.poison);
    for (int64_t first = 0; first < rays.count(); first += kLanes<T>) {
      const Points<T> points = points_of(rays, first, plan.axes, g);
      T* to[kLanes<T>] = {};
      for (int lane = 0; lane < points.lanes; ++lane) to[lane] = plan.rotations + offset_of(plan, item, rays.points[first + lane].token);
      decompose_points<T, kN>(s, plan, points, g);
      exponential_in_lanes<T, kN>(s, r);
      if (b < kN)
        for (int64_t i = 0; i < b; ++i)
          for (int64_t j = 0; j < b; ++j) r[i * b + j] = r[i * kN + j];
      lanes_to_memory(r, b * b, to);
    }
  }
}

template <class T, int kN>
void backward_small(const SkewExpPlan<T>& plan, int64_t begin, int64_t end) {
  using V = Vec<T>;
  const Sides<T> sides(plan.block);
  Scratch scratch(sides.spectral_bytes());
  const Spectral<T> s = take_spectral(scratch, sides);
  const Rays<T> rays = find_rays(plan.positions, plan.tokens, plan.axes, false);
  const int64_t b = plan.block, entries = b * (b - 1) / 2;
  V x[kN * kN], gamma[kN * kN], sum[3][kN * (kN - 1) / 2];
  for (int64_t item = begin; item < end; ++item) {
    const Generator<T> g = generator_of(plan, item);
    memset(static_cast<void*>(sum), 0, sizeof(sum));
    for (int64_t first = 0; first < rays.count(); first += kLanes<T>) {
      const Points<T> points = points_of(rays, first, plan.axes, g);
      const T* from[kLanes<T>] = {};
      for (int lane = 0; lane < points.lanes; ++lane) from[lane] = plan.x + offset_of(plan, item, rays.points[first + lane].token);
      memory_to_lanes(from, b * b, x);
      for (int64_t i = 0; i < kN; ++i)
        for (int64_t j = 0; j < kN; ++j) gamma[i * kN + j] = i < b && j < b ? x[i * b + j] - x[j * b + i] : V{};
      decompose_points<T, kN>(s, plan, points, g);
      derivative_in_lanes<T, kN>(s, gamma);
      for (int64_t a = 0; a < plan.axes; ++a)
        for (int64_t i = 0, e = 0; i < b; ++i)
          for (int64_t j = i + 1; j < b; ++j, ++e) sum[a][e] += points.p[a] * gamma[i * kN + j];
    }
    const T poison = poison_at_origin(plan, rays, item, g.poison);
    for (int64_t a = 0; a < plan.axes; ++a)
      for (int64_t e = 0; e < entries; ++e) plan.gradient[(a * plan.layers * plan.groups + item) * entries + e] = sum_of_lanes<T>(sum[a][e]) + poison;
  }
}

}  // namespace
}  // namespace liere::LIERE_INSTRUCTION_SET
