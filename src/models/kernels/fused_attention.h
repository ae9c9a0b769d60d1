// Attention between two projections, without autograd: from the qkv projection's output to the input of the output projection and back. bfloat16 of
// short sequences goes through kernels/short_attention.h, everything else through torch's flash attention for the CPU.
#pragma once

#include "models/kernels/apply.h"

namespace liere {

/// Queries, keys and values [B, H, T, d]: views of the projection's output, or what `turn` made.
struct AttentionHeads {
  at::Tensor q, k, v;
};
/// qkv [B, T, 3 H d] -> heads, turned where there are rotations.
AttentionHeads heads_of(const at::Tensor& qkv_BT3HD, int64_t heads, const LayerRotations& rotations);

struct Attended {
  at::Tensor mixed_BTW;  // softmax(q k^T / sqrt(d)) v, heads side by side
  at::Tensor lse;        // for attend_backward
};
Attended attend(const AttentionHeads& heads);

/// Gradients of the heads: where they were turned tensors [B, H, T, d] of their own, else views of one gradient of qkv.
AttentionHeads attend_backward(const AttentionHeads& heads, const Attended& attended, const at::Tensor& dmixed_BTW, bool turned);

/// Gradient of qkv [B, T, 3 H d] out of the heads' gradients; adds to rotations.gradient where one is wanted.
at::Tensor heads_backward(const AttentionHeads& gradients, const at::Tensor& qkv_BT3HD, const LayerRotations& rotations);

}  // namespace liere
