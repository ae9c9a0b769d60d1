// Attention between two projections, without autograd: from the qkv projection's output to the input of the output projection and back. On the CPU
// bfloat16 of short sequences goes through kernels/short_attention.h, everything else through torch's flash attention for the CPU. On a GPU
// short_attention_cuda.cu serves bfloat16 of up to 96 tokens with heads of 64 channels, else torch's choice among its fused attentions (flash,
// memory-efficient, cuDNN: at::_fused_sdp_choice), and plain products where none of them does.
#pragma once

#include <ATen/SDPBackend.h>

#include "models/kernels/apply.h"

namespace liere {

/// Queries, keys and values [B, H, T, d], or their gradients: views of a qkv projection's output [B, T, 3 H d] where they share its memory.
struct AttentionHeads {
  at::Tensor q, k, v;
};
AttentionHeads heads_of(const at::Tensor& qkv_BT3HD, int64_t heads);

struct Attended {
  at::Tensor mixed_BTW;          // softmax(q k^T / sqrt(d)) v, heads side by side
  at::Tensor lse;                // for attend_backward, as are the rest
  at::Tensor seed, offset;       // state of a dropout that is not used; torch's fused backward functions ask for it
  at::SDPBackend backend = at::SDPBackend::flash_attention;  // what ran (GPU)
};
Attended attend(const AttentionHeads& heads);

/// Whether attend() on tensors like this one (device and dtype) runs the GPU's own kernel for sequences of these sizes; the configuration's choice of a backend
/// of torch's turns it off.
bool own_attention_serves(const at::Tensor& like, int64_t tokens, int64_t dim);

/// Gradients of the heads: views of one gradient of qkv, or tensors of their own.
AttentionHeads attend_backward(const AttentionHeads& heads, const Attended& attended, const at::Tensor& dmixed_BTW);

/// The same by plain products, for every device: what serves on a GPU where no fused form does.
Attended plain_attend(const AttentionHeads& heads);
AttentionHeads plain_attend_backward(const AttentionHeads& heads, const Attended& attended, const at::Tensor& dmixed_BTW);

/// Gradient of qkv [B, T, 3 H d] out of the gradients of the heads (overwritten) and the heads as forward left them; adds to rotations.gradient where one is
/// wanted.
at::Tensor heads_backward(const AttentionHeads& gradients, const AttentionHeads& heads, const LayerRotations& rotations);

}  // namespace liere
