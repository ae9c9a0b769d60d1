// What lies between the matrix products of a block, on a GPU (contract: block_kernels.h). A thread holds 8 neighbouring elements at a time: 16 bytes of
// bfloat16, one byte of a mask, two Philox blocks. add_norm gives each row to a warp, which keeps it in registers between the passes over it: memory sees every
// tensor once. The backward kernels give kDeviceChunkRows rows to a block of threads, sum over them in registers, and write one row of sums per chunk.
#include <cmath>

#include "models/kernels/cuda_device.h"
#include "models/kernels/device_kernels.h"

namespace liere {
namespace {

constexpr int kVector = 8, kWarp = 32, kSpan = kVector * kWarp;  // elements of a thread, threads, and elements of a warp in one access
constexpr int kMostSpans = 5;                                    // rows of up to 1,280 elements: ViT-H
constexpr int kForwardWarps = 8, kBackwardWarps = 4, kGeluWarps = 8;

struct Eight {
  float v[kVector];
};

LIERE_DEVICE Eight load(const float* p) {
  const float4 a = reinterpret_cast<const float4*>(p)[0], b = reinterpret_cast<const float4*>(p)[1];
  return {{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}};
}
LIERE_DEVICE Eight load(const Bfloat16Bits* p) {
  const uint4 w = *reinterpret_cast<const uint4*>(p);
  const uint32_t words[4] = {w.x, w.y, w.z, w.w};
  Eight x;
  for (int i = 0; i < 4; ++i) {
    x.v[2 * i] = __uint_as_float(words[i] << 16);
    x.v[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000u);
  }
  return x;
}
LIERE_DEVICE void store(float* p, const Eight& x) {
  reinterpret_cast<float4*>(p)[0] = make_float4(x.v[0], x.v[1], x.v[2], x.v[3]);
  reinterpret_cast<float4*>(p)[1] = make_float4(x.v[4], x.v[5], x.v[6], x.v[7]);
}
LIERE_DEVICE void store(Bfloat16Bits* p, const Eight& x) {
  *reinterpret_cast<uint4*>(p) = make_uint4(narrow_pair<Bfloat16Bits>(x.v[0], x.v[1]), narrow_pair<Bfloat16Bits>(x.v[2], x.v[3]),
                                            narrow_pair<Bfloat16Bits>(x.v[4], x.v[5]), narrow_pair<Bfloat16Bits>(x.v[6], x.v[7]));
}

/// A row's part of the random counter; divided in 32 bits where they do, which is an order of magnitude cheaper.
struct MaskRow {
  uint32_t slot, first_block;
};
LIERE_DEVICE MaskRow mask_row(const MaskPlan& mask, int64_t row, int64_t width) {
  const int64_t sample = (row | mask.tokens) >> 32 ? row / mask.tokens : static_cast<uint32_t>(row) / static_cast<uint32_t>(mask.tokens);
  return {static_cast<uint32_t>(mask.slots ? mask.slots[sample] : mask.first_slot + sample), static_cast<uint32_t>((row - sample * mask.tokens) * (width / 4))};
}

/// x * mask * scale, for elements j .. j+7 of a row, whose mask is drawn and kept (bit k is element j + k). A product, so that a dropped NaN stays visible.
LIERE_DEVICE void draw_and_drop(Eight& x, const MaskPlan& mask, const MaskRow& at, int64_t row, int64_t width, int64_t j) {
  uint32_t bits = 0;
#pragma unroll
  for (uint32_t part = 0; part < 2; ++part) {
    const PhiloxBlock words = philox_block(mask.key, mask.step, at.slot, mask.site, at.first_block + static_cast<uint32_t>(j / 4) + part);
#pragma unroll
    for (uint32_t k = 0; k < 4; ++k) {
      const bool kept = words.word[k] >= mask.threshold;
      if (kept) bits |= 1u << (4 * part + k);
      x.v[4 * part + k] *= kept ? mask.scale : 0.0f;
    }
  }
  reinterpret_cast<uint8_t*>(mask.bits)[(row * width + j) / kVector] = static_cast<uint8_t>(bits);
}
LIERE_DEVICE uint32_t read_mask(const MaskPlan& mask, int64_t row, int64_t width, int64_t j) {
  return reinterpret_cast<const uint8_t*>(mask.bits)[(row * width + j) / kVector];
}
/// The same by the mask that was kept.
LIERE_DEVICE void drop(Eight& x, uint32_t bits, float scale) {
#pragma unroll
  for (int k = 0; k < kVector; ++k) x.v[k] *= (bits >> k & 1u) ? scale : 0.0f;
}

struct Normal {
  float distribution, density;
};
/// Phi(u) and its derivative, by the polynomial of block_kernels_body.h (docs/numerics.md, "Fused kernels"). `kShort`: by short instructions, whose errors bfloat16 does
/// not see.
template <bool kShort>
LIERE_DEVICE Normal normal(float u) {
  const float a = fabsf(u), power = a * a * -0.72134752f, base = a * 0.3f + 1.0f;
  const float e = kShort ? approximate_exp2(power) : exp2f(power), t = kShort ? approximate_reciprocal(base) : 1.0f / base;
  float q = t * 0.036195297f - 0.15938001f;
  q = q * t + 0.2101211f;
  q = q * t - 0.057169656f;
  q = q * t + 0.13041757f;
  q = q * t + 0.09934681f;
  q = q * t + 0.120845576f;
  q = q * t + 0.11962326f;
  const float tail = e * t * q;
  return {u < 0.0f ? tail : 1.0f - tail, e * 0.39894228f};
}

template <class T, int kSpans>
__global__ void __launch_bounds__(kForwardWarps* kWarp) add_norm_kernel(AddNormForward<T> p) {
  const MaskPlan mask = with_step_read(p.mask);
  const int lane = threadIdx.x % kWarp;
  const int64_t row = blockIdx.x * int64_t{kForwardWarps} + threadIdx.x / kWarp, width = p.width;
  if (row >= p.rows) return;
  const MaskRow mask_at = mask.bits ? mask_row(mask, row, width) : MaskRow{};
  Eight y[kSpans] = {};
  float sum = 0;
#pragma unroll
  for (int i = 0; i < kSpans; ++i) {
    const int64_t j = i * kSpan + lane * kVector, at = row * width + j;
    if (j >= width) continue;
    y[i] = load(p.x + at);
    if (p.branch) {
      Eight branch = load(p.branch + at);
      if (p.branch_bias) {
        const Eight bias = load(p.branch_bias + j);
        for (int k = 0; k < kVector; ++k) branch.v[k] += bias.v[k];
      }
      if (mask.bits) draw_and_drop(branch, mask, mask_at, row, width, j);
      for (int k = 0; k < kVector; ++k) y[i].v[k] += branch.v[k];
      store(p.y + at, y[i]);
    }
    for (int k = 0; k < kVector; ++k) sum += y[i].v[k];
  }
  if (!p.normed) return;
  const float mean = warp_sum(sum) / static_cast<float>(width);
  float squares = 0;
#pragma unroll
  for (int i = 0; i < kSpans; ++i) {
    if (i * kSpan + lane * kVector >= width) continue;
    for (int k = 0; k < kVector; ++k) squares += (y[i].v[k] - mean) * (y[i].v[k] - mean);
  }
  const float rstd = 1.0f / sqrtf(warp_sum(squares) / static_cast<float>(width) + p.norm.eps);
#pragma unroll
  for (int i = 0; i < kSpans; ++i) {
    const int64_t j = i * kSpan + lane * kVector;
    if (j >= width) continue;
    const Eight weight = load(p.norm.weight + j), bias = load(p.norm.bias + j);
    for (int k = 0; k < kVector; ++k) y[i].v[k] = (y[i].v[k] - mean) * rstd * weight.v[k] + bias.v[k];
    store(p.normed + row * width + j, y[i]);
  }
  if (lane == 0) {
    p.norm.mean[row] = mean;
    p.norm.rstd[row] = rstd;
  }
}

/// Adds the warps' sums of a block of threads and writes the chunk's row of `sums`; does nothing where it is null.
template <int kWarps, int kSpans>
LIERE_DEVICE void write_chunk(const Eight (&own)[kSpans], SharedPointer<float> shared, float* sums, int64_t first, int64_t width) {
  if (!sums) return;
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  __syncthreads();  // of the sums before
#pragma unroll
  for (int i = 0; i < kSpans; ++i)
    for (int k = 0; k < kVector; ++k) shared[(warp * kSpans + i) * kSpan + k * kWarp + lane] = own[i].v[k];
  __syncthreads();
  for (int e = threadIdx.x; e < kSpans * kSpan; e += kWarps * kWarp) {
    float total = 0;
    for (int w = 0; w < kWarps; ++w) total += shared[w * kSpans * kSpan + e];
    const int64_t j = first + e / kSpan * kSpan + e % kWarp * kVector + e % kSpan / kWarp;
    if (j < width) sums[blockIdx.x * width + j] = total;
  }
}

template <class T, int kSpans, bool kNorm, bool kBranch>
__global__ void __launch_bounds__(kBackwardWarps* kWarp) add_norm_backward_kernel(AddNormBackward<T> p) {
  LIERE_DYNAMIC_SHARED(float, shared);
  const int lane = threadIdx.x % kWarp;
  const int64_t width = p.width, first = blockIdx.x * kDeviceChunkRows, last = first + kDeviceChunkRows < p.rows ? first + kDeviceChunkRows : p.rows;
  Eight dweight[kNorm ? kSpans : 1] = {}, dbias[kNorm ? kSpans : 1] = {}, dbranch_bias[kBranch ? kSpans : 1] = {};
  for (int64_t row = first + threadIdx.x / kWarp; row < last; row += kBackwardWarps) {
    Eight dx[kSpans] = {}, centred[kNorm ? kSpans : 1] = {}, g[kNorm ? kSpans : 1] = {};
    float sum = 0, product = 0, rstd = 0;
#pragma unroll
    for (int i = 0; i < kSpans; ++i) {
      const int64_t j = i * kSpan + lane * kVector, at = row * width + j;
      if (j >= width) continue;
      dx[i] = load(p.dy + at);
      if constexpr (kNorm) {
        g[i] = load(p.dnormed + at);
        centred[i] = load(p.y + at);
      }
    }
    if constexpr (kNorm) {
      const float mean = p.norm.mean[row];
      rstd = p.norm.rstd[row];
#pragma unroll
      for (int i = 0; i < kSpans; ++i) {
        const int64_t j = i * kSpan + lane * kVector;
        if (j >= width) continue;
        const Eight weight = load(p.norm.weight + j);
        for (int k = 0; k < kVector; ++k) {
          const float d = g[i].v[k];
          centred[i].v[k] = (centred[i].v[k] - mean) * rstd;
          g[i].v[k] = d * weight.v[k];
          sum += g[i].v[k];
          product += g[i].v[k] * centred[i].v[k];
          dweight[i].v[k] += d * centred[i].v[k];
          dbias[i].v[k] += d;
        }
      }
      sum = warp_sum(sum) / static_cast<float>(width);
      product = warp_sum(product) / static_cast<float>(width);
    }
#pragma unroll
    for (int i = 0; i < kSpans; ++i) {
      const int64_t j = i * kSpan + lane * kVector, at = row * width + j;
      if (j >= width) continue;
      if constexpr (kNorm) {
        for (int k = 0; k < kVector; ++k) dx[i].v[k] += (g[i].v[k] - sum - centred[i].v[k] * product) * rstd;
        store(p.dx + at, dx[i]);
      }
      if constexpr (kBranch) {
        if (p.mask.bits) drop(dx[i], read_mask(p.mask, row, width, j), p.mask.scale);
        store(p.dbranch + at, dx[i]);
        for (int k = 0; k < kVector; ++k) dbranch_bias[i].v[k] += dx[i].v[k];
      }
    }
  }
  if constexpr (kNorm) {
    write_chunk<kBackwardWarps>(dweight, shared, p.dweight, 0, width);
    write_chunk<kBackwardWarps>(dbias, shared, p.dbias, 0, width);
  }
  if constexpr (kBranch) write_chunk<kBackwardWarps>(dbranch_bias, shared, p.dbranch_bias, 0, width);
}

template <class T>
constexpr bool kShort = std::is_same_v<T, Bfloat16Bits>;

/// u = branch + bias of elements j .. j+7.
template <class T>
LIERE_DEVICE Eight gelu_input(const GeluPlan<T>& p, int64_t at, const Eight& bias) {
  Eight u = load(p.branch + at);
  for (int k = 0; k < kVector; ++k) u.v[k] += bias.v[k];
  return u;
}

template <class T>
__global__ void __launch_bounds__(kGeluWarps* kWarp) gelu_kernel(GeluPlan<T> p) {
  const MaskPlan mask = with_step_read(p.mask);
  const int64_t j = blockIdx.y * int64_t{kSpan} + threadIdx.x % kWarp * kVector;
  if (j >= p.width) return;
  const int64_t first = blockIdx.x * kDeviceChunkRows, last = first + kDeviceChunkRows < p.rows ? first + kDeviceChunkRows : p.rows;
  const Eight bias = load(p.bias + j);
  for (int64_t row = first + threadIdx.x / kWarp; row < last; row += kGeluWarps) {
    const int64_t at = row * p.width + j;
    Eight u = gelu_input(p, at, bias);
    for (int k = 0; k < kVector; ++k) u.v[k] *= normal<kShort<T>>(u.v[k]).distribution;
    if (mask.bits) draw_and_drop(u, mask, mask_row(mask, row, p.width), row, p.width, j);
    store(p.hidden + at, u);
  }
}

template <class T>
__global__ void __launch_bounds__(kGeluWarps* kWarp) gelu_backward_kernel(GeluPlan<T> p) {
  LIERE_DYNAMIC_SHARED(float, shared);
  const int64_t start = blockIdx.y * int64_t{kSpan}, j = start + threadIdx.x % kWarp * kVector;
  const int64_t first = blockIdx.x * kDeviceChunkRows, last = first + kDeviceChunkRows < p.rows ? first + kDeviceChunkRows : p.rows;
  Eight sums[1] = {};
  if (j < p.width) {
    const Eight bias = load(p.bias + j);
    for (int64_t row = first + threadIdx.x / kWarp; row < last; row += kGeluWarps) {
      const int64_t at = row * p.width + j;
      const Eight u = gelu_input(p, at, bias);
      Eight d = load(p.dhidden + at);
      if (p.mask.bits) drop(d, read_mask(p.mask, row, p.width, j), p.mask.scale);
      for (int k = 0; k < kVector; ++k) {
        const Normal n = normal<kShort<T>>(u.v[k]);
        d.v[k] *= n.distribution + u.v[k] * n.density;
        sums[0].v[k] += d.v[k];
      }
      store(p.dbranch + at, d);
    }
  }
  write_chunk<kGeluWarps>(sums, shared, p.dbias, start, p.width);
}

constexpr int kColumns = 32, kSummands = 16;  // threads of a block of add_chunks_kernel: columns x rows

__global__ void __launch_bounds__(kColumns* kSummands) add_chunks_kernel(const float* sums, int64_t chunks, int64_t width, float* out) {
  LIERE_DYNAMIC_SHARED(float, shared);
  const int column = threadIdx.x % kColumns, part = threadIdx.x / kColumns;
  const int64_t j = blockIdx.x * int64_t{kColumns} + column;
  float total = 0;
  if (j < width)
#pragma unroll 8
    for (int64_t chunk = part; chunk < chunks; chunk += kSummands) total += sums[chunk * width + j];
  shared[part * kColumns + column] = total;
  __syncthreads();
  if (part > 0 || j >= width) return;
  for (int i = 1; i < kSummands; ++i) total += shared[i * kColumns + column];
  out[j] = total;
}

constexpr int64_t spans_of(int64_t width) { return (width + kSpan - 1) / kSpan; }
constexpr size_t chunk_bytes(int warps, int spans) { return sizeof(float) * static_cast<size_t>(warps * spans * kSpan); }
static_assert(chunk_bytes(kBackwardWarps, kMostSpans) <= 48 * 1024 && chunk_bytes(kGeluWarps, 1) <= 48 * 1024);

/// Calls f with the number of spans of a row as a constant.
template <class F>
int by_spans(int64_t width, F f) {
  switch (spans_of(width)) {
    case 1: return f(std::integral_constant<int, 1>());
    case 2: return f(std::integral_constant<int, 2>());
    case 3: return f(std::integral_constant<int, 3>());
    case 4: return f(std::integral_constant<int, 4>());
    default: return f(std::integral_constant<int, kMostSpans>());
  }
}

bool serves(int64_t width) { return width > 0 && width % 16 == 0 && spans_of(width) <= kMostSpans; }

template <class T>
int add_norm(const AddNormForward<T>& p, void* stream) {
  if (p.rows == 0) return 0;
  return by_spans(p.width, [&](auto spans) {
    const auto grid = static_cast<unsigned>((p.rows + kForwardWarps - 1) / kForwardWarps);
    LIERE_LAUNCH((add_norm_kernel<T, spans()>), grid, kForwardWarps * kWarp, 0, stream, p);
    return launch_error();
  });
}

template <class T>
int add_norm_backward(const AddNormBackward<T>& p, void* stream) {
  if (p.rows == 0) return 0;
  return by_spans(p.width, [&](auto spans) {
    constexpr int kSpans = spans();
    const auto grid = static_cast<unsigned>(device_chunks_of(p.rows));
    const size_t bytes = chunk_bytes(kBackwardWarps, kSpans);
    if (p.dnormed && p.dbranch)
      LIERE_LAUNCH((add_norm_backward_kernel<T, kSpans, true, true>), grid, kBackwardWarps * kWarp, bytes, stream, p);
    else if (p.dnormed)
      LIERE_LAUNCH((add_norm_backward_kernel<T, kSpans, true, false>), grid, kBackwardWarps * kWarp, bytes, stream, p);
    else
      LIERE_LAUNCH((add_norm_backward_kernel<T, kSpans, false, true>), grid, kBackwardWarps * kWarp, bytes, stream, p);
    return launch_error();
  });
}

template <class T>
dim3 gelu_grid(const GeluPlan<T>& p) {
  return dim3(static_cast<unsigned>(device_chunks_of(p.rows)), static_cast<unsigned>(spans_of(p.width)));
}
template <class T>
int gelu(const GeluPlan<T>& p, void* stream) {
  if (p.rows == 0) return 0;
  LIERE_LAUNCH(gelu_kernel<T>, gelu_grid(p), kGeluWarps * kWarp, 0, stream, p);
  return launch_error();
}
template <class T>
int gelu_backward(const GeluPlan<T>& p, void* stream) {
  if (p.rows == 0) return 0;
  LIERE_LAUNCH(gelu_backward_kernel<T>, gelu_grid(p), kGeluWarps * kWarp, chunk_bytes(kGeluWarps, 1), stream, p);
  return launch_error();
}

template <class T>
DeviceBlockKernels<T> table() {
  return {serves, add_norm<T>, add_norm_backward<T>, gelu<T>, gelu_backward<T>};
}

}  // namespace

DeviceBlockKernels<float> block_device_kernels_float() { return table<float>(); }
DeviceBlockKernels<Bfloat16Bits> block_device_kernels_bfloat16() { return table<Bfloat16Bits>(); }

int add_chunks_device(const float* sums, int64_t chunks, int64_t width, float* out, void* stream) {
  const auto grid = static_cast<unsigned>((width + kColumns - 1) / kColumns);
  LIERE_LAUNCH(add_chunks_kernel, grid, kColumns * kSummands, sizeof(float) * kColumns * kSummands, stream, sums, chunks, width, out);
  return launch_error();
}

}  // namespace liere
