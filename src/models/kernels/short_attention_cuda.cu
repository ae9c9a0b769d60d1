// Attention of short sequences on a GPU (contract and mathematics: short_attention.h), heads of 64 channels: a block of threads takes one sample and head, a warp 16
// of its queries, and everything between the reading of q, k, v and the writing of o stays on the chip. torch's fused attentions are made for long sequences: at
// 65 tokens they leave half of their tiles empty, and their gradients lie apart from each other, to be brought together by further passes over memory.
//
// Backward: a warp first takes 16 queries (dq), shows its probabilities P and their gradients dS to the others, and then takes 16 keys (dk, dv): every sum
// is made by one warp, in one order. P and dS take the places of v and k as soon as these are done with: at 65 tokens four blocks of threads share a multiprocessor.
#include <cmath>

#include "models/kernels/cuda_device.h"
#include "models/kernels/device_kernels.h"

namespace liere {
namespace {

constexpr int kDim = 64, kPitch = kDim + 8;  // elements of a row, and from row to row in shared memory: rows start in different banks
constexpr int kChunk = 8;                    // elements of 16 bytes
constexpr int kWarp = 32, kTile = 16;        // rows of a warp
constexpr int kMostTiles = 6;
constexpr float kLog2E = 1.44269504f;
using Element = Bfloat16Bits;
using Shared = SharedPointer<Element>;

template <int kTiles>
struct Sizes {
  static constexpr int rows = kTile * kTiles, threads = kWarp * kTiles, pitch = rows + 8;  // pitch: of P and dS
  static constexpr int matrix = rows * kPitch, square = rows * pitch;
  static constexpr int shared_place = matrix > square ? matrix : square;  // of k and dS, and of v and P
  static constexpr int forward_bytes = 3 * matrix * 2, backward_bytes = (2 * matrix + 2 * shared_place) * 2 + rows * 4;
};
static_assert(Sizes<kMostTiles>::backward_bytes <= 99 * 1024 && Sizes<kMostTiles>::forward_bytes <= 48 * 1024);

LIERE_DEVICE int lane_index() { return threadIdx.x % kWarp; }
LIERE_DEVICE int first_row() { return threadIdx.x / kWarp * kTile; }

/// Rows of a tensor into shared memory, in the background; rows beyond its end are 0.
template <int kTiles>
LIERE_DEVICE void load_rows(Shared to, const Element* from, int64_t stride, int tokens) {
  for (int i = threadIdx.x; i < Sizes<kTiles>::rows * (kDim / kChunk); i += Sizes<kTiles>::threads) {
    const int row = i / (kDim / kChunk), column = i % (kDim / kChunk) * kChunk;
    const Shared place = to + (row * kPitch + column);
    if (row < tokens)
      copy_async(place, from + row * stride + column);
    else
      *reinterpret_cast<uint4*>(raw(place, kChunk)) = make_uint4(0, 0, 0, 0);
  }
}

// Fragments of 16 x 16 elements at (row, column) of a matrix in shared memory.
/// A = the matrix.
LIERE_DEVICE void left(uint32_t (&a)[4], Shared matrix, int pitch, int row, int column) {
  const int lane = lane_index();
  load_matrices(a, matrix + ((row + lane % 16) * pitch + column + lane / 16 * 8));
}
/// A = its transpose.
LIERE_DEVICE void left_transposed(uint32_t (&a)[4], Shared matrix, int pitch, int row, int column) {
  const int lane = lane_index(), part = lane / 8;
  load_matrices_transposed(a, matrix + ((row + part / 2 * 8 + lane % 8) * pitch + column + part % 2 * 8));
}
/// B = the transpose, as two fragments of 8 columns: b[0], b[1] and b[2], b[3].
LIERE_DEVICE void right_transposed(uint32_t (&b)[4], Shared matrix, int pitch, int row, int column) {
  const int lane = lane_index(), part = lane / 8;
  load_matrices(b, matrix + ((row + part / 2 * 8 + lane % 8) * pitch + column + part % 2 * 8));
}
/// B = the matrix, likewise.
LIERE_DEVICE void right(uint32_t (&b)[4], Shared matrix, int pitch, int row, int column) {
  const int lane = lane_index(), part = lane / 8;
  load_matrices_transposed(b, matrix + ((row + part % 2 * 8 + lane % 8) * pitch + column + part / 2 * 8));
}
/// Two neighbouring tiles of 8 columns.
LIERE_DEVICE void mma(float (&d0)[4], float (&d1)[4], const uint32_t (&a)[4], const uint32_t (&b)[4]) {
  const uint32_t b0[2] = {b[0], b[1]}, b1[2] = {b[2], b[3]};
  mma_bfloat16(d0, a, b0);
  mma_bfloat16(d1, a, b1);
}

/// The warp's rows of X Y^T, X and Y [rows, 64].
template <int kTiles>
LIERE_DEVICE void products(float (&d)[2 * kTiles][4], Shared x, Shared y) {
#pragma unroll
  for (int k = 0; k < kDim; k += 16) {
    uint32_t a[4], b[4];
    left(a, x, kPitch, first_row(), k);
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
      right_transposed(b, y, kPitch, n * kTile, k);
      mma(d[2 * n], d[2 * n + 1], a, b);
    }
  }
}

/// Columns 16 k .. 16 k + 15 of an accumulator, rounded, as the A of a further product.
LIERE_DEVICE void as_left(uint32_t (&a)[4], const float (&d0)[4], const float (&d1)[4]) {
  a[0] = narrow_pair<Element>(d0[0], d0[1]);
  a[1] = narrow_pair<Element>(d0[2], d0[3]);
  a[2] = narrow_pair<Element>(d1[0], d1[1]);
  a[3] = narrow_pair<Element>(d1[2], d1[3]);
}

/// The warp's 16 rows of P Y, P as accumulators over all keys, Y [rows, 64].
template <int kTiles>
LIERE_DEVICE void times_rows(float (&d)[8][4], const float (&p)[2 * kTiles][4], Shared y) {
#pragma unroll
  for (int k = 0; k < kTiles; ++k) {
    uint32_t a[4], b[4];
    as_left(a, p[2 * k], p[2 * k + 1]);
#pragma unroll
    for (int n = 0; n < kDim / kTile; ++n) {
      right(b, y, kPitch, k * kTile, n * kTile);
      mma(d[2 * n], d[2 * n + 1], a, b);
    }
  }
}

/// The warp's 16 rows of P^T Y, P [rows, rows] in shared memory.
template <int kTiles>
LIERE_DEVICE void transposed_times_rows(float (&d)[8][4], Shared p, Shared y) {
#pragma unroll
  for (int k = 0; k < kTiles; ++k) {
    uint32_t a[4], b[4];
    left_transposed(a, p, Sizes<kTiles>::pitch, k * kTile, first_row());
#pragma unroll
    for (int n = 0; n < kDim / kTile; ++n) {
      right(b, y, kPitch, k * kTile, n * kTile);
      mma(d[2 * n], d[2 * n + 1], a, b);
    }
  }
}

/// Tile n of an accumulator into the warp's rows of a matrix in shared memory.
LIERE_DEVICE void put_tile(Shared matrix, int pitch, int n, const float (&d)[4]) {
  const int row = first_row() + lane_index() / 4, column = 8 * n + lane_index() % 4 * 2;
  *reinterpret_cast<uint32_t*>(raw(matrix + (row * pitch + column), 2)) = narrow_pair<Element>(d[0], d[1]);
  *reinterpret_cast<uint32_t*>(raw(matrix + ((row + 8) * pitch + column), 2)) = narrow_pair<Element>(d[2], d[3]);
}

/// x[i] of lane t <- x[t] of lane i, among four neighbouring lanes.
LIERE_DEVICE void transpose_lanes(uint32_t (&x)[4]) {
#pragma unroll
  for (int mask = 1; mask <= 2; mask *= 2) {
    const bool upper = lane_index() & mask;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (i & mask) continue;
      const uint32_t got = shuffle_xor(upper ? x[i] : x[i + mask], mask);
      x[i + mask] = upper ? x[i + mask] : got;
      x[i] = upper ? got : x[i];
    }
  }
}

