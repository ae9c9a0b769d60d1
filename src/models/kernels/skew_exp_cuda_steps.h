// What a team of threads does to its matrix, for skew_exp_cuda.cu: M from generators and a position, scaling, exp of the scaled matrix less I, and
// phi1(ad_A) of a gradient by its series. The equations, the polynomial and its coefficients are rotation_exp.h's; Tile is one of
// skew_exp_cuda_tiles.h. Matrices enter and leave in registers, Tile::kElements a thread; both operands in shared memory are free afterwards unless
// it says otherwise.
#pragma once

#include <cmath>

#include "models/kernels/cuda_device.h"
#include "models/kernels/skew_exp.h"

namespace liere {
namespace {

constexpr float kTheta = 1.244f;
constexpr float kX1 = 0.10362752861586016f, kX2 = 0.02604745164797476f, kX3 = 2.0f / 3, kX4 = 0.5466385119433734f, kX5 = 0.1650228498014938f,
                kX6 = 0.015489661943490973f, kX7 = 0.03501382795005018f, kY0Less1 = -4.6254534e-9f, kY1 = 0.9999994631521428f,
                kY2 = 0.13557417573122724f;
constexpr int kMostSquarings = 16;

struct Place {
  int64_t layer, token, group;
};

/// M (sign = 1) or -M in the team's registers.
template <class Tile>
LIERE_DEVICE void form_exponent(const Tile& tile, const SkewExpPlan<float>& plan, const Place& at, float sign, float (&m)[Tile::kElements]) {
  constexpr int b = Tile::kSide, kEntries = b * (b - 1) / 2;
  const int64_t axis_stride = plan.layers * plan.groups * kEntries;
  const float* entries = plan.generators + (at.layer * plan.groups + at.group) * kEntries;
  const bool two = plan.axes > 1, three = plan.axes > 2;
  const float* positions = plan.positions + at.token * plan.axes;
  const float p0 = sign * positions[0], p1 = two ? sign * positions[1] : 0, p2 = three ? sign * positions[2] : 0;
  const auto scratch = tile.floats + Tile::kOperand;
#pragma unroll 4
  for (int i = tile.rank; i < b * b; i += Tile::kThreads) {
    const int r = i / b, c = i % b;
    if (c < r) continue;
    float value = 0;
    if (c > r) {
      const float* entry = entries + (r * b - r * (r + 1) / 2 + c - r - 1);
      value = p0 * entry[0];
      if (two) value += p1 * entry[axis_stride];
      if (three) value += p2 * entry[2 * axis_stride];
    }
    scratch[r * Tile::kScratchStride + c] = value;
    scratch[c * Tile::kScratchStride + r] = c > r ? -value : 0;
  }
  tile.sync();
#pragma unroll
  for (int e = 0; e < Tile::kElements; ++e) m[e] = scratch[tile.row(e) * Tile::kScratchStride + tile.column(e)];
  tile.sync();
}

/// A = M / 2^s in place of M and A^2; returns s. NaN where M is beyond reach or not finite. M is shrunk to a Frobenius norm below 1 before it is
/// squared.
template <class Tile>
LIERE_DEVICE int scale_exponent(const Tile& tile, float (&a)[Tile::kElements], float (&a2)[Tile::kElements]) {
  float squares = 0, down = 1;
#pragma unroll
  for (int e = 0; e < Tile::kElements; ++e) squares += a[e] * a[e];
  float size = sqrtf(tile.template combine<false>(squares));
  for (; size > 1 && down > 0x1p-21f; size *= 0.5f) down *= 0.5f;
#pragma unroll
  for (int e = 0; e < Tile::kElements; ++e) a[e] *= down;
  tile.store(0, a);
  tile.sync();
  tile.template product<false>(a2, 0, 0);
  tile.sync();
  float fourth = 0;
#pragma unroll
  for (int e = 0; e < Tile::kElements; ++e) fourth += a2[e] * a2[e];
  float bound = sqrtf(sqrtf(tile.template combine<false>(fourth) * 0.5f)) / down, scale = 1 / down;
  int s = 0;
  for (; bound > kTheta && s <= kMostSquarings; ++s) {
    bound *= 0.5f;
    scale *= 0.5f;
  }
  if (!(size <= 1) || !(bound <= kTheta) || s > kMostSquarings) {
    scale = __uint_as_float(0x7fc00000u);
    s = 0;
  }
#pragma unroll
  for (int e = 0; e < Tile::kElements; ++e) {
    a[e] *= scale;
    a2[e] *= scale * scale;
  }
  return s;
}

/// E = exp(A) - I from A and A^2; e holds A^2 before.
template <class Tile>
LIERE_DEVICE void base_exponential(const Tile& tile, const float (&a)[Tile::kElements], float (&e)[Tile::kElements]) {
  constexpr int n = Tile::kElements;
  float work[n], a4[n];
  tile.store(0, e);
#pragma unroll
  for (int i = 0; i < n; ++i) work[i] = kX1 * a[i] + kX2 * e[i];
  tile.store(1, work);
  tile.sync();
  tile.template product<false>(a4, 0, 1);
  tile.sync();
#pragma unroll
  for (int i = 0; i < n; ++i) work[i] = kX3 * e[i] + a4[i];
  tile.store(0, work);
#pragma unroll
  for (int i = 0; i < n; ++i) work[i] = kX5 * a[i] + kX6 * e[i] + kX7 * a4[i] + (tile.row(i) == tile.column(i) ? kX4 : 0);
  tile.store(1, work);
#pragma unroll
  for (int i = 0; i < n; ++i) e[i] = kY1 * a[i] + kY2 * e[i] + (tile.row(i) == tile.column(i) ? kY0Less1 : 0);
  tile.sync();
  tile.template product<false>(work, 0, 1);
  tile.sync();
#pragma unroll
  for (int i = 0; i < n; ++i) e[i] += work[i];
}

/// The most steps among the teams that wait for each other: a warp's, where teams are smaller.
template <class Tile>
LIERE_DEVICE int most_steps(int s) {
  if constexpr (Tile::kThreads < 32)
    for (int mask = 16; mask >= Tile::kThreads; mask /= 2) {
      const int other = shuffle_xor(s, mask);
      s = other > s ? other : s;
    }
  return s;
}

/// Gamma = X' - X'^T of a matrix in memory.
template <class Tile>
LIERE_DEVICE void load_gamma(const Tile& tile, const float* x, float (&gamma)[Tile::kElements]) {
  constexpr int b = Tile::kSide;
  const auto scratch = tile.floats + Tile::kOperand;
#pragma unroll 4
  for (int i = tile.rank; i < b * b; i += Tile::kThreads) scratch[i / b * Tile::kScratchStride + i % b] = x[i];
  tile.sync();
#pragma unroll
  for (int e = 0; e < Tile::kElements; ++e)
    gamma[e] = scratch[tile.row(e) * Tile::kScratchStride + tile.column(e)] - scratch[tile.column(e) * Tile::kScratchStride + tile.row(e)];
  tile.sync();
}

/// Multiplies by the power of two that brings the largest entry to [1/2, 1), and returns it.
template <class Tile>
LIERE_DEVICE float normalise(const Tile& tile, float (&gamma)[Tile::kElements]) {
  float largest = 0;
#pragma unroll
  for (int e = 0; e < Tile::kElements; ++e) {
    const float size = gamma[e] < 0 ? -gamma[e] : gamma[e];
    largest = size > largest ? size : largest;
  }
  const auto exponent = static_cast<int>(__float_as_uint(tile.template combine<true>(largest)) >> 23);  // biased by 127
  const int power = exponent == 0 ? 0 : exponent < 20 ? 20 - 126 : exponent - 126;
  // An infinite entry: nothing of this matrix's gradient is left.
  const float scale = __uint_as_float(exponent == 255 ? 0x7fc00000u : static_cast<uint32_t>(127 - power > 0 ? 127 - power : 1) << 23);
#pragma unroll
  for (int e = 0; e < Tile::kElements; ++e) gamma[e] *= scale;
  return scale;
}

/// gamma <- (gamma - gamma^T) / 2.
template <class Tile>
LIERE_DEVICE void make_skew(const Tile& tile, float (&gamma)[Tile::kElements]) {
  const auto scratch = tile.floats + Tile::kOperand;
#pragma unroll
  for (int e = 0; e < Tile::kElements; ++e) scratch[tile.row(e) * Tile::kScratchStride + tile.column(e)] = gamma[e];
  tile.sync();
#pragma unroll
  for (int e = 0; e < Tile::kElements; ++e) gamma[e] = 0.5f * (gamma[e] - scratch[tile.column(e) * Tile::kScratchStride + tile.row(e)]);
  tile.sync();
}

/// gamma <- phi1(ad_A)[gamma]; operand 0 holds A.
template <class Tile>
LIERE_DEVICE void commutator_series(const Tile& tile, float (&gamma)[Tile::kElements]) {
  constexpr int n = Tile::kElements;
  const auto scratch = tile.floats + Tile::kOperand;
  float term[n];
  tile.store(1, gamma);
#pragma unroll 1
  for (int k = 1; k <= Tile::kSeries; ++k) {
    tile.sync();
    tile.template product<false>(term, 0, 1);
    tile.sync();
#pragma unroll
    for (int i = 0; i < n; ++i) scratch[tile.row(i) * Tile::kScratchStride + tile.column(i)] = term[i];
    tile.sync();
    const float factor = 1.0f / static_cast<float>(k + 1);
#pragma unroll
    for (int i = 0; i < n; ++i) {
      term[i] = (term[i] - scratch[tile.column(i) * Tile::kScratchStride + tile.row(i)]) * factor;
      gamma[i] += term[i];
    }
    tile.sync();
    tile.store(1, term);
  }
  tile.sync();
}

}  // namespace
}  // namespace liere
