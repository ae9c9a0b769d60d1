// Dropout whose mask is a pure function of (seed, optimiser step, global slot, layer, site): recomputation, resume and any split into micro-batches or ranks see the same masks.
#pragma once

#include <torch/torch.h>

#include "core/rng.h"

namespace liere {

enum class DropoutSite : uint32_t { kEmbedding = 0, kAttentionOut = 1, kMlpHidden = 2, kMlpOut = 3, kAttentionPath = 4, kMlpPath = 5 };

/// What a training forward needs to know of its place in the run; an undefined `slots` means evaluation.
struct DropoutKey {
  uint64_t seed = 0;
  int64_t step = 0;
  torch::Tensor slots_B;  // int64, CPU: the global slot of each row of the batch
  torch::Tensor step_on_device;  // int64, one element beside x: where defined, the step that counts is the one that stands there when the work runs (train/step_graph.h)

  /// Whether row i is slot slots_B[0] + i: kernels then need no table.
  bool has_consecutive_slots() const;
};

/// x [B, ...] -> x * mask / (1 - p). Element e of row i is kept iff its 32-bit word of Philox(key = stream_key(seed, kDropout), counter = (step, slot_i, layer * 8 + site, e / 4)), word e % 4, is >= p * 2^32.
/// Differentiable (the backward draws the mask again; nothing is stored). fp64, fp32 and bf16.
torch::Tensor counter_dropout(const torch::Tensor& x, double p, const DropoutKey& key, int64_t layer, DropoutSite site);

}  // namespace liere
