// Singular values and vectors of the bidiagonal half of a skew tridiagonal matrix, a matrix in each lane: Golub and Kahan's implicit QR iteration
// with Wilkinson's shift (Golub and Van Loan, section 8.6). Each lane has its own window; rotations outside it are the identity, so that a lane's
// result is the same whatever its neighbours are. Rotations of four sweeps are collected and then applied, so that vectors pass through the first
// cache once.
#pragma once

#include "models/kernels/skew_reflections.h"

namespace liere::LIERE_INSTRUCTION_SET {
namespace {

/// The lowest unreduced window [first, last] of each lane; last = 0 where there is none left.
template <class T>
struct Window {
  Vec<T> first, last, shift, d, e;  // d, e: at its start
  int64_t begin, end;               // over all lanes
};

template <class T>
LIERE_INLINE Window<T> find_window(const Vec<T>* d, const Vec<T>* e, int64_t h, Vec<T> tolerance, bool zero_shift) {
  using V = Vec<T>;
  Window<T> s{};
  V d_above{}, d_last{}, e_last{}, e_above{};
  for (int64_t k = 0; k + 1 < h; ++k) {
    const auto big = magnitude(e[k]) > tolerance;
    const auto start = big & (k == 0 ? big : s.last != V{} + T(k));
    s.first = start ? V{} + T(k) : s.first;
    s.d = start ? d[k] : s.d;
    s.e = start ? e[k] : s.e;
    s.last = big ? V{} + T(k + 1) : s.last;
    e_above = big ? (start ? V{} : e_last) : e_above;
    e_last = big ? e[k] : e_last;
    d_above = big ? d[k] : d_above;
    d_last = big ? d[k + 1] : d_last;
  }
  // The eigenvalue of the last 2 x 2 of B^T B that is nearer its last entry.
  const V c = d_last * d_last + e_last * e_last, b = d_above * e_last, half = (d_above * d_above + e_above * e_above - c) * T(0.5);
  const V below = half + with_sign(square_root<T>(half * half + b * b), half);
  s.shift = c - (below != 0 ? b * b / below : V{});
  if (zero_shift) s.shift = V{};
  s.begin = h;
  s.end = 0;
  for (int lane = 0; lane < kLanes<T>; ++lane) {
    if (!(s.last[lane] > 0)) continue;
    s.begin = s.begin < int64_t(s.first[lane]) ? s.begin : int64_t(s.first[lane]);
    s.end = s.end > int64_t(s.last[lane]) ? s.end : int64_t(s.last[lane]);
  }
  return s;
}

template <class V>
struct Rotation {
  V c, s, r;
};
/// c y + s z = r, c z - s y = 0, c >= 0. What is added to |y| is far below rounding (entries are of order 1) and makes y = z = 0 the identity.
template <class T>
LIERE_INLINE Rotation<Vec<T>> rotation(Vec<T> y, Vec<T> z) {
  using V = Vec<T>;
  constexpr T kNothing = sizeof(T) == 4 ? T(1e-18) : T(1e-140);
  const V size = magnitude(y) + kNothing, squares = size * size + z * z, inverse = inverse_square_root<T>(squares);
  return {size * inverse, z * with_sign(inverse, y), with_sign(squares * inverse, y)};
}

/// One sweep over the upper bidiagonal (d, e): right rotations of columns (k, k + 1), then left ones of rows. Stores tan(half angle) and sine of
/// each.
template <class T>
LIERE_INLINE void sweep(Vec<T>* d, Vec<T>* e, const Window<T>& window, Vec<T> tiny, Vec<T>* out) {
  using V = Vec<T>;
  V y{}, z{};
  for (int64_t k = window.begin; k < window.end; ++k, out += 4) {
    const V at = V{} + T(k);
    const auto start = at == window.first, inside = (at >= window.first) & (at < window.last);
    const V d_k = d[k], e_k = e[k], d_next = d[k + 1], e_next = e[k + 1];
    const V start_y = magnitude(window.d) > tiny ? window.d - window.shift / window.d : window.d;
    y = start ? start_y : y;
    z = start ? window.e : z;
    // Outside its window a lane turns (1, 0): the identity.
    const auto right = rotation<T>(inside ? y : V{} + 1, inside ? z : V{});
    if (k > 0) e[k - 1] = inside & ~start ? right.r : e[k - 1];
    const V f = right.c * d_k + right.s * e_k, e_turned = right.c * e_k - right.s * d_k, bulge = right.s * d_next, d_turned = right.c * d_next;
    const auto left = rotation<T>(inside ? f : V{} + 1, bulge);
    d[k] = inside ? left.r : d_k;
    y = left.c * e_turned + left.s * d_turned;
    d[k + 1] = left.c * d_turned - left.s * e_turned;
    const auto more = at + 1 < window.last;
    z = left.s * e_next;
    e[k] = inside ? y : e_k;
    e[k + 1] = inside & more ? left.c * e_next : e_next;
    out[0] = right.s / (1 + right.c);
    out[1] = right.s;
    out[2] = left.s / (1 + left.c);
    out[3] = left.s;
  }
}

struct SweepRange {
  int64_t begin, end;
};

/// Turns rows (k, k + 1) of w by the sweeps' rotations, entries `column`, column + 2, ...: three shears (x += t y, y -= s x, x += t y) make a
/// rotation.
template <class T, int kRows>
LIERE_INLINE void turn_entries(Vec<T>* w, int64_t stride, const Vec<T>* rotations, int64_t h, const SweepRange* ranges, int sweeps) {
  using V = Vec<T>;
  for (int j = 0; j < sweeps; ++j) {
    const V* at = rotations + j * h * 4;
    V* row = w + ranges[j].begin * stride;
    V x[kRows];
#pragma GCC unroll 8
    for (int q = 0; q < kRows; ++q) x[q] = row[2 * q];
    for (int64_t k = ranges[j].begin; k < ranges[j].end; ++k, at += 4, row += stride) {
      const V t = at[0], s = at[1];
#pragma GCC unroll 8
      for (int q = 0; q < kRows; ++q) {
        V y = row[stride + 2 * q];
        const V sheared = x[q] + t * y;
        y -= s * sheared;
        row[2 * q] = sheared + t * y;
        x[q] = y;
      }
    }
#pragma GCC unroll 8
    for (int q = 0; q < kRows; ++q) row[2 * q] = x[q];
  }
}

template <class T>
LIERE_INLINE void turn_vectors(const Spectral<T>& s, const SweepRange* ranges, int sweeps) {
  const int64_t h = s.n / 2;
  for (int side = 0; side < 2; ++side) {  // right rotations turn the u_k, left ones the v_k
    Vec<T>* const w = s.w + side * (h * s.stride + 1);
    int64_t r = 0;
    for (; r + kRowsAtOnce <= h; r += kRowsAtOnce) turn_entries<T, kRowsAtOnce>(w + 2 * r, s.stride, s.rotations + 2 * side, h, ranges, sweeps);
    for (; r + 4 <= h; r += 4) turn_entries<T, 4>(w + 2 * r, s.stride, s.rotations + 2 * side, h, ranges, sweeps);
    for (; r < h; ++r) turn_entries<T, 1>(w + 2 * r, s.stride, s.rotations + 2 * side, h, ranges, sweeps);
  }
}

/// Rounding of some 60 sweeps has left the vectors at a length of 1 + O(20 eps) and the angles with as much error. Lengths are restored, and Rayleigh
/// quotients with the bidiagonal itself, theta = u^T B v, are wrong only by the square of the vectors' errors.
template <class T>
LIERE_INLINE void refine(const Spectral<T>& s) {
  using V = Vec<T>;
  const int64_t h = s.n / 2;
  for (int64_t k = 0; k < h; ++k) {
    V *const u = s.w + k * s.stride, *const v = s.w + (h + k) * s.stride + 1;
    V u_square{}, v_square{}, product{}, before{};
    for (int64_t r = 0; r < h; ++r) {
      const V u_r = u[2 * r], v_r = v[2 * r];
      u_square += u_r * u_r;
      v_square += v_r * v_r;
      product += u_r * (before - s.off[2 * r + 1] * v_r);
      before = r + 1 < h ? s.off[2 * r + 2] * v_r : V{};
    }
    const V u_scale = inverse_square_root<T>(u_square), v_scale = inverse_square_root<T>(v_square);
    s.theta[k] = s.theta[k] == s.theta[k] ? product * u_scale * v_scale : s.theta[k];
    for (int64_t r = 0; r < h; ++r) {
      u[2 * r] *= u_scale;
      v[2 * r] *= v_scale;
    }
  }
}

/// Singular values of the bidiagonal into theta, singular vectors into w. Lanes that do not converge (never seen) become NaN.
template <class T>
LIERE_INLINE void diagonalise(const Spectral<T>& s) {
  using V = Vec<T>;
  const int64_t n = s.n, h = n / 2;
  memset(static_cast<void*>(s.w), 0, static_cast<size_t>(n * s.stride) * sizeof(V));
  for (int64_t k = 0; k < h; ++k) s.w[k * s.stride + 2 * k] = s.w[(h + k) * s.stride + 2 * k + 1] = V{} + 1;
  V *const d = s.theta, *const e = s.v;
  V largest{};
  for (int64_t k = 0; k < h; ++k) {
    d[k] = -s.off[2 * k + 1];
    e[k] = k + 1 < h ? s.off[2 * k + 2] : V{};
    const V d_k = magnitude(d[k]), e_k = magnitude(e[k]);
    largest = d_k > largest ? d_k : largest;
    largest = e_k > largest ? e_k : largest;
  }
  constexpr T kEps = sizeof(T) == 4 ? T(0x1p-23) : T(0x1p-52);
  const V tiny = largest * kEps;
  V tolerance = largest * kEps;
  SweepRange ranges[kSweepsAtOnce];
  int pending = 0;
  const int64_t most = 60 + 30 * h;
  for (int64_t count = 0; count < most; ++count) {
    const Window<T> window = find_window<T>(d, e, h, tolerance, count % 12 == 11);
    if (window.end == 0) break;
    if (count % (10 * h) == 10 * h - 1) tolerance *= 2;  // rounding may keep an entry at a few ulp for ever
    sweep<T>(d, e, window, tiny, s.rotations + pending * h * 4);
    ranges[pending++] = {window.begin, window.end};
    if (pending == kSweepsAtOnce) {
      turn_vectors<T>(s, ranges, pending);
      pending = 0;
    }
  }
  if (pending) turn_vectors<T>(s, ranges, pending);
  for (int64_t k = 0; k + 1 < h; ++k) d[k] = magnitude(e[k]) > tolerance ? V{} + T(NAN) : d[k];
  refine<T>(s);
}

}  // namespace
}  // namespace liere::LIERE_INSTRUCTION_SET
