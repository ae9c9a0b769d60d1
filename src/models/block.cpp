#include "models/block.h"

namespace liere {

BlockImpl::BlockImpl(const VitConfig& config, int64_t layer, torch::Device device)
    : layer_(layer),
      dropout_(config.dropout),
      norm1_(register_module("norm1", LayerNorm(*config.width, config.norm_eps, device))),
      norm2_(register_module("norm2", LayerNorm(*config.width, config.norm_eps, device))),
      attention_(register_module("attention", Attention(*config.width, *config.heads, config.qkv_bias, device))) {
  const auto mlp = register_module("mlp", std::make_shared<torch::nn::Module>("mlp"));
  fc1_ = mlp->register_module("fc1", Linear(*config.width, *config.mlp, /*with_bias=*/true, device));
  fc2_ = mlp->register_module("fc2", Linear(*config.mlp, *config.width, /*with_bias=*/true, device));
}

torch::Tensor BlockImpl::forward(const torch::Tensor& x_BTW, const Rotations& rotations, const ForwardOptions& options) {
  const auto attended = attention_->forward(norm1_->forward(x_BTW), rotations, layer_, options.cls_attention);
  const auto y_BTW = x_BTW + drop(attended, dropout_, options, layer_, DropoutSite::kAttentionOut);
  const auto hidden = drop(at::gelu(fc1_->forward(norm2_->forward(y_BTW))), dropout_, options, layer_, DropoutSite::kMlpHidden);
  return y_BTW + drop(fc2_->forward(hidden), dropout_, options, layer_, DropoutSite::kMlpOut);
}

torch::Tensor drop(const torch::Tensor& x, double p, const ForwardOptions& options, int64_t layer, DropoutSite site) {
  return options.dropout && p > 0 ? counter_dropout(x, p, *options.dropout, layer, site) : x;
}

}  // namespace liere