/// The warp's 16 rows from accumulators into a tensor's, 64 bytes of a row at a time.
LIERE_DEVICE void store_rows(const float (&d)[8][4], Element* to, int64_t stride, int tokens) {
  const int lane = lane_index();
#pragma unroll
  for (int half = 0; half < 2; ++half)
#pragma unroll
    for (int n = 0; n < 8; n += 4) {
      uint32_t x[4];
      for (int i = 0; i < 4; ++i) x[i] = narrow_pair<Element>(d[n + i][2 * half], d[n + i][2 * half + 1]);
      transpose_lanes(x);
      const int row = first_row() + lane / 4 + 8 * half;
      if (row < tokens) *reinterpret_cast<uint4*>(to + row * stride + 8 * (n + lane % 4)) = make_uint4(x[0], x[1], x[2], x[3]);
    }
}

/// Over the four lanes that share a row.
LIERE_DEVICE float row_sum(float x) {
  x += shuffle_xor(x, 1);
  return x + shuffle_xor(x, 2);
}
LIERE_DEVICE float row_max(float x) {
  x = fmaxf(x, shuffle_xor(x, 1));
  return fmaxf(x, shuffle_xor(x, 2));
}

/// Where the block's sample and head begin.
struct Place {
  int64_t in, out, lse;
};
LIERE_DEVICE Place place_of(const ShortAttention& p) {
  const int64_t sample = blockIdx.x / p.heads, head = blockIdx.x % p.heads;
  return {sample * p.in.samples + head * p.in.heads, sample * p.out.samples + head * p.out.heads, blockIdx.x * p.tokens};
}

