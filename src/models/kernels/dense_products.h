// Products of one matrix with another for blocks beyond 8: row-major squares whose rows are padded to whole vectors, held in the first caches.
//
//   out = A^T B, whole or the tiles that reach the upper triangle (skew and symmetric results)
//
// Both operands are read row by row: A^T B = sum_k (row k of A)^T (row k of B), so no operand is packed or transposed.
#pragma once

#include "models/kernels/lane_vectors.h"

namespace liere::LIERE_INSTRUCTION_SET {
namespace {

template <class T>
constexpr int kTileRows = kLanes<T> < 8 ? kLanes<T> : 8;

/// Rows [i, i + kTileRows), kColumns vectors from column j.
template <class T, int kColumns>
LIERE_INLINE void product_tile(const T* a, const T* b, int64_t stride, int64_t inner, T* out, int64_t out_stride) {
  constexpr int kRows = kTileRows<T>;
  Vec<T> sum[kRows][kColumns] = {};
  for (int64_t k = 0; k < inner; ++k, a += stride, b += stride) {
    Vec<T> row[kColumns];
#pragma GCC unroll 4
    for (int c = 0; c < kColumns; ++c) row[c] = load(b + c * kLanes<T>);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
      for (int c = 0; c < kColumns; ++c) sum[r][c] += a[r] * row[c];
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int c = 0; c < kColumns; ++c) store(out + r * out_stride + c * kLanes<T>, sum[r][c]);
}

/// out [n, out_stride] = A^T B for A, B [inner, stride]; n is a multiple of kTileRows, stride and out_stride of kLanes. kUpper: only tiles that hold
/// entries on or above the diagonal are written.
template <class T, bool kUpper>
void product(const T* a, const T* b, int64_t n, int64_t stride, int64_t inner, T* out, int64_t out_stride) {
  constexpr int kL = kLanes<T>;
  const int64_t columns = (n + kL - 1) / kL;
  for (int64_t i = 0; i < n; i += kTileRows<T>) {
    int64_t c = kUpper ? i / kL : 0;
    T* const to = out + i * out_stride;
    if constexpr (LIERE_VECTOR_BYTES == 64)
      if ((columns - c) % 2 && columns - c >= 3) {
        product_tile<T, 3>(a + i, b + c * kL, stride, inner, to + c * kL, out_stride);
        c += 3;
      }
    for (; c + 2 <= columns; c += 2) product_tile<T, 2>(a + i, b + c * kL, stride, inner, to + c * kL, out_stride);
    if (c < columns) product_tile<T, 1>(a + i, b + c * kL, stride, inner, to + c * kL, out_stride);
  }
}

/// Rows and columns [0, n) of a padded square, n a multiple of kTileRows: out = a^T.
template <class T>
void transpose(const T* a, int64_t n, int64_t stride, T* out) {
  constexpr int kL = kLanes<T>;
  for (int64_t i = 0; i < n; i += kL)
    for (int64_t j = 0; j < n; j += kL) {
      const int rows_in = static_cast<int>(n - i < kL ? n - i : kL), rows_out = static_cast<int>(n - j < kL ? n - j : kL);
      Vec<T> square[kL];
#pragma GCC unroll 16
      for (int r = 0; r < kL; ++r) square[r] = r < rows_in ? load(a + (i + r) * stride + j) : Vec<T>{};
      transpose_square<T>(square);
#pragma GCC unroll 16
      for (int r = 0; r < kL; ++r)
        if (r < rows_out) store(out + (j + r) * stride + i, square[r]);
    }
}

}  // namespace
}  // namespace liere::LIERE_INSTRUCTION_SET
