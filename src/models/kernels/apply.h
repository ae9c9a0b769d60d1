// Turning queries and keys: q' = R q, k' = R k, read out of the qkv projection and written head by head (paper section 3).
//
// All B rows of a token and head share one matrix, so the products are batched over (token, head, block) with 2 B rows (q and k) each; R is never
// repeated over the batch. Backward: dq = R^T dq', and where a gradient is wanted X += sum over batch, q and k of dq q^T (blocks; = R^T dL/dR) or
// dL/dangle += x' dy' - y' dx' (pairs). Shape legend: B batch, T = N + 1 tokens with CLS first (never turned), H heads, d head dimension, K blocks of
// side b.
#pragma once

#include "models/rotation.h"

namespace liere {

/// One layer's slice of a set of rotations: value and gradient as in Rotations without the first dimension; gradient may be undefined.
struct LayerRotations {
  Rotations::Kind kind;
  at::Tensor value, gradient;
};

/// qkv [B, T, 3 H d] -> turned q, k and copied v, each [B, H, T, d] contiguous. Without autograd.
std::tuple<at::Tensor, at::Tensor, at::Tensor> turn(const at::Tensor& qkv_BT3HD, int64_t heads, const LayerRotations& rotations);

/// Gradients of turned q, k and v [B, H, T, d] -> gradient of qkv [B, T, 3 H d]; adds to rotations.gradient in place. Without autograd.
at::Tensor turn_backward(const at::Tensor& dq_BHTD, const at::Tensor& dk_BHTD, const at::Tensor& dv_BHTD, const at::Tensor& qkv_BT3HD,
                         const LayerRotations& rotations);

}  // namespace liere
