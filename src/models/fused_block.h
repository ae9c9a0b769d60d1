// A whole transformer block as one differentiable function, on the CPU and on a GPU: the mathematics of block.h, which stays as the reference and serves
// wherever this form does not (float64, LayerScale, stochastic depth in training, attention that is watched).
//
// What it saves over the composed form: each stretch between two matrix products is one pass over memory (kernels/block_kernels.h), masks are drawn
// once and kept as bits, attention reads and writes the projections' own layout (kernels/short_attention.h), and under AutocastScope the activations
// of the branches are bfloat16 from end to end, cast by the kernels that make them; weights are cast once per forward, their gradients once per
// backward. The residual stream, LayerNorm's statistics, biases and all sums over rows are float32, as under autocast.
#pragma once

#include <torch/torch.h>

#include "models/rotation.h"
#include "models/vit.h"

namespace liere {

/// A block's parameters, float32, by role; qkv_bias may be undefined.
struct BlockWeights {
  torch::Tensor norm1_weight, norm1_bias, qkv, qkv_bias, out, out_bias, norm2_weight, norm2_bias, fc1, fc1_bias, fc2, fc2_bias;
};

struct BlockSettings {
  int64_t heads, layer;
  double dropout, norm_eps;
};

/// Whether x [B, T, W] and the weights are what the fused form serves: float32 on the CPU or, in a build with CUDA, on a GPU (there of width 1,280 at most),
/// width and hidden width multiples of 16, and one slot per sample where there is dropout.
bool fused_block_serves(const torch::Tensor& x_BTW, const BlockWeights& weights, const ForwardOptions& options);

/// x [B, T, W] -> [B, T, W], float32. In bfloat16 inside where autocast is on. Adds to rotations.gradient in its backward as apply_rotations does.
torch::Tensor fused_block(const torch::Tensor& x_BTW, const BlockWeights& weights, const BlockSettings& settings, const Rotations& rotations,
                          const ForwardOptions& options);

}  // namespace liere
