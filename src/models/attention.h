// Multi-head attention on turned queries and keys: softmax(q' k'^T / sqrt(d)) v, q' = R q, k' = R k (paper section 3).
#pragma once

#include "models/layers.h"
#include "models/rotation.h"

namespace liere {

class AttentionImpl : public torch::nn::Module {
 public:
  AttentionImpl(int64_t width, int64_t heads, bool qkv_bias, torch::Device device);
  /// x [B, T, W] -> [B, T, W]. Where `cls_attention` is given it receives the probabilities of the CLS query [B, H, T].
  torch::Tensor forward(const torch::Tensor& x_BTW, const Rotations& rotations, int64_t layer, std::vector<torch::Tensor>* cls_attention);

  int64_t heads() const { return heads_; }
  const Linear& qkv() const { return qkv_; }
  const Linear& out() const { return out_; }

 private:
  int64_t heads_;
  Linear qkv_, out_;
};
TORCH_MODULE(Attention);

}  // namespace liere
