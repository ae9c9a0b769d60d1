// Pairs and blocks of side 2, 4 and 8 on a GPU, in fp32 arithmetic for every type: at most 8 multiplications an element, twice that with a gradient,
// so that memory sets the pace without tensor cores.
//
// A thread owns a group of 8 columns (8 / b blocks, 4 pairs) of one or several heads of a token, and every slots-th member; R lies in shared memory,
// the thread's share of the gradient in registers. Several heads a block where a set has few members.
#pragma once

#include "models/kernels/turn_cuda_rows.h"

namespace liere {
namespace turn_cuda {

constexpr int kSmallThreads = 256, kMostGroups = 256;

/// Eight neighbouring elements as they lie in memory.
template <class T>
struct Eight {
  static constexpr int kWords = static_cast<int>(sizeof(T)) / 2;
  uint4 words[kWords];
  LIERE_DEVICE void load(const T* from) {
#pragma unroll
    for (int i = 0; i < kWords; ++i) words[i] = load_16(from + 16 / sizeof(T) * i);
  }
  LIERE_DEVICE void store(T* to) const {
#pragma unroll
    for (int i = 0; i < kWords; ++i) store_16(to + 16 / sizeof(T) * i, words[i]);
  }
};
LIERE_DEVICE void unpack(const Eight<float>& from, float (&to)[8]) {
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    to[4 * i] = __uint_as_float(from.words[i].x);
    to[4 * i + 1] = __uint_as_float(from.words[i].y);
    to[4 * i + 2] = __uint_as_float(from.words[i].z);
    to[4 * i + 3] = __uint_as_float(from.words[i].w);
  }
}
LIERE_DEVICE void unpack(const Eight<Bfloat16Bits>& from, float (&to)[8]) {
  const uint32_t words[4] = {from.words[0].x, from.words[0].y, from.words[0].z, from.words[0].w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    to[2 * i] = __uint_as_float(words[i] << 16);
    to[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000u);
  }
}
LIERE_DEVICE void pack(const float (&from)[8], Eight<float>& to) {
#pragma unroll
  for (int i = 0; i < 2; ++i)
    to.words[i] = make_uint4(__float_as_uint(from[4 * i]), __float_as_uint(from[4 * i + 1]), __float_as_uint(from[4 * i + 2]),
                             __float_as_uint(from[4 * i + 3]));
}
LIERE_DEVICE void pack(const float (&from)[8], Eight<Bfloat16Bits>& to) {
  to.words[0] = make_uint4(narrow_pair<Bfloat16Bits>(from[0], from[1]), narrow_pair<Bfloat16Bits>(from[2], from[3]),
                           narrow_pair<Bfloat16Bits>(from[4], from[5]), narrow_pair<Bfloat16Bits>(from[6], from[7]));
}

/// Floats of the rotations, and of their gradient, for a group of 8 columns; b = 0: pairs.
template <int b>
constexpr int kGroupRotations = b == 0 ? 8 : 8 * b;
template <int b>
constexpr int kGroupGradient = b == 0 ? 4 : 8 * b;

/// y = R x, or R^T x; `rotations` holds element 4 i + (0 .. 3) of the group at [i * groups].
template <int b, bool kTransposed>
LIERE_DEVICE void turn_eight(const float (&x)[8], SharedPointer<float4> rotations, int groups, float (&y)[8]) {
  if constexpr (b == 0) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const float4 r = rotations[i * groups];  // cos, sin; cos, sin
      const float s0 = kTransposed ? -r.y : r.y, s1 = kTransposed ? -r.w : r.w;
      y[4 * i] = r.x * x[4 * i] - s0 * x[4 * i + 1];
      y[4 * i + 1] = s0 * x[4 * i] + r.x * x[4 * i + 1];
      y[4 * i + 2] = r.z * x[4 * i + 2] - s1 * x[4 * i + 3];
      y[4 * i + 3] = s1 * x[4 * i + 2] + r.z * x[4 * i + 3];
    }
  } else {
#pragma unroll
    for (int i = 0; i < 8; ++i) y[i] = 0;
#pragma unroll
    for (int i = 0; i < 2 * b; ++i) {
      const float4 r = rotations[i * groups];
      const float four[4] = {r.x, r.y, r.z, r.w};
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        const int element = 4 * i + k, row = element / b, column = element / (b * b) * b + element % b;
        if constexpr (kTransposed)
          y[column] += four[k] * x[row];
        else
          y[row] += four[k] * x[column];
      }
    }
  }
}

/// sums += d x^T in each block, or x0 d1 - x1 d0 of each pair.
template <int b>
LIERE_DEVICE void add_eight(const float (&d)[8], const float (&x)[8], float (&sums)[kGroupGradient<b>]) {
#pragma unroll
  for (int i = 0; i < kGroupGradient<b>; ++i) {
    if constexpr (b == 0)
      sums[i] += x[2 * i] * d[2 * i + 1] - x[2 * i + 1] * d[2 * i];
    else
      sums[i] += d[i / b] * x[i / (b * b) * b + i % b];
  }
}

