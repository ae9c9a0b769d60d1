// The exponential of skew-symmetric blocks and its gradient on a GPU: a team of threads per matrix, everything between the generators and R, or X'
// and dL/dM, in registers and shared memory. Scaling and squaring as in rotation_exp.h (theta = 1.244, Chebyshev coefficients; E = exp - I is
// squared); how often a matrix is squared is decided in the kernel. Backward: dL/dM of every matrix goes to the workspace, a second kernel sums over
// the tokens in their order.
#include <cstdlib>
#include <string_view>

#include "models/kernels/cuda_device.h"
#include "models/kernels/device_kernels.h"
#include "models/kernels/skew_exp_cuda_mma.h"
#include "models/kernels/skew_exp_cuda_steps.h"

namespace liere {
namespace {

/// The team's tile and its matrix; the last matrices first, whose positions are the largest as a rule. `work` is false for teams past the end, which
/// repeat one.
template <class Tile>
LIERE_DEVICE Place place_of(int64_t first, int64_t count, const SkewExpPlan<float>& plan, bool& work) {
  const int64_t team = blockIdx.x * int64_t{Tile::kBlock / Tile::kThreads} + threadIdx.x / Tile::kThreads;
  work = team < count;
  const int64_t index = first + (work ? count - 1 - team : 0);
  return {index / (plan.groups * plan.tokens), index / plan.groups % plan.tokens, index % plan.groups};
}

#define LIERE_EXP_TILE(Tile)                                                           \
  LIERE_DYNAMIC_SHARED(float, shared_floats);                                          \
  LIERE_DYNAMIC_SHARED(uint32_t, shared_words);                                        \
  const int team_word = static_cast<int>(threadIdx.x) / Tile::kThreads * Tile::kWords; \
  const Tile tile{{shared_floats + team_word, shared_words + team_word, static_cast<int>(threadIdx.x) % Tile::kThreads}};

template <class Tile>
__global__ void __launch_bounds__(Tile::kBlock, Tile::kBlocks) exp_kernel(SkewExpPlan<float> plan, int64_t count) {
  constexpr int n = Tile::kElements, b = Tile::kSide;
  LIERE_EXP_TILE(Tile)
  bool work;
  const Place at = place_of<Tile>(0, count, plan, work);
  float a[n], x[n];
  form_exponent(tile, plan, at, 1, a);
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
  if (!work) return;
  float* out = plan.rotations + ((at.layer * plan.tokens + at.token) * plan.groups + at.group) * (b * b);
#pragma unroll
  for (int i = 0; i < n; i += 2) {
    const int r = tile.row(i), c = tile.column(i);
    *reinterpret_cast<float2*>(out + r * b + c) = make_float2(x[i] + (r == c ? 1.f : 0.f), x[i + 1] + (r == c + 1 ? 1.f : 0.f));
  }
}

/// dL/dM of the matrices [first, first + count), its strict upper triangle, to out [count, E].
template <class Tile>
__global__ void __launch_bounds__(Tile::kBlock, Tile::kBlocks)
    exp_gradient_kernel(SkewExpPlan<float> plan, int64_t first, int64_t count, float* __restrict__ out) {
  constexpr int n = Tile::kElements, b = Tile::kSide;
  LIERE_EXP_TILE(Tile)
  bool work;
  const Place at = place_of<Tile>(first, count, plan, work);
  const int64_t index = (at.layer * plan.tokens + at.token) * plan.groups + at.group;
  float e[n], gamma[n], left[n];
  form_exponent(tile, plan, at, -1, left);
  const int s = scale_exponent(tile, left, e), steps = most_steps<Tile>(s);
  base_exponential(tile, left, e);
  tile.store(0, left);
  const float back = load_gamma(tile, plan.x + index * (b * b), gamma);
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
  if (!work) return;
  out += (index - first) * (b * (b - 1) / 2);
#pragma unroll
  for (int i = 0; i < n; ++i) {
    const int r = tile.row(i), c = tile.column(i);
    if (c > r) out[r * b - r * (r + 1) / 2 + c - r - 1] = back * gamma[i];
  }
}

/// gradient[a, layer, group, entry] = sum over the tokens of p_a dL/dM; one thread per entry of the layers [first, first + layers).
__global__ void __launch_bounds__(256)
    sum_tokens_kernel(SkewExpPlan<float> plan, int64_t first, int64_t layers, const float* __restrict__ of_matrices) {
  const int64_t width = plan.groups * (plan.block * (plan.block - 1) / 2);
  const int64_t i = blockIdx.x * int64_t{blockDim.x} + threadIdx.x;
  if (i >= layers * width) return;
  const float* from = of_matrices + i / width * plan.tokens * width + i % width;
  float sums[3] = {0, 0, 0};
#pragma unroll 4
  for (int64_t token = 0; token < plan.tokens; ++token) {
    const float value = from[token * width];
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
  const int64_t matrices = plan.layers * plan.tokens * plan.groups;
  LIERE_LAUNCH((exp_kernel<Tile>), blocks_for<Tile>(matrices), Tile::kBlock, shared_bytes<Tile>(), stream, plan, matrices);
  return launch_error();
}

/// Layers whose dL/dM are in the workspace at a time: 256 MiB, or LIERE_CUDA_EXP_BYTES of the environment (for tests), but at least one layer.
int64_t layers_at_once(const SkewExpPlan<float>& plan) {
  const char* const text = std::getenv("LIERE_CUDA_EXP_BYTES");
  const int64_t limit = text ? std::atoll(text) : int64_t{256} << 20, bytes = plan.tokens * plan.groups * (plan.block * (plan.block - 1) / 2) * 4;
  const int64_t most = limit / (bytes > 0 ? bytes : 1);
  return most < 1 ? 1 : most < plan.layers ? most : plan.layers;
}

template <class Tile>
int backward(const SkewExpPlan<float>& plan, void* workspace, void* stream) {
  const int64_t step = layers_at_once(plan), width = plan.groups * (plan.block * (plan.block - 1) / 2);
  auto* of_matrices = static_cast<float*>(workspace);
  for (int64_t layer = 0; layer < plan.layers; layer += step) {
    const int64_t layers = layer + step < plan.layers ? step : plan.layers - layer, matrices = layers * plan.tokens * plan.groups;
    LIERE_LAUNCH((exp_gradient_kernel<Tile>), blocks_for<Tile>(matrices), Tile::kBlock, shared_bytes<Tile>(), stream, plan,
                 layer * plan.tokens * plan.groups, matrices, of_matrices);
    LIERE_LAUNCH(sum_tokens_kernel, static_cast<unsigned>((layers * width + 255) / 256), 256, 0, stream, plan, layer, layers, of_matrices);
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
  int (*forward)(const SkewExpPlan<float>&, void*);
  int (*backward)(const SkewExpPlan<float>&, void*, void*);
};
constexpr Served kServed[] = {
    {4, false, forward<Simt4>, backward<Simt4>},
    {8, false, forward<Simt8>, backward<Simt8>},
    {16, false, forward<Simt16>, backward<Simt16>},
    {32, true, forward<MmaTile<32>>, backward<MmaTile<32>>},
    {64, true, forward<MmaTile<64>>, backward<MmaTile<64>>},
    {32, false, forward<Simt32>, backward<Simt32>},
    {64, false, forward<Simt64>, backward<Simt64>},
};

/// The first of the table; LIERE_CUDA_EXP = simt or mma in the environment asks for the other where there is one, for comparisons.
const Served* served(const SkewExpPlan<float>& plan) {
  const char* const text = std::getenv("LIERE_CUDA_EXP");
  const std::string_view wanted = text ? text : "";
  const Served* found = nullptr;
  for (const Served& row : kServed) {
    if (row.block != plan.block) continue;
    if (!found || (wanted == "simt" && !row.tensor_cores) || (wanted == "mma" && row.tensor_cores)) found = &row;
  }
  return found;
}

bool serves(const SkewExpPlan<float>& plan) {
  return plan.axes >= 1 && plan.axes <= 3 && plan.layers * plan.groups * plan.tokens > 0 && served(plan) != nullptr;
}
int64_t workspace(const SkewExpPlan<float>& plan) {
  return layers_at_once(plan) * plan.tokens * plan.groups * (plan.block * (plan.block - 1) / 2) * 4;
}
int run_forward(const SkewExpPlan<float>& plan, void*, void* stream) { return served(plan)->forward(plan, stream); }
int run_backward(const SkewExpPlan<float>& plan, void* workspace, void* stream) { return served(plan)->backward(plan, workspace, stream); }

}  // namespace

DeviceExpKernels exp_device_kernels() { return {serves, workspace, run_forward, run_backward}; }

}  // namespace liere
