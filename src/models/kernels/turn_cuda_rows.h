// What the GPU's turning kernels share: where rows lie, how a launch is cut into blocks, and the sum over chunks of the batch.
//
// A set is a patch token and a head with rotations of its own; its members are the (sample, head) pairs that these rotations turn: B, or B H where
// heads share them. A block of threads owns a set (or neighbouring heads of a token) and a chunk of its members; R is read once a block, rows are
// streamed. Gradients are added in place where the members are one chunk; else each chunk writes its own to the workspace and add_partials_kernel
// adds them in order. The number of chunks depends on shapes alone, so a sum is the same on every device.
#pragma once

#include "models/kernels/cuda_device.h"
#include "models/kernels/device_kernels.h"

namespace liere {
namespace turn_cuda {

/// How a launch is cut: grid (sets / heads of a block, slabs of columns, chunks).
struct Cut {
  int64_t members = 0, chunk = 0;  // members of a set, and of a chunk
  int chunks = 1;
  int heads = 1;          // neighbouring heads of a block
  float* sums = nullptr;  // the gradient, or the partial sums [chunks, gradient]
  int64_t size = 0;       // of the gradient
};

/// At least `wanted` blocks, if chunks of a multiple of `granule` members allow it.
inline Cut cut_members(int64_t members, int64_t sets, int64_t granule, int64_t wanted) {
  Cut cut;
  const int64_t most = (members + granule - 1) / granule, chunks = (wanted + sets - 1) / sets;
  const int64_t used = chunks < most ? chunks : most;
  cut.members = members;
  cut.chunk = (most + used - 1) / used * granule;
  cut.chunks = static_cast<int>((members + cut.chunk - 1) / cut.chunk);
  return cut;
}

template <class T>
int64_t members_of(const TurnPlan<T>& p) {
  return p.samples * (p.heads / p.own_heads);
}
template <class T>
int64_t gradient_size(const TurnPlan<T>& p) {
  return (p.tokens - 1) * p.own_heads * (p.block == 0 ? p.dim / 2 : p.dim * p.block);
}

/// The first element of a member's row.
template <class T>
LIERE_DEVICE int64_t row_of(const TurnPlan<T>& p, const HeadStrides& s, int64_t patch, int64_t own_head, int64_t member) {
  int64_t sample = member, head = own_head;
  if (p.own_heads != p.heads) {
    sample = static_cast<int>(member) / static_cast<int>(p.heads);
    head = member - sample * p.heads;
  }
  return sample * s.samples + head * s.heads + (patch + 1) * s.tokens;
}

LIERE_DEVICE uint4 load_16(const void* address) { return *reinterpret_cast<const uint4*>(address); }
LIERE_DEVICE void store_16(void* address, uint4 value) { *reinterpret_cast<uint4*>(address) = value; }

/// gradient += the chunks' sums, in order; four elements a thread.
static __global__ void __launch_bounds__(256) add_partials_kernel(const float* sums, int64_t size, int chunks, float* gradient) {
  const int64_t i = 4 * (blockIdx.x * int64_t{blockDim.x} + threadIdx.x);
  if (i >= size) return;
  float4 sum = *reinterpret_cast<const float4*>(gradient + i);
  for (int chunk = 0; chunk < chunks; ++chunk) {
    const float4 part = *reinterpret_cast<const float4*>(sums + chunk * size + i);
    sum = make_float4(sum.x + part.x, sum.y + part.y, sum.z + part.z, sum.w + part.w);
  }
  *reinterpret_cast<float4*>(gradient + i) = sum;
}

/// CLS of q and k from p.in to p.out, where these are not the same memory; 16 bytes a thread.
template <class T>
__global__ void __launch_bounds__(256) copy_cls_kernel(TurnPlan<T> p) {
  constexpr int kElements = 16 / sizeof(T);
  const int64_t words = p.dim / kElements, i = blockIdx.x * int64_t{blockDim.x} + threadIdx.x;
  if (i >= p.samples * p.heads * words) return;
  const int64_t row = i / words, column = i % words * kElements, sample = row / p.heads, head = row % p.heads;
  const int64_t from = sample * p.in.strides.samples + head * p.in.strides.heads + column;
  const int64_t to = sample * p.out.strides.samples + head * p.out.strides.heads + column;
  if (p.in.q != p.out.q) store_16(p.out.q + to, load_16(p.in.q + from));
  if (p.in.k != p.out.k) store_16(p.out.k + to, load_16(p.in.k + from));
}

}  // namespace turn_cuda
}  // namespace liere