template <int kTiles>
__global__ void __launch_bounds__(kWarp* kTiles) forward_kernel(ShortAttention p) {
  LIERE_DYNAMIC_SHARED(Element, shared);
  const Shared q = shared, k = q + Sizes<kTiles>::matrix, v = k + Sizes<kTiles>::matrix;
  const Place at = place_of(p);
  const int tokens = static_cast<int>(p.tokens), lane = lane_index();
  load_rows<kTiles>(q, p.q + at.in, p.in.tokens, tokens);
  load_rows<kTiles>(k, p.k + at.in, p.in.tokens, tokens);
  copy_async_commit();
  load_rows<kTiles>(v, p.v + at.in, p.in.tokens, tokens);
  copy_async_commit();
  copy_async_wait<1>();
  __syncthreads();
  float s[2 * kTiles][4] = {};
  products<kTiles>(s, q, k);

  float most[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0};
#pragma unroll
  for (int n = 0; n < 2 * kTiles; ++n)
    for (int i = 0; i < 4; ++i) {
      if (8 * n + lane % 4 * 2 + i % 2 >= tokens) s[n][i] = -INFINITY;
      most[i / 2] = fmaxf(most[i / 2], s[n][i]);
    }
  for (int i = 0; i < 2; ++i) most[i] = row_max(most[i]);
#pragma unroll
  for (int n = 0; n < 2 * kTiles; ++n)
    for (int i = 0; i < 4; ++i) {
      s[n][i] = approximate_exp2((s[n][i] - most[i / 2]) * (p.scale * kLog2E));
      sum[i / 2] += s[n][i];
    }
  for (int i = 0; i < 2; ++i) {
    sum[i] = row_sum(sum[i]);
    const int row = first_row() + lane / 4 + 8 * i;
    if (lane % 4 == 0 && row < tokens) p.lse[at.lse + row] = most[i] * p.scale + logf(sum[i]);
  }

  copy_async_wait<0>();
  __syncthreads();
  float o[8][4] = {};
  times_rows<kTiles>(o, s, v);
#pragma unroll
  for (int n = 0; n < 8; ++n)
    for (int i = 0; i < 4; ++i) o[n][i] /= sum[i / 2];
  store_rows(o, p.o + at.out, p.out.tokens, tokens);
}

/// Loads the rows of dO and makes sum(dO O) of each.
template <int kTiles>
LIERE_DEVICE void load_output_gradient(Shared to, SharedPointer<float> delta, const Element* d_o, const Element* o, int64_t stride, int tokens) {
  constexpr int kParts = kDim / kChunk;
  static_assert(Sizes<kTiles>::rows * kParts % Sizes<kTiles>::threads == 0);  // whole warps meet in the shuffles
  for (int i = threadIdx.x; i < Sizes<kTiles>::rows * kParts; i += Sizes<kTiles>::threads) {
    const int row = i / kParts, column = i % kParts * kChunk;
    uint4 gradient = make_uint4(0, 0, 0, 0), output = gradient;
    if (row < tokens) {
      gradient = *reinterpret_cast<const uint4*>(d_o + row * stride + column);
      output = *reinterpret_cast<const uint4*>(o + row * stride + column);
    }
    *reinterpret_cast<uint4*>(raw(to + (row * kPitch + column), kChunk)) = gradient;
    const uint32_t a[4] = {gradient.x, gradient.y, gradient.z, gradient.w}, b[4] = {output.x, output.y, output.z, output.w};
    float sum = 0;
    for (int j = 0; j < 4; ++j)
      sum += __uint_as_float(a[j] << 16) * __uint_as_float(b[j] << 16) + __uint_as_float(a[j] & 0xffff0000u) * __uint_as_float(b[j] & 0xffff0000u);
    for (int mask = 1; mask < kParts; mask *= 2) sum += shuffle_xor(sum, mask);
    if (i % kParts == 0) delta[row] = sum;
  }
}

