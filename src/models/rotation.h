// Rotations of queries and keys as a value: what a position encoding makes once per optimiser step and every block applies.
//
//   q' = R q, k' = R k    (paper section 3; CLS has R = I, implicitly: it is never stored)
//
// Shape legend: L layers (1 if shared), N patch tokens, H heads (1 if shared), K = d / b blocks of a head, b block side, d head dimension, B batch, T
// = N + 1.
#pragma once

#include <torch/torch.h>

namespace liere {

/// kKernels: the device's own kernels where there are some; kReference: compositions of ATen operations, for every device, to compare with.
enum class RotationPath { kKernels, kReference };

struct Rotations {
  enum class Kind { kNone, kPairs, kBlocks };
  Kind kind = Kind::kNone;
  /// kPairs: [L|1, N, H|1, d/2, 2] cos and sin; channel pair (2j, 2j+1) becomes (c x - s y, s x + c y).
  /// kBlocks: [L|1, N, H|1, K, b, b].
  torch::Tensor value;
  /// Where the backward of apply adds, per micro-batch and layer, in fp32 (fp64 for fp64 models); undefined when no gradient is wanted.
  /// kPairs: [L|1, N, H|1, d/2], dL/dangle (c = cos(angle), s = sin(angle)).
  /// kBlocks: [L|1, N, H|1, K, b, b], X' = sum over the batch of dq' q'^T + dk' k'^T, in the turned frame: X' = (dL/dR) R^T; only X' - X'^T counts, so
  /// that a kernel may add X' or its skew part (X' - X'^T) / 2. The turned frame, because q' and k' may then take the place of q and k in memory.
  torch::Tensor gradient;
  RotationPath path = RotationPath::kKernels;  // what made this set, and what applies it

  bool wants_gradient() const { return gradient.defined(); }
  /// The layer's slice index into dimension 0.
  int64_t layer_index(int64_t layer) const { return value.size(0) == 1 ? 0 : layer; }
};

/// max |R^T R - I| over all rotations of the set; 0 where there are none.
double orthogonality_error(const Rotations& rotations);
/// The same as a scalar tensor where the rotations are, without host synchronisation; undefined where there are none.
torch::Tensor orthogonality_error_on_device(const Rotations& rotations);

/// Reads q and k out of the qkv projection's output and turns them; v is copied out untouched.
/// qkv [B, T, 3 H d] contiguous -> q, k, v [B, H, T, d] contiguous, in the dtype of qkv. Token 0 is CLS.
/// Differentiable in qkv; its backward adds to rotations.gradient (shared storage), so call it once per layer and forward.
std::tuple<torch::Tensor, torch::Tensor, torch::Tensor> apply_rotations(const torch::Tensor& qkv_BT3HD, int64_t heads, const Rotations& rotations,
                                                                        int64_t layer);

}  // namespace liere
