// Attention of short sequences in bfloat16 on processors with AVX512_BF16, forward and backward, free of torch:  o = softmax(scale q k^T) v  for each
// sample and head on its own, so that scores and probabilities never leave the cache. Queries, keys and values are read where the qkv projection (or
// the kernel that turns them) left them, and o is written token by token, as the output projection reads it: no copies for the layout.
//
// Products take bfloat16 and add in float; scores, softmax and its statistics are float, probabilities are rounded to bfloat16 for the product with v,
// as in torch's flash attention for the CPU. Backward (Dao et al. 2022, "FlashAttention", section 3.1): with P = exp(scale q k^T - lse),
// D = sum(do * o):  dv = P^T do,  dS = scale P (do v^T - D),  dq = dS k,  dk = dS^T q.
// A sample and head is computed by one thread: nothing depends on the number of threads.
#pragma once

#include <cstdint>

#include "models/kernels/dropout.h"
#include "models/kernels/head_strides.h"

namespace liere {

struct ShortAttention {
  int64_t heads, tokens, dim;
  float scale;
  const Bfloat16Bits *q, *k, *v;
  HeadStrides in;  // of q, k, v and their gradients
  HeadStrides out;  // of o and its gradient
  float* lse;  // [B, H, T]: log of the sum of exp(scale q k^T); written by forward, read by backward
  Bfloat16Bits* o;
  // Backward only:
  const Bfloat16Bits* d_o;
  Bfloat16Bits *dq, *dk, *dv;
};

constexpr int64_t kShortAttentionTokens = 512;

/// Whether this processor and these sizes are served: AVX512_BF16, at most kShortAttentionTokens tokens, dim a multiple of 32 up to 128.
bool short_attention_serves(int64_t tokens, int64_t dim);

/// Pairs [begin, end) of sample * heads + head.
void short_attention(const ShortAttention& p, int64_t begin, int64_t end);
void short_attention_backward(const ShortAttention& p, int64_t begin, int64_t end);

}  // namespace liere
