// Blocks of side 16, 32 and 64 in bfloat16 on tensor cores (mma m16n8k16; R is rounded to bfloat16 once); of side 8 with a gradient, whose 64 sums a
// thread of turn_cuda_small.h would leave too few warps.
//
// A block of threads owns 64 columns (a slab) of a set. A warp's tile is 8 members: their queries are rows 0..7, their keys rows 8..15. The order of
// the summed index k is free, and so is that of the outputs: lane (g, t) takes 8 neighbouring elements of row g, 32 c + 8 t + 4 s + 2 i and the next
// being its words i of step s, so that rows go between memory and fragments in 16-byte accesses; the fragments of R are laid out in shared memory to
// match. Sides below 64 are turned as 32x32 matrices (zeros beside smaller blocks: a NaN reaches its 32 columns).
//
// With a gradient, stages of 32 members come through shared memory by cp.async, three deep: warp w turns 8 members, and owns rows 16 w .. 16 w + 15
// of X' = sum of d^T x, whose operands are read transposed (ldmatrix.trans) from the same memory.
#pragma once

#include "models/kernels/turn_cuda_rows.h"

namespace liere {
namespace turn_cuda {

constexpr int kSlab = 64, kMmaThreads = 128, kTileMembers = 8, kStageMembers = 32, kStages = 3;

template <int b>
constexpr int kRotationBytes = kSlab*(b == 64 ? 64 : 32) * 2;
constexpr int kStageElements = 2 * 2 * kStageMembers * kSlab;  // d and x, q and k
template <int b>
constexpr int kGradientBytes = kRotationBytes<b> + kStages* kStageElements * 2;

/// Word of the fragments that holds elements k, k + 1 of column n of the matrix that rows are multiplied with.
template <int b>
LIERE_DEVICE int word_of(int n, int k) {
  const int j = n % 8 / 2, g = n % 32 / 8 * 2 + n % 2, t = k % 32 / 8, word = k % 8 / 2;
  const int unit = b == 64 ? (n / 32 * 4 + j) * 2 + k / 32 : n / 32 * 4 + j;
  return (unit * 32 + 4 * g + t) * 4 + word;
}

/// The slab's rotations [64 / b, b, b] as fragments: x R^T, or x R.
template <int b, bool kTransposed>
LIERE_DEVICE void stage_rotations(const float* rotations, SharedPointer<uint32_t> words) {
  constexpr int kDepth = b == 64 ? 64 : 32;
  if constexpr (kTransposed) {
#pragma unroll 4
    for (int item = threadIdx.x; item < kSlab * kDepth / 8; item += kMmaThreads) {
      // A warp reads 32 bytes of each of 32 rows: words of all 16 pairs of k lie in 16 banks.
      const int eight = item / 32, n = (b == 64 ? eight / 2 : eight) * 8 + item % 2 * 4;
      const int k = (b == 64 ? eight % 2 : n / 32) * 32 + item / 2 % 16 * 2;
      float4 low = make_float4(0, 0, 0, 0), high = low;
      if (n / b == k / b) {
        low = *reinterpret_cast<const float4*>(rotations + k * b + n % b);
        high = *reinterpret_cast<const float4*>(rotations + (k + 1) * b + n % b);
      }
      words[word_of<b>(n, k)] = narrow_pair<Bfloat16Bits>(low.x, high.x);
      words[word_of<b>(n + 1, k)] = narrow_pair<Bfloat16Bits>(low.y, high.y);
      words[word_of<b>(n + 2, k)] = narrow_pair<Bfloat16Bits>(low.z, high.z);
      words[word_of<b>(n + 3, k)] = narrow_pair<Bfloat16Bits>(low.w, high.w);
    }
  } else {
#pragma unroll 4
    for (int item = threadIdx.x; item < kSlab * kDepth / 4; item += kMmaThreads) {
      const int n = item / (kDepth / 4), k = (b == 64 ? 0 : n / 32 * 32) + item % (kDepth / 4) * 4;
      float4 four = make_float4(0, 0, 0, 0);
      if (n / b == k / b) four = *reinterpret_cast<const float4*>(rotations + n * b + k % b);
      words[word_of<b>(n, k)] = narrow_pair<Bfloat16Bits>(four.x, four.y);
      words[word_of<b>(n, k + 2)] = narrow_pair<Bfloat16Bits>(four.z, four.w);
    }
  }
}

/// A lane's share of a tile: 8 elements of the query and the key in each half of the slab.
struct Tile {
  uint4 q[2], k[2];
};

LIERE_DEVICE void multiply(float (&sum)[4], const uint4& q, const uint4& k, const uint4& r) {
  const uint32_t first[4] = {q.x, k.x, q.y, k.y}, second[4] = {q.z, k.z, q.w, k.w}, r_first[2] = {r.x, r.y}, r_second[2] = {r.z, r.w};
  mma_bfloat16(sum, first, r_first);
  mma_bfloat16(sum, second, r_second);
}

template <int b>
LIERE_DEVICE void turn_half(const Tile& in, SharedPointer<uint4> fragments, int lane, int half, uint4& q, uint4& k) {
  uint32_t words[2][4];
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    float sum[4] = {0, 0, 0, 0};
    if constexpr (b == 64) {
      const int unit = (half * 4 + j) * 2;
      multiply(sum, in.q[0], in.k[0], fragments[unit * 32 + lane]);
      multiply(sum, in.q[1], in.k[1], fragments[(unit + 1) * 32 + lane]);
    } else {
      multiply(sum, in.q[half], in.k[half], fragments[(half * 4 + j) * 32 + lane]);
    }
    words[0][j] = narrow_pair<Bfloat16Bits>(sum[0], sum[1]);
    words[1][j] = narrow_pair<Bfloat16Bits>(sum[2], sum[3]);
  }
  q = make_uint4(words[0][0], words[0][1], words[0][2], words[0][3]);
  k = make_uint4(words[1][0], words[1][1], words[1][2], words[1][3]);
}

/// What a block works on.
struct Place {
  int64_t patch, head, first, end, column, matrix;  // matrix: of the slab's rotations and their gradient
  LIERE_DEVICE Place(const TurnPlan<Bfloat16Bits>& p, const Cut& cut) {
    patch = blockIdx.x / static_cast<unsigned>(p.own_heads);
    head = blockIdx.x % static_cast<unsigned>(p.own_heads);
    first = blockIdx.z * cut.chunk;
    end = first + cut.chunk < cut.members ? first + cut.chunk : cut.members;
    column = blockIdx.y * int64_t{kSlab};
    matrix = (blockIdx.x * p.dim + column) * p.block;
  }
};

/// Turns a tile and stores it; `out` is the lane's place in its row.
template <int b>
LIERE_DEVICE void turn_tile(const Tile& in, SharedPointer<uint4> fragments, int lane, bool stored, Bfloat16Bits* q_out, Bfloat16Bits* k_out) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    uint4 q, k;
    turn_half<b>(in, fragments, lane, half, q, k);
    if (!stored) continue;
    store_16(q_out + 32 * half, q);
    store_16(k_out + 32 * half, k);
  }
}

