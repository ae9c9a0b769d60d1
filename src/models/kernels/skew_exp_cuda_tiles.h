// Products of square fp32 matrices by a team of threads, for skew_exp_cuda.cu. A matrix lives spread over the team's registers, kElements a thread;
// what enters a product goes through one of two operands in shared memory:
//
//   SimtTile  fp32 multiply-adds; a thread holds kRows rows of four neighbouring columns.
//   MmaTile   tensor cores (skew_exp_cuda_mma.h).
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
struct SimtTile : TeamTile<side / rows*(side / 4), side*(side + 4)> {
  using Team = TeamTile<side / rows*(side / 4), side*(side + 4)>;
  static constexpr int kSide = side, kElements = 4 * rows, kStride = side + 4, kScratchStride = kStride, kSeries = 15,
                       kBlocks = side == 64   ? 2
                                 : side == 32 ? 8
                                              : 4;

  LIERE_DEVICE int row(int e) const { return this->rank / (side / 4) + side / rows * (e / 4); }
  LIERE_DEVICE int column(int e) const { return this->rank % (side / 4) * 4 + e % 4; }

  LIERE_DEVICE void store(int operand, const float (&x)[kElements]) const {
#pragma unroll
    for (int e = 0; e < kElements; e += 4)
      *reinterpret_cast<float4*>(raw(this->floats + (operand * Team::kOperand + row(e) * kStride + column(e)), 4)) =
          make_float4(x[e], x[e + 1], x[e + 2], x[e + 3]);
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

}  // namespace liere
