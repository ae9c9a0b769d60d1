// Products of square fp32 matrices by a team of threads, for skew_exp_cuda.cu. A matrix lives spread over the team's registers, kElements a thread; what enters
// a product goes through one of two operands in shared memory:
//
//   SimtTile  fp32 multiply-adds; a thread holds kRows rows of four neighbouring columns.
//   MmaTile   tensor cores: X = hi + lo in halves, A B = lo hi + hi lo + hi hi (what is left out is 2^-22 of the factors: as good as fp32). Factors are scaled
//             by 2^8, so that the low halves of entries near 1 keep all their bits and entries up to 255 do not overflow. A warp holds 32 x 32.
//             Tensor cores cut sums off rather than rounding them, and s squarings multiply such a bias by 2^s: every 16 products are summed from zero and
//             added to the rest by an ordinary addition, which rounds (Ootomo & Yokota, "Recovering single precision accuracy from Tensor Cores").
#pragma once

#include "models/kernels/cuda_device.h"

namespace liere {

/// What both share: the team's place in shared memory, two operands of `operand` words and a few words for sums.
template <int threads, int operand>
struct TeamTile {
  static constexpr int kThreads = threads, kOperand = operand, kWords = 2 * operand + 16, kBlock = threads > 32 ? threads : 128;
  SharedPointer<float> floats;
  SharedPointer<uint32_t> words;
  int rank;

  LIERE_DEVICE void sync() const {
    if constexpr (threads > 32)
      __syncthreads();
    else
      __syncwarp();
  }
  /// Over the team, in every thread; in a fixed order.
  template <bool maximum>
  LIERE_DEVICE float combine(float value) const {
    for (int mask = (threads < 32 ? threads : 32) / 2; mask > 0; mask /= 2) value = both<maximum>(value, shuffle_xor(value, mask));
    if constexpr (threads > 32) {
      if (rank % 32 == 0) floats[2 * operand + rank / 32] = value;
      sync();
      value = floats[2 * operand];
      for (int warp = 1; warp < threads / 32; ++warp) value = both<maximum>(value, floats[2 * operand + warp]);
      sync();
    }
    return value;
  }

 private:
  template <bool maximum>
  static LIERE_DEVICE float both(float a, float b) {
    return !maximum ? a + b : a > b ? a : b;
  }
};

template <int side, int rows>
struct SimtTile : TeamTile<side / rows * (side / 4), side * (side + 4)> {
  using Team = TeamTile<side / rows * (side / 4), side * (side + 4)>;
  static constexpr int kSide = side, kElements = 4 * rows, kStride = side + 4, kScratchStride = kStride, kSeries = 15, kBlocks = side == 64 ? 2 : side == 32 ? 8 : 4;

  LIERE_DEVICE int row(int e) const { return this->rank / (side / 4) + side / rows * (e / 4); }
  LIERE_DEVICE int column(int e) const { return this->rank % (side / 4) * 4 + e % 4; }

  LIERE_DEVICE void store(int operand, const float (&x)[kElements]) const {
#pragma unroll
    for (int e = 0; e < kElements; e += 4)
      *reinterpret_cast<float4*>(raw(this->floats + (operand * Team::kOperand + row(e) * kStride + column(e)), 4)) = make_float4(x[e], x[e + 1], x[e + 2], x[e + 3]);
  }

  /// out = left right, or left right^T.
  template <bool transposed>
  LIERE_DEVICE void product(float (&out)[kElements], int left, int right) const {
#pragma unroll
    for (int e = 0; e < kElements; ++e) out[e] = 0;
#pragma unroll 2
    for (int k = 0; k < side; k += 4) {
      float b[4][4];  // [k][column]
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float4 four = four_at(right, transposed ? column(i) : k + i, transposed ? k : column(0));
        const float values[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
        for (int j = 0; j < 4; ++j) (transposed ? b[j][i] : b[i][j]) = values[j];
      }
#pragma unroll
      for (int r = 0; r < rows; ++r) {
        const float4 four = four_at(left, row(4 * r), k);
        const float a[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
        for (int i = 0; i < 4; ++i)
#pragma unroll
          for (int j = 0; j < 4; ++j) out[4 * r + j] += a[i] * b[i][j];
      }
    }
  }

 private:
  LIERE_DEVICE float4 four_at(int operand, int r, int c) const {
    return *reinterpret_cast<const float4*>(raw(this->floats + (operand * Team::kOperand + r * kStride + c), 4));
  }
};

template <int side>
struct MmaTile : TeamTile<side * side / 32, side * (side + 8)> {
  using Team = TeamTile<side * side / 32, side * (side + 8)>;
  // A row of halves is followed by 16 bytes: ldmatrix reads eight rows without bank conflicts.
  static constexpr int kSide = side, kElements = 32, kStride = side / 2 + 4, kHalf = side * kStride, kScratchStride = side + 1, kSeries = 12, kBlocks = 3;
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
      this->words[at + kHalf] = narrow_pair<HalfBits>(low - widen(HalfBits{static_cast<uint16_t>(pair)}), high - widen(HalfBits{static_cast<uint16_t>(pair >> 16)}));
    }
  }

  template <bool transposed>
  LIERE_DEVICE void product(float (&out)[kElements], int left, int right) const {
    const int lane = this->rank % 32, r8 = lane % 8, second = lane / 8 % 2 * 8, third = lane / 16 * 8;
    const int left_at = left * Team::kOperand + (row(0) - lane / 4 + second + r8) * kStride + third / 2, first_column = column(0) - lane % 4 * 2;
    const int right_at = right * Team::kOperand + (transposed ? (first_column + third + r8) * kStride + second / 2 : (second + r8) * kStride + (first_column + third) / 2);
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