LIERE_DEVICE Tile load_tile(const TurnPlan<Bfloat16Bits>& p, const Place& place, int64_t member, int64_t column) {
  Tile tile;
  tile.q[0] = tile.q[1] = tile.k[0] = tile.k[1] = make_uint4(0, 0, 0, 0);
  if (member >= place.end) return tile;
  const int64_t row = row_of(p, p.in.strides, place.patch, place.head, member) + column;
  for (int half = 0; half < 2; ++half) {
    tile.q[half] = load_16(p.in.q + row + 32 * half);
    tile.k[half] = load_16(p.in.k + row + 32 * half);
  }
  return tile;
}

template <int b, bool kTransposed>
__global__ void __launch_bounds__(kMmaThreads, 4) turn_mma_kernel(TurnPlan<Bfloat16Bits> p, Cut cut) {
  LIERE_DYNAMIC_SHARED(uint32_t, words);
  LIERE_DYNAMIC_SHARED(uint4, fragments);
  const Place place(p, cut);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int64_t column = place.column + 8 * (lane % 4);
  int64_t member = place.first + kTileMembers * warp + lane / 4;
  Tile next = load_tile(p, place, member, column);
  stage_rotations<b, kTransposed>(p.rotations + place.matrix, words);
  __syncthreads();
  for (int64_t tile = place.first + kTileMembers * warp; tile < place.end; tile += kStageMembers) {
    const Tile now = next;
    next = load_tile(p, place, member + kStageMembers, column);
    const int64_t out = row_of(p, p.out.strides, place.patch, place.head, member) + column;
    turn_tile<b>(now, fragments, lane, member < place.end, p.out.q + out, p.out.k + out);
    member += kStageMembers;
  }
}

/// Element of a stage's matrix [64 rows, 64 columns] where 8 elements of `row` begin; both 16-byte reads by rows and ldmatrix.trans are free of
/// conflicts.
LIERE_DEVICE int stage_element(int row, int eight) { return row * kSlab + ((eight ^ (row % 2 * 4 + row / 2 % 4)) * 8); }

/// Queues a stage's copies: 8 of 16 bytes a thread. Rows past the chunk become zeros.
LIERE_DEVICE void copy_stage(const TurnPlan<Bfloat16Bits>& p, const Place& place, int64_t first, SharedPointer<Bfloat16Bits> stage) {
  const int eight = threadIdx.x % 8, line = threadIdx.x / 8;  // line: of 16, queries before keys
  const Bfloat16Bits *const d = line < 8 ? p.in.q : p.in.k, *const x = line < 8 ? p.turned.q : p.turned.k;
  const int64_t column = place.column + 8 * eight;
#pragma unroll
  for (int tile = 0; tile < 4; ++tile) {
    const int64_t member = first + kTileMembers * tile + line % 8;
    const int at = stage_element(16 * tile + line, eight), of_x = kStageElements / 2;
    if (member < place.end) {
      copy_async(stage + at, d + row_of(p, p.in.strides, place.patch, place.head, member) + column);
      copy_async(stage + at + of_x, x + row_of(p, p.turned.strides, place.patch, place.head, member) + column);
    } else {
      store_16(raw(stage + at, 8), make_uint4(0, 0, 0, 0));
      store_16(raw(stage + at + of_x, 8), make_uint4(0, 0, 0, 0));
    }
  }
}

