// The real spectral decomposition M = W D W^T of skew-symmetric matrices, kLanes of them side by side (one in each lane of every vector):
// W orthogonal with columns u_k, v_k; D pairs them: M v_k = theta_k u_k, M u_k = -theta_k v_k. Then exp(r M) = sum_k cos(r theta_k) (u u^T + v v^T) +
// sin(r theta_k) (u v^T - v u^T) for every r.
//
//   1  Householder reflections (Golub and Van Loan, section 8.3, skew form) take M to tridiagonal form T = Q^T M Q.
//   2  With even and odd indices apart, T = [0, B; -B^T, 0], B bidiagonal of half the side: its singular values are the theta_k. Golub and Kahan's implicit
//      QR iteration with Wilkinson's shift; each lane has its own window, rotations outside it are the identity.
//   3  The rotations build the singular vectors, the reflections carry them back: W = Q [U, V].
// Backward stable: W D W^T = M + O(eps ||M||). docs/numerics.md has the counts and the measured errors.
#pragma once

#include "models/kernels/lane_vectors.h"

namespace liere::LIERE_INSTRUCTION_SET {
namespace {

constexpr int kSweepsAtOnce = 4, kRowsAtOnce = 8;

/// Views of the scratch of one vector of matrices of even side n. Rows lie `stride` vectors apart (odd: equal columns of rows in different cache sets).
template <class T>
struct Spectral {
  int64_t n, stride;
  Vec<T>* m;      // [n, stride] in: strict lower triangle, entries of order 1; out: reflections
  Vec<T>* w;      // [n, stride] out: row k < n / 2 is u_k, row n / 2 + k is v_k
  Vec<T>* theta;  // [n / 2] out
  Vec<T>* tau;    // [n]
  Vec<T>* v;      // [2, n]
  Vec<T>* off;    // [n]
  Vec<T>* rotations;  // [kSweepsAtOnce, n / 2, 4]
};

template <class T>
constexpr T kUnderflow = sizeof(T) == 4 ? T(1e-35) : T(1e-290);

/// Rows [r0, r0 + kRows) of the leading matrix: A += v w^T - w v^T of the previous step, and y += A x of the skew matrix with that lower triangle.
template <class T, int kRows, bool kUpdate>
LIERE_INLINE void update_and_multiply(Vec<T>* a, int64_t stride, int64_t r0, const Vec<T>* old_v, const Vec<T>* old_w, const Vec<T>* x, Vec<T>* y) {
  using V = Vec<T>;
  V x_r[kRows], v_r[kRows], w_r[kRows], sum[kRows];
#pragma GCC unroll 4
  for (int q = 0; q < kRows; ++q) {
    x_r[q] = x[r0 + q];
    sum[q] = V{};
    if (kUpdate) {
      v_r[q] = old_v[r0 + q];
      w_r[q] = old_w[r0 + q];
    }
  }
  V* const rows = a + r0 * stride;
  for (int64_t c = 0; c < r0; ++c) {
    const V x_c = x[c];
    V y_c = y[c], v_c{}, w_c{};
    if (kUpdate) {
      v_c = old_v[c];
      w_c = old_w[c];
    }
#pragma GCC unroll 4
    for (int q = 0; q < kRows; ++q) {
      V value = rows[q * stride + c];
      if (kUpdate) {
        value = value + v_r[q] * w_c - w_r[q] * v_c;
        rows[q * stride + c] = value;
      }
      sum[q] += value * x_c;
      y_c -= value * x_r[q];
    }
    y[c] = y_c;
  }
#pragma GCC unroll 4
  for (int q = 1; q < kRows; ++q)
#pragma GCC unroll 4
    for (int c = 0; c < q; ++c) {
      V value = rows[q * stride + r0 + c];
      if (kUpdate) {
        value = value + v_r[q] * w_r[c] - w_r[q] * v_r[c];
        rows[q * stride + r0 + c] = value;
      }
      sum[q] += value * x_r[c];
      sum[c] -= value * x_r[q];
    }
#pragma GCC unroll 4
  for (int q = 0; q < kRows; ++q) y[r0 + q] = sum[q];
}

template <class T, bool kUpdate>
LIERE_INLINE void leading_product(Vec<T>* a, int64_t stride, int64_t size, const Vec<T>* old_v, const Vec<T>* old_w, const Vec<T>* x, Vec<T>* y) {
  int64_t r = 0;
  for (; r + 4 <= size; r += 4) update_and_multiply<T, 4, kUpdate>(a, stride, r, old_v, old_w, x, y);
  for (; r < size; ++r) update_and_multiply<T, 1, kUpdate>(a, stride, r, old_v, old_w, x, y);
}

/// off[i] = T[i, i - 1]; row i keeps the reflection I - tau[i] x x^T, x = row[0 .. i), that emptied it.
template <class T>
LIERE_INLINE void tridiagonalise(const Spectral<T>& s) {
  using V = Vec<T>;
  const int64_t n = s.n, stride = s.stride;
  const V *old_v = nullptr, *old_w = nullptr;
  for (int64_t i = n - 1; i >= 1; --i) {
    V* const row = s.m + i * stride;
    if (old_v) {
      const V v_i = old_v[i], w_i = old_w[i];
      for (int64_t c = 0; c < i; ++c) row[c] = row[c] + v_i * old_w[c] - w_i * old_v[c];
    }
    if (i == 1) break;
    V even{}, odd{};
    int64_t c = 0;
    for (; c + 2 <= i; c += 2) {
      even += row[c] * row[c];
      odd += row[c + 1] * row[c + 1];
    }
    if (c < i) even += row[c] * row[c];
    const V squares = even + odd, last = row[i - 1];
    const auto nothing = squares < kUnderflow<T>;
    const V norm = square_root<T>(squares), signed_norm = with_sign(norm, last);
    s.off[i] = nothing ? V{} : -signed_norm;
    row[i - 1] = last + signed_norm;
    s.tau[i] = nothing ? V{} : 1 / (squares + magnitude(last) * norm);
    V* const y = s.v + (i & 1) * n;
    if (old_v)
      leading_product<T, true>(s.m, stride, i, old_v, old_w, row, y);
    else
      leading_product<T, false>(s.m, stride, i, old_v, old_w, row, y);
    for (int64_t r = 0; r < i; ++r) y[r] *= s.tau[i];
    old_v = row;
    old_w = y;
  }
  s.off[1] = s.m[stride];
}

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
/// c y + s z = r, c z - s y = 0, c >= 0.
template <class T>
LIERE_INLINE Rotation<Vec<T>> rotation(Vec<T> y, Vec<T> z) {
  using V = Vec<T>;
  const V squares = y * y + z * z;
  const auto nothing = squares < kUnderflow<T>;
  const V inverse = nothing ? V{} : with_sign(inverse_square_root<T>(nothing ? V{} + 1 : squares), y);
  return {nothing ? V{} + 1 : y * inverse, z * inverse, nothing ? y : squares * inverse};
}

/// One sweep over the upper bidiagonal (d, e): right rotations of columns (k, k + 1), then left ones of rows. Stores tan(half angle) and sine of each.
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
    auto right = rotation<T>(y, z);
    right.c = inside ? right.c : V{} + 1;
    right.s = inside ? right.s : V{};
    if (k > 0) e[k - 1] = inside & ~start ? right.r : e[k - 1];
    const V f = right.c * d_k + right.s * e_k, e_turned = right.c * e_k - right.s * d_k, bulge = right.s * d_next, d_turned = right.c * d_next;
    auto left = rotation<T>(f, bulge);
    left.c = inside ? left.c : V{} + 1;
    left.s = inside ? left.s : V{};
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

/// Turns rows (k, k + 1) of w by the sweeps' rotations, entries `column`, column + 2, ...: three shears (x += t y, y -= s x, x += t y) make a rotation.
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
void turn_vectors(const Spectral<T>& s, const SweepRange* ranges, int sweeps) {
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

/// Rows [k0, k0 + kColumns) of w <- reflections i, i + 1, .. (kReflections of them, in this order) of each.
template <class T, int kReflections, int kColumns>
LIERE_INLINE void reflect(Vec<T>* w, int64_t stride, const Vec<T>* reflections, int64_t length, const Vec<T>* tau, const Vec<T> (&gram)[4][4]) {
  using V = Vec<T>;
  V dot[kReflections][kColumns] = {};
  for (int64_t r = 0; r < length; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < kColumns; ++c) {
      const V z = w[c * stride + r];
#pragma GCC unroll 4
      for (int a = 0; a < kReflections; ++a) dot[a][c] += reflections[a * stride + r] * z;
    }
  }
#pragma GCC unroll 4
  for (int a = 0; a < kReflections; ++a)
#pragma GCC unroll 4
    for (int c = 0; c < kColumns; ++c) {
#pragma GCC unroll 4
      for (int b = 0; b < a; ++b) dot[a][c] -= gram[a][b] * dot[b][c];
      dot[a][c] *= tau[a];
    }
  for (int64_t r = 0; r < length; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < kColumns; ++c) {
      V z = w[c * stride + r];
#pragma GCC unroll 4
      for (int a = 0; a < kReflections; ++a) z -= dot[a][c] * reflections[a * stride + r];
      w[c * stride + r] = z;
    }
  }
}

template <class T, int kReflections>
LIERE_INLINE void reflect_all(const Spectral<T>& s, int64_t i) {
  using V = Vec<T>;
  constexpr int kColumns = LIERE_VECTOR_BYTES == 64 ? 4 : 2;
  V* const rows = s.m + i * s.stride;
  const int64_t length = i + kReflections - 1;
  V gram[4][4] = {};
  for (int a = 0; a < kReflections; ++a) {
    for (int64_t r = i + a; r < length; ++r) rows[a * s.stride + r] = V{};
    for (int b = 0; b < a; ++b)
      for (int64_t r = 0; r < i + b; ++r) gram[a][b] += rows[a * s.stride + r] * rows[b * s.stride + r];
  }
  int64_t k = 0;
  for (; k + kColumns <= s.n; k += kColumns) reflect<T, kReflections, kColumns>(s.w + k * s.stride, s.stride, rows, length, s.tau + i, gram);
  for (; k < s.n; ++k) reflect<T, kReflections, 1>(s.w + k * s.stride, s.stride, rows, length, s.tau + i, gram);
}

template <class T>
LIERE_INLINE void transform_back(const Spectral<T>& s) {
  int64_t i = 2;
  for (; (s.n - i) % 4; ++i) reflect_all<T, 1>(s, i);
  for (; i < s.n; i += 4) reflect_all<T, 4>(s, i);
}

template <class T>
void decompose(const Spectral<T>& s) {
  tridiagonalise<T>(s);
  diagonalise<T>(s);
  transform_back<T>(s);
}

}  // namespace
}  // namespace liere::LIERE_INSTRUCTION_SET