template <int kTiles>
__global__ void __launch_bounds__(kWarp* kTiles) backward_kernel(ShortAttention p) {
  LIERE_DYNAMIC_SHARED(Element, shared);
  using Size = Sizes<kTiles>;
  const Shared q = shared, d_o = q + Size::matrix, k = d_o + Size::matrix, v = k + Size::shared_place, dscores = k, probability = v;
  const auto delta = shared_as<float>(v + Size::shared_place);
  const Place at = place_of(p);
  const int tokens = static_cast<int>(p.tokens), lane = lane_index();
  load_rows<kTiles>(q, p.q + at.in, p.in.tokens, tokens);
  load_rows<kTiles>(k, p.k + at.in, p.in.tokens, tokens);
  load_rows<kTiles>(v, p.v + at.in, p.in.tokens, tokens);
  copy_async_commit();
  load_output_gradient<kTiles>(d_o, delta, p.d_o + at.out, p.o + at.out, p.out.tokens, tokens);
  copy_async_wait<0>();
  __syncthreads();

  float s[2 * kTiles][4] = {}, ds[2 * kTiles][4] = {};
  products<kTiles>(s, q, k);
  products<kTiles>(ds, d_o, v);
  __syncthreads();  // v is done with
  float lse[2], sum[2];
  bool real[2];
  for (int i = 0; i < 2; ++i) {
    const int row = first_row() + lane / 4 + 8 * i;
    real[i] = row < tokens;
    lse[i] = real[i] ? p.lse[at.lse + row] * kLog2E : 0.0f;
    sum[i] = delta[row];
  }
#pragma unroll
  for (int n = 0; n < 2 * kTiles; ++n) {
    for (int i = 0; i < 4; ++i) {
      const bool inside = real[i / 2] && 8 * n + lane % 4 * 2 + i % 2 < tokens;
      s[n][i] = inside ? approximate_exp2(s[n][i] * (p.scale * kLog2E) - lse[i / 2]) : 0.0f;
      ds[n][i] = inside ? s[n][i] * (ds[n][i] - sum[i / 2]) * p.scale : 0.0f;
    }
    put_tile(probability, Size::pitch, n, s[n]);
  }
  {
    float dq[8][4] = {};
    times_rows<kTiles>(dq, ds, k);
    store_rows(dq, p.dq + at.in, p.in.tokens, tokens);
  }
  __syncthreads();  // P is complete, and k is done with
#pragma unroll
  for (int n = 0; n < 2 * kTiles; ++n) put_tile(dscores, Size::pitch, n, ds[n]);
  {
    float dv[8][4] = {};
    transposed_times_rows<kTiles>(dv, probability, d_o);
    store_rows(dv, p.dv + at.in, p.in.tokens, tokens);
  }
  __syncthreads();  // dS is complete
  float dk[8][4] = {};
  transposed_times_rows<kTiles>(dk, dscores, q);
  store_rows(dk, p.dk + at.in, p.in.tokens, tokens);
}

template <int kTiles>
int launch(const ShortAttention& p, int64_t pairs, bool backward, void* stream) {
  const auto grid = static_cast<unsigned>(pairs);
  if (!backward) {
    LIERE_LAUNCH(forward_kernel<kTiles>, grid, Sizes<kTiles>::threads, Sizes<kTiles>::forward_bytes, stream, p);
    return launch_error();
  }
  if (const int error = allow_shared_memory(backward_kernel<kTiles>, Sizes<kTiles>::backward_bytes)) return error;
  LIERE_LAUNCH(backward_kernel<kTiles>, grid, Sizes<kTiles>::threads, Sizes<kTiles>::backward_bytes, stream, p);
  return launch_error();
}

int by_tiles(const ShortAttention& p, int64_t pairs, bool backward, void* stream) {
  if (pairs == 0) return 0;
  switch ((p.tokens + kTile - 1) / kTile) {
    case 1: return launch<1>(p, pairs, backward, stream);
    case 2: return launch<2>(p, pairs, backward, stream);
    case 3: return launch<3>(p, pairs, backward, stream);
    case 4: return launch<4>(p, pairs, backward, stream);
    case 5: return launch<5>(p, pairs, backward, stream);
    default: return launch<kMostTiles>(p, pairs, backward, stream);
  }
}

bool aligned(const void* x) { return reinterpret_cast<uintptr_t>(x) % 16 == 0; }
bool aligned(const HeadStrides& s) { return s.samples % kChunk == 0 && s.heads % kChunk == 0 && s.tokens % kChunk == 0; }

bool serves(const ShortAttention& p) {
  return p.dim == kDim && p.tokens >= 1 && p.tokens <= kMostTiles * kTile && aligned(p.in) && aligned(p.out) && aligned(p.q) && aligned(p.k) && aligned(p.v) && aligned(p.o);
}
int forward(const ShortAttention& p, int64_t pairs, void* stream) { return by_tiles(p, pairs, false, stream); }
int backward(const ShortAttention& p, int64_t pairs, void* stream) { return by_tiles(p, pairs, true, stream); }

}  // namespace

DeviceAttentionKernels attention_device_kernels() { return {serves, forward, backward}; }

}  // namespace liere