/// Columns that a warp sums its 16 rows over: of two blocks of 8 the diagonal is kept.
template <int b>
constexpr int kSummed = b < 16 ? 16 : b;

/// Adds 16 rows (tile `tile` of the stage) to the warp's sums.
template <int b>
LIERE_DEVICE void add_products(SharedPointer<Bfloat16Bits> stage, int tile, int warp, int lane, float (&sums)[kSummed<b> / 8][4]) {
  uint32_t d[4];
  load_matrices_transposed(d, stage + stage_element(16 * tile + lane % 8 + lane / 16 * 8, 2 * warp + lane / 8 % 2));
  const auto x = stage + kStageElements / 2;
#pragma unroll
  for (int pair = 0; pair < kSummed<b> / 16; ++pair) {
    uint32_t four[4];
    load_matrices_transposed(four, x + stage_element(16 * tile + lane % 16, 16 * warp / kSummed<b> * (kSummed<b> / 8) + 2 * pair + lane / 16));
    const uint32_t left[2] = {four[0], four[1]}, right[2] = {four[2], four[3]};
    mma_bfloat16(sums[2 * pair], d, left);
    mma_bfloat16(sums[2 * pair + 1], d, right);
  }
}

/// The warp's 16 rows of the slab's gradient to the chunk's sums.
template <int b>
LIERE_DEVICE void store_sums(const Cut& cut, int64_t matrix, int warp, int lane, const float (&sums)[kSummed<b> / 8][4]) {
  float* const out = cut.sums + blockIdx.z * cut.size + matrix + (16 * warp + lane / 4) * b + 2 * (lane % 4);
#pragma unroll
  for (int half = 0; half < 2; ++half)
#pragma unroll
    for (int n = 0; n < kSummed<b> / 8; ++n) {
      if (b < 16 && n != half) continue;
      float2* const two = reinterpret_cast<float2*>(out + 8 * half * b + (b < 16 ? 0 : 8 * n));
      float2 value = make_float2(sums[n][2 * half], sums[n][2 * half + 1]);
      if (cut.chunks == 1) {
        const float2 before = *two;
        value = make_float2(before.x + value.x, before.y + value.y);
      }
      *two = value;
    }
}

template <int b>
__global__ void __launch_bounds__(kMmaThreads, 4) turn_mma_gradient_kernel(TurnPlan<Bfloat16Bits> p, Cut cut) {
  LIERE_DYNAMIC_SHARED(uint32_t, words);
  LIERE_DYNAMIC_SHARED(uint4, fragments);
  LIERE_DYNAMIC_SHARED(Bfloat16Bits, memory);
  const auto stages = memory + kRotationBytes<b> / 2;
  const Place place(p, cut);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, row = 16 * warp + lane / 4, eight = lane % 4;
  for (int stage = 0; stage < kStages - 1; ++stage) {
    copy_stage(p, place, place.first + stage * kStageMembers, stages + stage * kStageElements);
    copy_async_commit();
  }
  stage_rotations<b, true>(p.rotations + place.matrix, words);
  float sums[kSummed<b> / 8][4] = {};
  int buffer = 0;
  for (int64_t first = place.first; first < place.end; first += kStageMembers) {
    copy_async_wait<kStages - 2>();
    __syncthreads();
    const int last = buffer == 0 ? kStages - 1 : buffer - 1;
    copy_stage(p, place, first + (kStages - 1) * kStageMembers, stages + last * kStageElements);
    copy_async_commit();
    const auto stage = stages + buffer * kStageElements;
    if (first + kTileMembers * warp < place.end) {
      Tile tile;
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        tile.q[half] = load_16(raw(stage + stage_element(row, 4 * half + eight), 8));
        tile.k[half] = load_16(raw(stage + stage_element(row + 8, 4 * half + eight), 8));
      }
      const int64_t member = first + kTileMembers * warp + lane / 4;
      const int64_t out = row_of(p, p.out.strides, place.patch, place.head, member) + place.column + 8 * eight;
      turn_tile<b>(tile, fragments, lane, member < place.end, p.out.q + out, p.out.k + out);
    }
#pragma unroll
    for (int tile = 0; tile < 4; ++tile)
      if (first + kTileMembers * tile < place.end) add_products<b>(stage, tile, warp, lane, sums);
    buffer = buffer + 1 == kStages ? 0 : buffer + 1;
  }
  copy_async_wait<0>();
  store_sums<b>(cut, place.matrix, warp, lane, sums);
}

}  // namespace turn_cuda
}  // namespace liere
