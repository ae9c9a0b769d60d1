// The exponential of skew-symmetric blocks and its gradient on a GPU: a team of threads per matrix, everything between the generators and R, or X'
// and dL/dM, in registers and shared memory. Scaling and squaring as in rotation_exp.h (theta = 1.244, Chebyshev coefficients; E = exp - I is
// squared); how often a matrix is squared is decided in the kernel. Points at 2 q, 3 q, .. of a ray cost one product each forward, R(k q) = R(q)^k, and two
// backward. Backward: dL/dM of every ray's first matrix goes to the workspace, a second kernel sums over the rays in their order.
#include <atomic>
#include <cstdlib>

#include "models/kernels/cuda_device.h"
#include "models/kernels/device_kernels.h"
#include "models/kernels/skew_exp_cuda_mma.h"
#include "models/kernels/skew_exp_cuda_steps.h"

namespace liere {
namespace {

/// A team's work: one generator's matrices at q, 2 q, .., of a ray, R(k q) = R(q)^k.
struct RayWork {
  int64_t layer, group;
  int64_t ray;            // of the layer
  const int32_t* tokens;  // [length]; null: the token is `ray`
  int length;
  bool real;              // false for teams past the end, which repeat one

  LIERE_DEVICE int64_t token(int k) const { return tokens ? tokens[k] : ray; }
};
LIERE_HOST_DEVICE inline int64_t rays_of(const SkewExpPlan<float>& plan) { return plan.ray_first ? plan.ray_count : plan.tokens; }

/// Rays by themselves: the last tokens first, whose positions are the largest as a rule.
template <class Tile>
LIERE_DEVICE RayWork work_of(int64_t first, int64_t count, const SkewExpPlan<float>& plan) {
  const int64_t team = blockIdx.x * int64_t{Tile::kBlock / Tile::kThreads} + threadIdx.x / Tile::kThreads;
  const bool real = team < count;
  const int64_t rays = rays_of(plan), place = real ? team : 0, index = first + (plan.ray_first ? place : count - 1 - place);
  RayWork work{index / (plan.groups * rays), index % plan.groups, index / plan.groups % rays, nullptr, 1, real};
  if (plan.ray_first) {
    const int32_t begin = plan.ray_first[work.ray];
    work.tokens = plan.ray_tokens + begin;
    work.length = plan.ray_first[work.ray + 1] - begin;
  }
  return work;
}

#define LIERE_EXP_TILE(Tile)                                                           \
  LIERE_DYNAMIC_SHARED(float, shared_floats);                                          \
  LIERE_DYNAMIC_SHARED(uint32_t, shared_words);                                        \
  const int team_word = static_cast<int>(threadIdx.x) / Tile::kThreads * Tile::kWords; \
  const Tile tile{{shared_floats + team_word, shared_words + team_word, static_cast<int>(threadIdx.x) % Tile::kThreads}};

template <class Tile>
LIERE_DEVICE void write_rotation(const Tile& tile, const SkewExpPlan<float>& plan, const RayWork& work, int k, const float (&x)[Tile::kElements]) {
  constexpr int b = Tile::kSide;
  float* out = plan.rotations + ((work.layer * plan.tokens + work.token(k)) * plan.groups + work.group) * (b * b);
#pragma unroll
  for (int i = 0; i < Tile::kElements; i += 2) {
    const int r = tile.row(i), c = tile.column(i);
    *reinterpret_cast<float2*>(out + r * b + c) = make_float2(x[i] + (r == c ? 1.f : 0.f), x[i + 1] + (r == c + 1 ? 1.f : 0.f));
  }
}

template <class Tile>
__global__ void __launch_bounds__(Tile::kBlock, Tile::kBlocks) exp_kernel(SkewExpPlan<float> plan, int64_t count) {
  constexpr int n = Tile::kElements;
  LIERE_EXP_TILE(Tile)
  const RayWork work = work_of<Tile>(0, count, plan);
  float a[n], x[n];
  form_exponent(tile, plan, {work.layer, work.token(0), work.group}, 1, a);
  const int s = scale_exponent(tile, a, x), steps = most_steps<Tile>(s);
  base_exponential(tile, a, x);
#pragma unroll 1
  for (int k = 0; k < steps; ++k) {
    tile.store(0, x);
    tile.sync();
    tile.template product<false>(a, 0, 0);
    tile.sync();
    if (k < s)
#pragma unroll
      for (int i = 0; i < n; ++i) x[i] = 2 * x[i] + a[i];
  }
  if (work.real) write_rotation(tile, plan, work, 0, x);
  const int longest = most_steps<Tile>(work.length);
  if (longest == 1) return;
  float e[n];
#pragma unroll
  for (int i = 0; i < n; ++i) e[i] = x[i];
  tile.store(0, e);
#pragma unroll 1
  for (int k = 1; k < longest; ++k) {
    tile.store(1, x);
    tile.sync();
    tile.template product<false>(a, 0, 1);
    tile.sync();
#pragma unroll
    for (int i = 0; i < n; ++i) x[i] += e[i] + a[i];  // (I + E)^(k+1) - I
    if (work.real && k < work.length) write_rotation(tile, plan, work, k, x);
  }
}

/// gamma <- sum over k of sum_{j<k} R^-j Gamma_k R^j, by Horner's rule from the farthest point in, R = R(q); times a power of two that is returned. phi1(-ad_M(q)) of it is then
/// sum_k k phi1(-k ad_M(q))[Gamma_k]: what the ray's points say about M(q).
template <class Tile>
LIERE_DEVICE float gather_ray(const Tile& tile, const SkewExpPlan<float>& plan, const RayWork& work, int longest, float (&gamma)[Tile::kElements]) {
  constexpr int n = Tile::kElements, b = Tile::kSide;
  const auto at = [&](const float* matrices, int k) { return matrices + ((work.layer * plan.tokens + work.token(k)) * plan.groups + work.group) * (b * b); };
  load_gamma(tile, at(plan.x, work.length - 1), gamma);
  float scale = normalise(tile, gamma);
  if (longest == 1) return scale;
  float sum[n], left[n];
  {
    const float* r = at(plan.rotations, 0);
#pragma unroll
    for (int i = 0; i < n; ++i) left[i] = r[tile.column(i) * b + tile.row(i)] - (tile.row(i) == tile.column(i) ? 1.f : 0.f);  // R^T - I
  }
  tile.store(0, left);
#pragma unroll
  for (int i = 0; i < n; ++i) sum[i] = gamma[i];
#pragma unroll 1
  for (int step = 1; step < longest; ++step) {
    const bool mine = step < work.length;
    tile.store(1, gamma);
    tile.sync();
    tile.template product<false>(left, 0, 1);
    tile.sync();
#pragma unroll
    for (int i = 0; i < n; ++i) left[i] += gamma[i];
    tile.store(1, left);
    tile.sync();
    if (mine)
#pragma unroll
      for (int i = 0; i < n; ++i) gamma[i] = left[i];
    tile.template product<true>(left, 1, 0);
    tile.sync();
    if (mine)
#pragma unroll
      for (int i = 0; i < n; ++i) gamma[i] += left[i];
    load_gamma(tile, at(plan.x, mine ? work.length - 1 - step : 0), left);
    if (mine)
#pragma unroll
      for (int i = 0; i < n; ++i) {
        sum[i] += scale * left[i];
        gamma[i] += sum[i];
      }
    const float again = normalise(tile, gamma);
    scale *= again;
#pragma unroll
    for (int i = 0; i < n; ++i) sum[i] *= again;
  }
  make_skew(tile, gamma);
  return scale;
}

/// dL/dM of the first points of the rays [first, first + count), its strict upper triangle, to out [count, E].
template <class Tile>
__global__ void __launch_bounds__(Tile::kBlock, Tile::kBlocks)
    exp_gradient_kernel(SkewExpPlan<float> plan, int64_t first, int64_t count, float* __restrict__ out) {
  constexpr int n = Tile::kElements, b = Tile::kSide;
  LIERE_EXP_TILE(Tile)
  const RayWork work = work_of<Tile>(first, count, plan);
  float e[n], gamma[n], left[n];
  const float back = 1 / gather_ray(tile, plan, work, most_steps<Tile>(work.length), gamma);
  form_exponent(tile, plan, {work.layer, work.token(0), work.group}, -1, left);
  const int s = scale_exponent(tile, left, e), steps = most_steps<Tile>(s);
  base_exponential(tile, left, e);
  tile.store(0, left);
  commutator_series(tile, gamma);
#pragma unroll 1
  for (int k = 0; k < steps; ++k) {
    tile.store(0, e);
    tile.store(1, gamma);
    tile.sync();
    tile.template product<false>(left, 0, 1);
    tile.sync();
#pragma unroll
    for (int i = 0; i < n; ++i) left[i] += gamma[i];  // X Gamma
    tile.store(1, left);
    if (k < s)
#pragma unroll
      for (int i = 0; i < n; ++i) gamma[i] = 0.5f * (gamma[i] + left[i]);
    tile.sync();
    tile.template product<true>(left, 1, 0);
    if (k < s)
#pragma unroll
      for (int i = 0; i < n; ++i) gamma[i] += 0.5f * left[i];
    if (k + 1 < steps) {
      tile.template product<false>(left, 0, 0);
#pragma unroll
      for (int i = 0; i < n; ++i) e[i] = 2 * e[i] + left[i];
    }
    tile.sync();
  }
  if (!work.real) return;
  const int64_t rays = rays_of(plan);
  out += ((work.layer * rays + work.ray) * plan.groups + work.group - first) * (b * (b - 1) / 2);
#pragma unroll
  for (int i = 0; i < n; ++i) {
    const int r = tile.row(i), c = tile.column(i);
    if (c > r) out[r * b - r * (r + 1) / 2 + c - r - 1] = back * gamma[i];
  }
}

/// gradient[a, layer, group, entry] = sum over the rays' first points of p_a dL/dM; one thread per entry of the layers [first, first + layers).
__global__ void __launch_bounds__(256)
    sum_rays_kernel(SkewExpPlan<float> plan, int64_t first, int64_t layers, const float* __restrict__ of_matrices) {
  const int64_t width = plan.groups * (plan.block * (plan.block - 1) / 2);
  const int64_t i = blockIdx.x * int64_t{blockDim.x} + threadIdx.x;
  if (i >= layers * width) return;
  const int64_t rays = rays_of(plan);
  const float* from = of_matrices + i / width * rays * width + i % width;
  float sums[3] = {0, 0, 0};
#pragma unroll 4
  for (int64_t ray = 0; ray < rays; ++ray) {
    const float value = from[ray * width];
    const int64_t token = plan.ray_first ? plan.ray_tokens[plan.ray_first[ray]] : ray;
#pragma unroll
    for (int a = 0; a < 3; ++a)
      if (a < plan.axes) sums[a] += plan.positions[token * plan.axes + a] * value;
  }
#pragma unroll
  for (int a = 0; a < 3; ++a)
    if (a < plan.axes) plan.gradient[a * plan.layers * width + first * width + i] = sums[a];
}

template <class Tile>
unsigned blocks_for(int64_t matrices) {
  constexpr int64_t kTeams = Tile::kBlock / Tile::kThreads;
  return static_cast<unsigned>((matrices + kTeams - 1) / kTeams);
}
template <class Tile>
constexpr int shared_bytes() {
  return Tile::kBlock / Tile::kThreads * Tile::kWords * 4;
}

template <class Tile>
int forward(const SkewExpPlan<float>& plan, void* stream) {
  static_assert(shared_bytes<Tile>() <= 48 << 10);
  const int64_t matrices = plan.layers * rays_of(plan) * plan.groups;  // the first of each ray
  LIERE_LAUNCH((exp_kernel<Tile>), blocks_for<Tile>(matrices), Tile::kBlock, shared_bytes<Tile>(), stream, plan, matrices);
  return launch_error();
}

/// Layers whose dL/dM are in the workspace at a time: 256 MiB, or LIERE_CUDA_EXP_BYTES of the environment (for tests), but at least one layer.
int64_t layers_at_once(const SkewExpPlan<float>& plan) {
  const char* const text = std::getenv("LIERE_CUDA_EXP_BYTES");
  const int64_t limit = text ? std::atoll(text) : int64_t{256} << 20, bytes = rays_of(plan) * plan.groups * (plan.block * (plan.block - 1) / 2) * 4;
  const int64_t most = limit / (bytes > 0 ? bytes : 1);
  return most < 1 ? 1 : most < plan.layers ? most : plan.layers;
}

template <class Tile>
int backward(const SkewExpPlan<float>& plan, void* workspace, void* stream) {
  const int64_t step = layers_at_once(plan), width = plan.groups * (plan.block * (plan.block - 1) / 2);
  auto* of_matrices = static_cast<float*>(workspace);
  for (int64_t layer = 0; layer < plan.layers; layer += step) {
    const int64_t layers = layer + step < plan.layers ? step : plan.layers - layer, matrices = layers * rays_of(plan) * plan.groups;
    LIERE_LAUNCH((exp_gradient_kernel<Tile>), blocks_for<Tile>(matrices), Tile::kBlock, shared_bytes<Tile>(), stream, plan,
                 layer * rays_of(plan) * plan.groups, matrices, of_matrices);
    LIERE_LAUNCH(sum_rays_kernel, static_cast<unsigned>((layers * width + 255) / 256), 256, 0, stream, plan, layer, layers, of_matrices);
    if (const int error = launch_error()) return error;
  }
  return 0;
}

/// Which kernels serve a block side.
using Simt4 = SimtTile<4, 1>;
using Simt8 = SimtTile<8, 2>;
using Simt16 = SimtTile<16, 2>;
using Simt32 = SimtTile<32, 4>;
using Simt64 = SimtTile<64, 4>;
struct Served {
  int64_t block;
  bool tensor_cores;
  int shared_bytes;
  int (*forward)(const SkewExpPlan<float>&, void*);
  int (*backward)(const SkewExpPlan<float>&, void*, void*);
};
constexpr Served kServed[] = {
    {4, false, shared_bytes<Simt4>(), forward<Simt4>, backward<Simt4>},
    {8, false, shared_bytes<Simt8>(), forward<Simt8>, backward<Simt8>},
    {16, false, shared_bytes<Simt16>(), forward<Simt16>, backward<Simt16>},
    {32, true, shared_bytes<MmaTile<32>>(), forward<MmaTile<32>>, backward<MmaTile<32>>},
    {64, true, shared_bytes<MmaTile<64>>(), forward<MmaTile<64>>, backward<MmaTile<64>>},
    {32, false, shared_bytes<Simt32>(), forward<Simt32>, backward<Simt32>},
    {64, false, shared_bytes<Simt64>(), forward<Simt64>, backward<Simt64>},
};

std::atomic<ExpKernel> asked_for = ExpKernel::kAuto;

/// The first of the table that the device can run, or of the kind that is asked for where there is one.
const Served* served(int64_t block, ExpKernel asked, const DeviceAttributes& attributes) {
  const Served* found = nullptr;
  for (const Served& row : kServed) {
    if (row.block != block || row.shared_bytes > attributes.shared_memory || (row.tensor_cores && attributes.compute_capability < 80)) continue;
    if (!found || asked == (row.tensor_cores ? ExpKernel::kTensorCores : ExpKernel::kFp32)) found = &row;
  }
  return found;
}
const Served* served(const SkewExpPlan<float>& plan) {
  static const DeviceAttributes attributes = device_attributes();  // GPUs of one process are taken to be of one kind
  return served(plan.block, asked_for, attributes);
}
ExpKernel choice(int64_t block, ExpKernel asked, const DeviceAttributes& attributes) {
  const Served* const found = served(block, asked, attributes);
  return !found ? ExpKernel::kAuto : found->tensor_cores ? ExpKernel::kTensorCores : ExpKernel::kFp32;
}
void ask(ExpKernel asked) { asked_for = asked; }

bool serves(const SkewExpPlan<float>& plan) {
  return plan.axes >= 1 && plan.axes <= 3 && plan.layers * plan.groups * plan.tokens > 0 && served(plan) != nullptr;
}
int64_t workspace(const SkewExpPlan<float>& plan) {
  return layers_at_once(plan) * rays_of(plan) * plan.groups * (plan.block * (plan.block - 1) / 2) * 4;
}
int run_forward(const SkewExpPlan<float>& plan, void*, void* stream) { return served(plan)->forward(plan, stream); }
int run_backward(const SkewExpPlan<float>& plan, void* workspace, void* stream) { return served(plan)->backward(plan, workspace, stream); }

}  // namespace

DeviceExpKernels exp_device_kernels() { return {serves, workspace, run_forward, run_backward, choice, ask}; }

}  // namespace liere