/// The threads' sums of each group, added in the order of the slots, to the chunk's sums.
template <int b>
LIERE_DEVICE void store_small_sums(const Cut& cut, SharedPointer<float4> memory, int groups, int slots, int64_t first_group,
                                   const float (&sums)[kGroupGradient<b>]) {
  const int thread = threadIdx.x;
#pragma unroll
  for (int i = 0; i < kGroupGradient<b> / 4; ++i) {
    __syncthreads();
    memory[thread] = make_float4(sums[4 * i], sums[4 * i + 1], sums[4 * i + 2], sums[4 * i + 3]);
    __syncthreads();
    if (thread >= groups) continue;
    float4* const out = reinterpret_cast<float4*>(cut.sums + blockIdx.z * cut.size + (first_group + thread) * kGroupGradient<b> + 4 * i);
    float4 sum = cut.chunks == 1 ? *out : make_float4(0, 0, 0, 0);
    for (int slot = 0; slot < slots; ++slot) {
      const float4 part = memory[slot * groups + thread];
      sum = make_float4(sum.x + part.x, sum.y + part.y, sum.z + part.z, sum.w + part.w);
    }
    *out = sum;
  }
}

/// Members that a thread has in flight at once, and blocks of a multiprocessor. The gradient of b = 8 takes 64 registers: half the threads, twice the
/// members.
template <class T, int b, bool kGradient>
constexpr int kInFlight = (kGradient && b != 8 ? 4 : 8) / static_cast<int>(sizeof(T));
template <int b, bool kGradient>
constexpr int kSmallBlocks = b == 8 && kGradient ? 1 : 2;

template <class T, int b, bool kTransposed, bool kGradient>
__global__ void __launch_bounds__(kSmallThreads, kSmallBlocks<b, kGradient>) turn_small_kernel(TurnPlan<T> p, Cut cut) {
  constexpr int kMany = kInFlight<T, b, kGradient>;
  LIERE_DYNAMIC_SHARED(float4, memory);
  const int of_head = static_cast<int>(p.dim / 8), groups = of_head * cut.heads, slots = kSmallThreads / groups,
            parts = static_cast<int>(p.own_heads) / cut.heads;
  const int64_t patch = blockIdx.x / static_cast<unsigned>(parts), first_head = blockIdx.x % static_cast<unsigned>(parts) * int64_t{cut.heads};
  const int64_t first_group = (patch * p.own_heads + first_head) * of_head;
  constexpr int kFours = kGroupRotations<b> / 4;
  const float4* const rotations = reinterpret_cast<const float4*>(p.rotations + first_group * kGroupRotations<b>);
  for (int i = threadIdx.x; i < groups * kFours; i += kSmallThreads) memory[i % kFours * groups + i / kFours] = rotations[i];
  __syncthreads();
  const int slot = threadIdx.x / groups, group = threadIdx.x % groups;
  const int64_t head = first_head + group / of_head, column = group % of_head * 8;
  const int64_t first = blockIdx.z * cut.chunk, end = first + cut.chunk < cut.members ? first + cut.chunk : cut.members;
  float sums[kGradient ? kGroupGradient<b> : 1] = {};
  for (int64_t member = slot < slots ? first + slot : end; member < end; member += kMany * slots) {
    Eight<T> in[kMany][2], turned[kGradient ? kMany : 1][2];
#pragma unroll
    for (int i = 0; i < kMany; ++i) {
      const int64_t other = member + i * slots;
      if (other >= end) continue;
      const int64_t row = row_of(p, p.in.strides, patch, head, other) + column;
      in[i][0].load(p.in.q + row);
      in[i][1].load(p.in.k + row);
      if constexpr (kGradient) {
        const int64_t turned_row = row_of(p, p.turned.strides, patch, head, other) + column;
        turned[i][0].load(p.turned.q + turned_row);
        turned[i][1].load(p.turned.k + turned_row);
      }
    }
#pragma unroll
    for (int i = 0; i < kMany; ++i) {
      const int64_t other = member + i * slots;
      if (other >= end) continue;
      const int64_t row = row_of(p, p.out.strides, patch, head, other) + column;
#pragma unroll
      for (int part = 0; part < 2; ++part) {
        float x[8], y[8];
        unpack(in[i][part], x);
        turn_eight<b, kTransposed>(x, memory + group, groups, y);
        Eight<T> out;
        pack(y, out);
        out.store((part == 0 ? p.out.q : p.out.k) + row);
        if constexpr (kGradient) {
          unpack(turned[i][part], y);
          add_eight<b>(x, y, sums);
        }
      }
    }
  }
  if constexpr (kGradient) store_small_sums<b>(cut, memory, groups, slots, first_group, sums);
}

/// The shared memory of turn_small_kernel: the rotations, then (in their place) a float4 a thread.
template <int b>
int small_bytes(int64_t groups, bool gradient) {
  const int rotations = static_cast<int>(groups) * kGroupRotations<b> * 4, sums = gradient ? kSmallThreads * 16 : 0;
  return rotations > sums ? rotations : sums;
}

}  // namespace turn_cuda
}  // namespace liere
