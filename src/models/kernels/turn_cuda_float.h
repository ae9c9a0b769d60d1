// Blocks of side 16, 32 and 64 in float on a GPU, in fp32 arithmetic: b multiplications an element, so that arithmetic, not memory, sets the pace at
// b = 64.
//
// A block of 256 threads owns 64 columns (a slab) of a set. Stages of 32 members (64 rows: queries, then keys) come through shared memory by
// cp.async, two deep; a thread makes 4 rows x 4 columns of the result and 4 rows x b / 16 columns of the slab's gradient.
#pragma once

#include "models/kernels/turn_cuda_rows.h"

namespace liere {
namespace turn_cuda {

constexpr int kFloatThreads = 256, kFloatMembers = 32, kFloatRows = 64, kFloatSlab = 64, kPitch = 68, kFloatStages = 2;
constexpr int kMatrixElements = kFloatRows * kPitch;
template <int b, bool kGradient>
constexpr int kFloatBytes = 4 * (b * kPitch + kFloatStages * (kGradient ? 2 : 1) * kMatrixElements);

/// Four neighbouring floats of shared memory.
LIERE_DEVICE float4 four_of(SharedPointer<float> from) { return *reinterpret_cast<const float4*>(raw(from, 4)); }

/// Queues a stage's copies of one tensor. Rows past the chunk become zeros.
LIERE_DEVICE void copy_rows(const TurnPlan<float>& p, const QueriesKeys<const float>& from, int64_t patch, int64_t head, int64_t column,
                            int64_t first, int64_t end, SharedPointer<float> to) {
  const int four = threadIdx.x % 16 * 4;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int row = threadIdx.x / 16 + 16 * i;
    const int64_t member = first + row % kFloatMembers;
    const auto at = to + (row * kPitch + four);
    if (member < end)
      copy_async(at, (row < kFloatMembers ? from.q : from.k) + row_of(p, from.strides, patch, head, member) + column + four);
    else
      *reinterpret_cast<float4*>(raw(at, 4)) = make_float4(0, 0, 0, 0);
  }
}

LIERE_DEVICE void add_multiple(float4& sum, float factor, const float4& x) {
  sum = make_float4(sum.x + factor * x.x, sum.y + factor * x.y, sum.z + factor * x.z, sum.w + factor * x.w);
}

/// Rows 4 i .. 4 i + 3 (i = thread / 16) times the matrix of `rotations` [b, 64], columns n .. n + 3 (n = thread % 16 * 4).
template <int b>
LIERE_DEVICE void multiply_rows(SharedPointer<float> rows, SharedPointer<float> rotations, float4 (&sums)[4]) {
  const int n = threadIdx.x % 16 * 4, row = threadIdx.x / 16 * 4;
#pragma unroll 4
  for (int k = 0; k < b; k += 4) {
    const float4 r[4] = {four_of(rotations + (k * kPitch + n)), four_of(rotations + ((k + 1) * kPitch + n)),
                         four_of(rotations + ((k + 2) * kPitch + n)), four_of(rotations + ((k + 3) * kPitch + n))};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float4 x = four_of(rows + ((row + i) * kPitch + n / b * b + k));
      add_multiple(sums[i], x.x, r[0]);
      add_multiple(sums[i], x.y, r[1]);
      add_multiple(sums[i], x.z, r[2]);
      add_multiple(sums[i], x.w, r[3]);
    }
  }
}

template <int b, bool kTransposed, bool kGradient>
__global__ void __launch_bounds__(kFloatThreads, 2) turn_float_kernel(TurnPlan<float> p, Cut cut) {
  LIERE_DYNAMIC_SHARED(float, memory);
  constexpr int kWidth = b / 16, kStage = (kGradient ? 2 : 1) * kMatrixElements;
  const auto stages = memory + b * kPitch;
  const int thread = threadIdx.x, n = thread % 16 * 4, four_rows = thread / 16 * 4;
  const int64_t patch = blockIdx.x / static_cast<unsigned>(p.own_heads), head = blockIdx.x % static_cast<unsigned>(p.own_heads);
  const int64_t first = blockIdx.z * cut.chunk, end = first + cut.chunk < cut.members ? first + cut.chunk : cut.members;
  const int64_t column = blockIdx.y * int64_t{kFloatSlab}, matrix = (blockIdx.x * p.dim + column) * b;
  const auto copy = [&](int64_t from, int buffer) {
    copy_rows(p, p.in, patch, head, column, from, end, stages + buffer * kStage);
    if constexpr (kGradient) copy_rows(p, p.turned, patch, head, column, from, end, stages + (buffer * kStage + kMatrixElements));
    copy_async_commit();
  };
  copy(first, 0);
  for (int i = thread; i < kFloatSlab * b; i += kFloatThreads) {  // row i / b of the slab's rotations
    const int row = i / b, k = i % b;
    memory[kTransposed ? row % b * kPitch + row / b * b + k : k * kPitch + row] = p.rotations[matrix + i];
  }
  float sums[4][kWidth] = {};
  const int x_column = four_rows / b * b + thread % 16 * kWidth;
  int buffer = 0;
  for (int64_t from = first; from < end; from += kFloatMembers) {
    copy_async_wait<0>();
    __syncthreads();
    copy(from + kFloatMembers, 1 - buffer);
    const auto d = stages + buffer * kStage;
    float4 turned[4] = {make_float4(0, 0, 0, 0), make_float4(0, 0, 0, 0), make_float4(0, 0, 0, 0), make_float4(0, 0, 0, 0)};
    multiply_rows<b>(d, memory, turned);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int row = four_rows + i;
      const int64_t member = from + row % kFloatMembers;
      if (member >= end) continue;
      float* const out = (row < kFloatMembers ? p.out.q : p.out.k) + row_of(p, p.out.strides, patch, head, member) + column + n;
      *reinterpret_cast<float4*>(out) = turned[i];
    }
    if constexpr (kGradient) {
      const auto x = d + kMatrixElements;
#pragma unroll 4
      for (int row = 0; row < kFloatRows; ++row) {
        const float4 left = four_of(d + (row * kPitch + four_rows));
        const float of_d[4] = {left.x, left.y, left.z, left.w};
#pragma unroll
        for (int j = 0; j < kWidth; ++j) {
          const float right = x[row * kPitch + x_column + j];
#pragma unroll
          for (int i = 0; i < 4; ++i) sums[i][j] += of_d[i] * right;
        }
      }
    }
    buffer = 1 - buffer;
  }
  if constexpr (kGradient) {
    float* const out = cut.sums + blockIdx.z * cut.size + matrix + four_rows * b + thread % 16 * kWidth;
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int j = 0; j < kWidth; ++j) out[i * b + j] = (cut.chunks == 1 ? out[i * b + j] : 0.0f) + sums[i][j];
  }
}

}  // namespace turn_cuda
}  // namespace liere
