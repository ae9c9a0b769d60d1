// Householder's reduction of skew-symmetric matrices to tridiagonal form, T = Q^T M Q, and the way back, W <- Q W; a matrix in each lane
// (Golub and Van Loan, section 8.3). With H = I - tau v v^T and w = tau A v, v^T A v = 0 gives H A H = A + v w^T - w v^T: one pass over the lower
// triangle updates it and multiplies it by the next v. On the way back four reflections are applied to four columns at a time.
#pragma once

#include "models/kernels/lane_vectors.h"

namespace liere::LIERE_INSTRUCTION_SET {
namespace {

constexpr int kSweepsAtOnce = 4, kRowsAtOnce = 8;

/// Views of the scratch of one vector of matrices of even side n. Rows lie `stride` vectors apart (odd: equal columns of rows in different cache
/// sets).
template <class T>
struct Spectral {
  int64_t n, stride;
  Vec<T>* m;          // [n, stride] in: strict lower triangle, entries of order 1; out: reflections
  Vec<T>* w;          // [n, stride] out: row k < n / 2 is u_k, row n / 2 + k is v_k
  Vec<T>* theta;      // [n / 2] out
  Vec<T>* tau;        // [n]
  Vec<T>* v;          // [2, n]
  Vec<T>* off;        // [n]
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

}  // namespace
}  // namespace liere::LIERE_INSTRUCTION_SET
