#include "models/block.h"

namespace liere {

BlockImpl::BlockImpl(const VitConfig& config, int64_t layer, torch::Device device)
    : layer_(layer),
      dropout_(config.dropout),
      drop_path_(*config.depth > 1 ? config.drop_path * static_cast<double>(layer) / static_cast<double>(*config.depth - 1) : config.drop_path),
      scale_start_(config.layer_scale),
      norm1_(register_module("norm1", LayerNorm(*config.width, config.norm_eps, device))),
      norm2_(register_module("norm2", LayerNorm(*config.width, config.norm_eps, device))),
      attention_(register_module("attention", Attention(*config.width, *config.heads, config.qkv_bias, device))) {
  const auto mlp = register_module("mlp", std::make_shared<torch::nn::Module>("mlp"));
  fc1_ = mlp->register_module("fc1", Linear(*config.width, *config.mlp, /*with_bias=*/true, device));
  fc2_ = mlp->register_module("fc2", Linear(*config.mlp, *config.width, /*with_bias=*/true, device));
  if (scale_start_) {
    const auto options = at::dtype(at::kFloat).device(device);
    scale1_W_ = register_parameter("layer_scale1", at::empty({*config.width}, options));
    scale2_W_ = register_parameter("layer_scale2", at::empty({*config.width}, options));
  }
}

void BlockImpl::initialize() {
  const at::NoGradGuard no_grad;
  for (auto* scale : {&scale1_W_, &scale2_W_})
    if (scale->defined()) scale->fill_(*scale_start_);
}

torch::Tensor BlockImpl::add_branch(const torch::Tensor& x_BTW, const torch::Tensor& branch_BTW, const torch::Tensor& scale_W,
                                    const ForwardOptions& options, DropoutSite site, DropoutSite path) const {
  auto branch = drop(branch_BTW, dropout_, options, layer_, site);
  if (scale_W.defined()) branch = branch * scale_W;
  if (options.dropout && drop_path_ > 0) {
    const auto kept_B11 = drop(at::ones({branch.size(0), 1, 1}, branch.options()), drop_path_, options, layer_, path);
    branch = branch * kept_B11;
  }
  return x_BTW + branch;
}

bool BlockImpl::is_fused(const torch::Tensor& x_BTW, const ForwardOptions& options) const {
  if (!fused_ || scale_start_ || options.cls_attention || (options.dropout && drop_path_ > 0)) return false;
  return fused_block_serves(x_BTW, weights(), options);
}

BlockWeights BlockImpl::weights() const {
  const auto &qkv = *attention_->qkv(), &out = *attention_->out();
  return {norm1_->weight, norm1_->bias, qkv.weight, qkv.bias, out.weight, out.bias, norm2_->weight, norm2_->bias, fc1_->weight, fc1_->bias, fc2_->weight, fc2_->bias};
}

torch::Tensor BlockImpl::forward(const torch::Tensor& x_BTW, const Rotations& rotations, const ForwardOptions& options) {
  if (is_fused(x_BTW, options)) return fused_block(x_BTW, weights(), {attention_->heads(), layer_, dropout_, norm1_->eps()}, rotations, options);
  const auto attended = attention_->forward(norm1_->forward(x_BTW), rotations, layer_, options.cls_attention);
  const auto y_BTW = add_branch(x_BTW, attended, scale1_W_, options, DropoutSite::kAttentionOut, DropoutSite::kAttentionPath);
  const auto hidden = drop(at::gelu(fc1_->forward(norm2_->forward(y_BTW))), dropout_, options, layer_, DropoutSite::kMlpHidden);
  return add_branch(y_BTW, fc2_->forward(hidden), scale2_W_, options, DropoutSite::kMlpOut, DropoutSite::kMlpPath);
}

torch::Tensor drop(const torch::Tensor& x, double p, const ForwardOptions& options, int64_t layer, DropoutSite site) {
  return options.dropout && p > 0 ? counter_dropout(x, p, *options.dropout, layer, site) : x;
}

}  // namespace liere
