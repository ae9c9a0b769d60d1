// Turning queries and keys: q' = R q, k' = R k (paper section 3).
//
// All B rows of a token and head share one matrix; R is never repeated over the batch. Backward: dq = R^T dq', and where a gradient is wanted
// X' += sum over batch, q and k of dq' q'^T (blocks; = (dL/dR) R^T) or dL/dangle += x'_0 dx'_1 - x'_1 dx'_0 (pairs): both need only what forward
// wrote, so that q' may overwrite q. The CPU runs kernels/turn_kernels.h, a GPU kernels/device_kernels.h, RotationPath::kReference and
// what kernels do not serve compositions of ATen operations.
// Shape legend: B batch, T = N + 1 tokens with CLS first (never turned), H heads, d head dimension, K blocks of side b.
#pragma once

#include "models/rotation.h"

namespace liere {

/// One layer's slice of a set of rotations: value and gradient as in Rotations without the first dimension; gradient may be undefined.
struct LayerRotations {
  Rotations::Kind kind = Rotations::Kind::kNone;
  at::Tensor value, gradient;
  RotationPath path = RotationPath::kKernels;

  LayerRotations() = default;
  LayerRotations(const Rotations& set, int64_t layer);
};

/// Queries and keys (or their gradients) as views [B, H, T, d] of any strides, channels side by side.
struct QueryKey {
  at::Tensor q_BHTD, k_BHTD;
};

/// The views of q and k inside a qkv projection's output [B, T, 3 H d], and of v.
QueryKey query_key_of(const at::Tensor& qkv_BT3HD, int64_t heads);
at::Tensor value_of(const at::Tensor& qkv_BT3HD, int64_t heads);

/// Writes q' and k' to `out`, which may be the memory of `in`. Without autograd. Throws c10::Error where the rotations are of another grid or heads.
void turn(const QueryKey& in, const QueryKey& out, const LayerRotations& rotations);

/// dq', dk' and the q', k' of forward -> dq, dk in `out`, which may be the memory of `d_turned`; adds to rotations.gradient in place. Without
/// autograd.
void turn_backward(const QueryKey& d_turned, const QueryKey& turned, const QueryKey& out, const LayerRotations& rotations);

}  // namespace liere
