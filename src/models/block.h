// One transformer block, pre-norm and twice residual: x = x + attention(norm1(x)); x = x + fc2(gelu(fc1(norm2(x)))), GELU exact (erf).
// Either branch may be scaled per channel (LayerScale, Touvron et al. 2021) and left out per sample (stochastic depth, Huang et al. 2016: the branches
// that stay are divided by the probability of staying, so that evaluation needs no change).
#pragma once

#include "models/attention.h"
#include "models/config.h"
#include "models/fused_block.h"
#include "models/vit.h"

namespace liere {

class BlockImpl : public torch::nn::Module {
 public:
  /// `layer` counts from 0; it picks the rotations and keys the dropout.
  BlockImpl(const VitConfig& config, int64_t layer, torch::Device device);
  /// x [B, T, W] -> [B, T, W].
  torch::Tensor forward(const torch::Tensor& x_BTW, const Rotations& rotations, const ForwardOptions& options);
  /// LayerScale at its start value; the modules inside are initialised by VitImpl.
  void initialize();
  void set_fused(bool fused) { fused_ = fused; }

 private:
  /// Whether this call runs as fused_block.h's one function instead of the composed form below.
  bool is_fused(const torch::Tensor& x_BTW, const ForwardOptions& options) const;
  BlockWeights weights() const;
  /// x + the branch's output after dropout, LayerScale and stochastic depth.
  torch::Tensor add_branch(const torch::Tensor& x_BTW, const torch::Tensor& branch_BTW, const torch::Tensor& scale_W, const ForwardOptions& options,
                           DropoutSite site, DropoutSite path) const;

  int64_t layer_;
  bool fused_ = true;
  double dropout_, drop_path_;
  std::optional<double> scale_start_;
  torch::Tensor scale1_W_, scale2_W_;  // undefined without LayerScale
  LayerNorm norm1_, norm2_;
  Attention attention_;
  Linear fc1_{nullptr}, fc2_{nullptr};
};
TORCH_MODULE(Block);

/// Dropout in training (options.dropout set and p > 0), else x itself.
torch::Tensor drop(const torch::Tensor& x, double p, const ForwardOptions& options, int64_t layer, DropoutSite site);

}  // namespace liere
