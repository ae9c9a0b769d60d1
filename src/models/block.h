// One transformer block, pre-norm and twice residual: x = x + attention(norm1(x)); x = x + fc2(gelu(fc1(norm2(x)))), GELU exact (erf).
#pragma once

#include "models/attention.h"
#include "models/config.h"
#include "models/vit.h"

namespace liere {

class BlockImpl : public torch::nn::Module {
 public:
  /// `layer` counts from 0; it picks the rotations and keys the dropout.
  BlockImpl(const VitConfig& config, int64_t layer, torch::Device device);
  /// x [B, T, W] -> [B, T, W].
  torch::Tensor forward(const torch::Tensor& x_BTW, const Rotations& rotations, const ForwardOptions& options);

 private:
  int64_t layer_;
  double dropout_;
  LayerNorm norm1_, norm2_;
  Attention attention_;
  Linear fc1_{nullptr}, fc2_{nullptr};
};
TORCH_MODULE(Block);

/// Dropout in training (options.dropout set and p > 0), else x itself.
torch::Tensor drop(const torch::Tensor& x, double p, const ForwardOptions& options, int64_t layer, DropoutSite site);

}  // namespace liere
