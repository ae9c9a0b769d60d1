// Functions of the angles theta of a spectral decomposition: sine and cosine with exact range reduction, and phi1(-ad_M) in the eigenbasis.
//
// There ad_M acts on the 2 x 2 block of pairs j, k, G = a I + b J + c K + d L (J = [0, 1; -1, 0], K = diag(1, -1), L = [0, 1; 1, 0]) as
//   a + i b -> i (theta_j - theta_k) (a + i b),   c + i d -> -i (theta_j + theta_k) (c + i d),
// and phi1(-i x) = sin(x) / x - i (1 - cos(x)) / x. Najfeld and Havel 1995 (the derivative in the eigenbasis); Higham 2008, section 3.2.
#pragma once

#include "models/kernels/lane_vectors.h"

namespace liere::LIERE_INSTRUCTION_SET {
namespace {

template <class V>
struct SineCosine {
  V sin, cos;
};

/// Angles beyond this have lost their meaning (their rounding error is 1e-2 or more in fp32): NaN.
template <class T>
constexpr T kLargestAngle = sizeof(T) == 4 ? T(80000) : T(1e9);

/// Reduced in double: x - n pi / 2, pi / 2 in three parts.
template <class T>
LIERE_INLINE SineCosine<Vec<T>> sine_cosine(Vec<T> x) {
  using V = Vec<T>;
  using D = typename VectorOf<double, kLanes<T>>::Type;
  using L = typename VectorOf<int64_t, kLanes<T>>::Type;
  const auto reach = magnitude(x) <= kLargestAngle<T>;
  const D wide = __builtin_convertvector(reach ? x : V{}, D), shifted = wide * 0.63661977236758134308 + 0x1.8p52, n = shifted - 0x1.8p52;
  L bits;
  memcpy(&bits, &shifted, sizeof(bits));
  const D rest = ((wide - n * 1.57079632673412561417) - n * 6.07710050630396597660e-11) - n * 2.02226624879595063154e-21;
  const V r = __builtin_convertvector(rest, V), q = r * r;
  const auto quadrant = __builtin_convertvector(bits & 3, IntVec<T>);
  V sin{}, cos{};
  constexpr int kTerms = sizeof(T) == 4 ? 5 : 9;
#pragma GCC unroll 16
  for (int k = kTerms; k >= 1; --k) {
    sin = (1 + sin) * q * T(-1.0 / (2 * k * (2 * k + 1)));
    cos = (1 + cos) * q * T(-1.0 / (2 * k * (2 * k - 1)));
  }
  sin = r + r * sin;
  cos = 1 + cos;
  const auto swap = (quadrant & 1) != 0;
  const V s = swap ? cos : sin, c = swap ? sin : cos, nan = V{} + T(NAN);
  return {reach ? ((quadrant & 2) != 0 ? -s : s) : nan, reach ? (((quadrant + 1) & 2) != 0 ? -c : c) : nan};
}

template <class V>
struct Phi {
  V real, imag;  // sin(x) / x, (1 - cos(x)) / x
};
/// From x and its sine and cosine; a series where those cancel.
template <class V>
LIERE_INLINE Phi<V> phi1(V x, V sin, V cos) {
  using T = std::remove_reference_t<decltype(x[0])>;
  const auto series = magnitude(x) < 1;
  const V q = series ? x * x : V{}, inverse = 1 / (series ? V{} + 1 : x);
  V real{}, imag{};
  constexpr int kTerms = sizeof(T) == 4 ? 5 : 9;
#pragma GCC unroll 16
  for (int k = kTerms; k >= 1; --k) {
    real = (1 + real) * q * T(-1.0 / (2 * k * (2 * k + 1)));
    imag = (1 + imag) * q * T(-1.0 / ((2 * k + 1) * (2 * k + 2)));
  }
  return {series ? 1 + real : sin * inverse, series ? x * T(0.5) * (1 + imag) : (1 - cos) * inverse};
}

template <class V>
struct PairBlock {
  V uu, uv, vu, vv;
};
/// phi1(-ad_M) of one 2 x 2 block; angles of its two pairs with their sines and cosines.
template <class V>
LIERE_INLINE PairBlock<V> apply_phi1(const PairBlock<V>& g, V angle_j, SineCosine<V> j, V angle_k, SineCosine<V> k) {
  using T = std::remove_reference_t<decltype(angle_j[0])>;
  const V ss = j.sin * k.sin, cc = j.cos * k.cos, sc = j.sin * k.cos, cs = j.cos * k.sin;
  const auto minus = phi1<V>(angle_j - angle_k, sc - cs, cc + ss), plus = phi1<V>(angle_j + angle_k, sc + cs, cc - ss);
  const V a = g.uu + g.vv, b = g.uv - g.vu, c = g.uu - g.vv, d = g.uv + g.vu;
  const V a_new = minus.real * a + minus.imag * b, b_new = minus.real * b - minus.imag * a;
  const V c_new = plus.real * c - plus.imag * d, d_new = plus.real * d + plus.imag * c;
  const T half(0.5);
  return {(a_new + c_new) * half, (b_new + d_new) * half, (d_new - b_new) * half, (a_new - c_new) * half};
}

}  // namespace
}  // namespace liere::LIERE_INSTRUCTION_SET
