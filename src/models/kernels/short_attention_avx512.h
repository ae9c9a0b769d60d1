// Building blocks of short_attention.cpp on AVX512_BF16: products of small matrices out of packed operands, packing, rows of exponentials.
//
// A "pair" is two bfloat16 in one 32-bit word, the operand of VDPBF16PS (c += a0 b0 + a1 b1 per lane). Operand B of a product is packed as
// [K / 2][N] pairs along k; operand A is read pair by pair at any stride, so that a matrix packed for one product serves transposed in another.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace liere {
namespace {

#define LIERE_INLINE [[gnu::always_inline]] static inline

/// Pairs of A: element (row, k pair) at base[row * rows + k * pairs].
struct Left {
  const uint32_t* base;
  int64_t rows, pairs;
};
/// Pairs of B: [K / 2][stride].
struct Right {
  const uint32_t* base;
  int64_t stride;
};

LIERE_INLINE __m512bh as_bf16(__m512i v) { return reinterpret_cast<__m512bh&>(v); }

/// C[M rows, 16 V columns] = A B over K pairs.
template <int M, int V>
LIERE_INLINE void product_tile(Left a, Right b, int64_t k_pairs, float* c, int64_t stride) {
  __m512 sum[M][V];
  for (int m = 0; m < M; ++m)
    for (int v = 0; v < V; ++v) sum[m][v] = _mm512_setzero_ps();
  for (int64_t k = 0; k < k_pairs; ++k) {
    __m512i right[V];
    for (int v = 0; v < V; ++v) right[v] = _mm512_loadu_si512(b.base + k * b.stride + 16 * v);
    for (int m = 0; m < M; ++m) {
      const __m512i left = _mm512_set1_epi32(static_cast<int>(a.base[m * a.rows + k * a.pairs]));
      for (int v = 0; v < V; ++v) sum[m][v] = _mm512_dpbf16_ps(sum[m][v], as_bf16(left), as_bf16(right[v]));
    }
  }
  for (int m = 0; m < M; ++m)
    for (int v = 0; v < V; ++v) _mm512_storeu_ps(c + m * stride + 16 * v, sum[m][v]);
}

/// All rows of one panel of 16 V columns, kRows at a time.
template <int V>
void product_panel(Left a, Right b, int64_t rows, int64_t k_pairs, float* c, int64_t stride) {
  constexpr int kRows = V == 5 ? 5 : 6;  // accumulators and B's vectors fit the 32 registers
  int64_t row = 0;
  for (; row + kRows <= rows; row += kRows) product_tile<kRows, V>({a.base + row * a.rows, a.rows, a.pairs}, b, k_pairs, c + row * stride, stride);
  const Left rest{a.base + row * a.rows, a.rows, a.pairs};
  float* const out = c + row * stride;
  switch (rows - row) {
    case 5: return product_tile<5, V>(rest, b, k_pairs, out, stride);
    case 4: return product_tile<4, V>(rest, b, k_pairs, out, stride);
    case 3: return product_tile<3, V>(rest, b, k_pairs, out, stride);
    case 2: return product_tile<2, V>(rest, b, k_pairs, out, stride);
    case 1: return product_tile<1, V>(rest, b, k_pairs, out, stride);
    default: return;
  }
}

/// C[rows, columns] = A B, columns a multiple of 16.
LIERE_INLINE void product(Left a, Right b, int64_t rows, int64_t columns, int64_t k_pairs, float* c, int64_t stride) {
  for (int64_t column = 0; column < columns;) {
    const int64_t left = (columns - column) / 16, panels = (left + 4) / 5, take = (left + panels - 1) / panels;
    const Right part{b.base + column, b.stride};
    switch (take) {
      case 5: product_panel<5>(a, part, rows, k_pairs, c + column, stride); break;
      case 4: product_panel<4>(a, part, rows, k_pairs, c + column, stride); break;
      case 3: product_panel<3>(a, part, rows, k_pairs, c + column, stride); break;
      case 2: product_panel<2>(a, part, rows, k_pairs, c + column, stride); break;
      default: product_panel<1>(a, part, rows, k_pairs, c + column, stride); break;
    }
    column += 16 * take;
  }
}

LIERE_INLINE void transpose_16x16(__m512i r[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {  // r[4 g + i] holds column 4 l + i of rows 4 g .. 4 g + 3 in its quarter l
    t[i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0x88);
    t[4 + i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0xdd);
    t[8 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0x88);
    t[12 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0xdd);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0x88);
    r[8 + i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0xdd);
    r[4 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0x88);
    r[12 + i] = _mm512_shuffle_i32x4(t[4 + i], t[12 + i], 0xdd);
  }
}

/// x [rows, dim] bfloat16 at `stride` elements a row -> pairs along dim [dim / 2][padded], rows up to `padded` zero.
LIERE_INLINE void pack_transposed(const uint16_t* x, int64_t stride, int64_t rows, int64_t dim, int64_t padded, uint32_t* out) {
  for (int64_t row = 0; row < padded; row += 16)
    for (int64_t pair = 0; pair < dim / 2; pair += 16) {
      __m512i block[16];
      for (int64_t i = 0; i < 16; ++i) block[i] = row + i < rows ? _mm512_loadu_si512(x + (row + i) * stride + 2 * pair) : _mm512_setzero_si512();
      transpose_16x16(block);
      for (int64_t i = 0; i < 16; ++i) _mm512_storeu_si512(out + (pair + i) * padded + row, block[i]);
    }
}

/// Pairs (low[i], high[i]) of 32 columns: first 16 into out, the others behind.
LIERE_INLINE void interleave(__m512i low, __m512i high, uint32_t* out) {
  const __m512i first = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  const __m512i second = _mm512_add_epi16(first, _mm512_set1_epi16(16));
  _mm512_storeu_si512(out, _mm512_permutex2var_epi16(low, first, high));
  _mm512_storeu_si512(out + 16, _mm512_permutex2var_epi16(low, second, high));
}

/// x [rows, dim] -> pairs along rows [ceil(rows / 2)][dim]; the partner of an odd last row is zero. dim is a multiple of 32.
LIERE_INLINE void pack_rows(const uint16_t* x, int64_t stride, int64_t rows, int64_t dim, uint32_t* out) {
  for (int64_t row = 0; row < rows; row += 2)
    for (int64_t j = 0; j < dim; j += 32) {
      const __m512i high = row + 1 < rows ? _mm512_loadu_si512(x + (row + 1) * stride + j) : _mm512_setzero_si512();
      interleave(_mm512_loadu_si512(x + row * stride + j), high, out + row / 2 * dim + j);
    }
}

LIERE_INLINE __m512 from_bf16(const uint16_t* p) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))), 16));
}
LIERE_INLINE __m256i to_bf16(__m512 v) {
  const __m256bh half = _mm512_cvtneps_pbh(v);
  __m256i bits;
  memcpy(&bits, &half, sizeof(bits));
  return bits;
}
LIERE_INLINE void store_bf16(uint16_t* p, __m512 v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_bf16(v)); }

/// exp(x), x <= 0 but for rounding; the polynomial of block_kernels_body.h.
LIERE_INLINE __m512 exponential(__m512 x) {
  const __m512 low = _mm512_set1_ps(-87.0f);
  const __mmask16 vanishes = _mm512_cmp_ps_mask(x, low, _CMP_LT_OQ);
  x = _mm512_max_ps(low, x);
  const __m512 k = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m512 r = _mm512_fnmadd_ps(k, _mm512_set1_ps(0.693359375f), x);
  r = _mm512_fmadd_ps(k, _mm512_set1_ps(2.12194440e-4f), r);
  __m512 q = _mm512_fmadd_ps(r, _mm512_set1_ps(0.0013951711f), _mm512_set1_ps(0.008369599f));
  q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(0.041666187f));
  q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(0.16666513f));
  q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(0.50000001f));
  const __m512 y = _mm512_add_ps(_mm512_fmadd_ps(q, _mm512_mul_ps(r, r), r), _mm512_set1_ps(1.0f));
  return _mm512_mask_mov_ps(_mm512_scalef_ps(y, k), vanishes, _mm512_setzero_ps());
}

#undef LIERE_INLINE

}  // namespace
}  // namespace liere
