#include "models/attention.h"

#include <cmath>

namespace liere {

AttentionImpl::AttentionImpl(int64_t width, int64_t heads, bool qkv_bias, torch::Device device)
    : heads_(heads),
      qkv_(register_module("qkv", Linear(width, 3 * width, qkv_bias, device))),
      out_(register_module("out", Linear(width, width, /*with_bias=*/true, device))) {}

torch::Tensor AttentionImpl::forward(const torch::Tensor& x_BTW, const Rotations& rotations, int64_t layer,
                                     std::vector<torch::Tensor>* cls_attention) {
  const auto [q_BHTD, k_BHTD, v_BHTD] = apply_rotations(qkv_->forward(x_BTW), heads_, rotations, layer);
  if (cls_attention) {
    const auto scores_BHT = at::matmul(k_BHTD, q_BHTD.select(2, 0).unsqueeze(3)).squeeze(3) / std::sqrt(static_cast<double>(q_BHTD.size(3)));
    cls_attention->push_back(scores_BHT.softmax(-1));
  }
  const auto mixed_BHTD = at::scaled_dot_product_attention(q_BHTD, k_BHTD, v_BHTD);
  return out_->forward(mixed_BHTD.transpose(1, 2).reshape(x_BTW.sizes()));
}

}  // namespace liere
