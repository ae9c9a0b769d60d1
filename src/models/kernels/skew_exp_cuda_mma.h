// Products of square fp32 matrices on tensor cores, for skew_exp_cuda.cu (skew_exp_cuda_tiles.h has what all tiles share): X = hi + lo in halves,
// A B = lo hi + hi lo + hi hi; what is left out is 2^-22 of the factors, as good as fp32. Factors are scaled by 2^8, so that the low halves of
// entries near 1 keep all their bits and entries up to 255 do not overflow. A warp holds 32 x 32. Tensor cores cut sums off rather than rounding
// them, and s squarings multiply such a bias by 2^s: every 16 products are summed from zero and added to the rest by an ordinary addition, which
// rounds (H. Ootomo and R. Yokota, "Recovering single precision accuracy from Tensor Cores while surpassing the FP32 theoretical peak performance",
// 2022).
#pragma once

#include "models/kernels/skew_exp_cuda_tiles.h"

namespace liere {

// Blocks of MmaTile that a multiprocessor shall hold: three where the compiler then needs no memory beside its 168 registers.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ != 800 && __CUDA_ARCH__ != 900
constexpr int kMmaBlocks = 2;
#else
constexpr int kMmaBlocks = 3;
#endif

template <int side>
struct MmaTile : TeamTile<side * side / 32, side*(side + 8)> {
  using Team = TeamTile<side * side / 32, side*(side + 8)>;
  // A row of halves is followed by 16 bytes: ldmatrix reads eight rows without bank conflicts.
  static constexpr int kSide = side, kElements = 32, kStride = side / 2 + 4, kHalf = side * kStride, kScratchStride = side + 1, kSeries = 12,
                       kBlocks = kMmaBlocks;
  static constexpr float kScale = 256;

  LIERE_DEVICE int row(int e) const { return this->rank / 32 / (side / 32) * 32 + e / 16 * 16 + this->rank % 32 / 4 + e % 4 / 2 * 8; }
  LIERE_DEVICE int column(int e) const { return this->rank / 32 % (side / 32) * 32 + e / 4 % 4 * 8 + this->rank % 4 * 2 + e % 2; }

  LIERE_DEVICE void store(int operand, const float (&x)[kElements]) const {
#pragma unroll
    for (int e = 0; e < kElements; e += 2) {
      const float low = kScale * x[e], high = kScale * x[e + 1];
      const uint32_t pair = narrow_pair<HalfBits>(low, high);
      const int at = operand * Team::kOperand + row(e) * kStride + column(e) / 2;
      this->words[at] = pair;
      this->words[at + kHalf] =
          narrow_pair<HalfBits>(low - widen(HalfBits{static_cast<uint16_t>(pair)}), high - widen(HalfBits{static_cast<uint16_t>(pair >> 16)}));
    }
  }

  template <bool transposed>
  LIERE_DEVICE void product(float (&out)[kElements], int left, int right) const {
    const int lane = this->rank % 32, r8 = lane % 8, second = lane / 8 % 2 * 8, third = lane / 16 * 8;
    const int left_at = left * Team::kOperand + (row(0) - lane / 4 + second + r8) * kStride + third / 2, first_column = column(0) - lane % 4 * 2;
    const int right_at = right * Team::kOperand +
                         (transposed ? (first_column + third + r8) * kStride + second / 2 : (second + r8) * kStride + (first_column + third) / 2);
#pragma unroll
    for (int e = 0; e < kElements; ++e) out[e] = 0;
#pragma unroll 1
    for (int k = 0; k < side; k += 16) {
      uint32_t a[2][2][4];  // [rows][high, low]
#pragma unroll
      for (int m = 0; m < 2; ++m)
#pragma unroll
        for (int h = 0; h < 2; ++h) load_matrices(a[m][h], this->words + (left_at + 16 * m * kStride + k / 2 + h * kHalf));
#pragma unroll
      for (int n = 0; n < 2; ++n) {
        uint32_t four[2][4];
#pragma unroll
        for (int h = 0; h < 2; ++h) {
          if constexpr (transposed)
            load_matrices(four[h], this->words + (right_at + 16 * n * kStride + k / 2 + h * kHalf));
          else
            load_matrices_transposed(four[h], this->words + (right_at + k * kStride + 8 * n + h * kHalf));
        }
        float sum[2][2][4] = {};
#pragma unroll
        for (int pass = 0; pass < 3; ++pass)
#pragma unroll
          for (int m = 0; m < 2; ++m)
#pragma unroll
            for (int i = 0; i < 2; ++i) {
              const uint32_t b[2] = {four[pass == 1][2 * i], four[pass == 1][2 * i + 1]};
              mma_half(sum[m][i], a[m][pass == 0], b);
            }
#pragma unroll
        for (int m = 0; m < 2; ++m)
#pragma unroll
          for (int i = 0; i < 8; ++i) out[16 * m + 8 * n + i] += sum[m][i / 4][i % 4];
      }
    }
#pragma unroll
    for (int e = 0; e < kElements; ++e) out[e] *= 1 / (kScale * kScale);
  }
};

}  // namespace liere
