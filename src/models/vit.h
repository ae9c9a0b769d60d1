// The vision transformer in 1D, 2D and 3D from one code (paper section 4; conventions: golden numbers of the released code).
// Shape legend: B batch, C channels, T = N + 1 tokens with CLS first, W width, H heads, d head dimension.
#pragma once

#include <torch/torch.h>

#include <optional>

#include "models/config.h"
#include "models/dropout.h"
#include "models/layers.h"
#include "models/position_encoding.h"

namespace liere {

struct ForwardOptions {
  std::optional<DropoutKey> dropout;  // training (dropout and stochastic depth); absent = evaluation
  bool recompute = false;             // activation checkpointing: each block keeps only its input (models/recompute.h)
  torch::Tensor permutation_BN;       // int64: new token t = old token permutation[s, t], after the patch embedding and before CLS and positions
  /// When set, receives the CLS state after each block [B, W] and the attention probabilities of the CLS query [B, H, T] (computed without SDPA).
  std::vector<torch::Tensor>* cls_states = nullptr;
  std::vector<torch::Tensor>* cls_attention = nullptr;
};

class VitImpl : public torch::nn::Module {
 public:
  /// `config` must be resolved. Parameters: patch_embed.{weight,bias}, cls_token,
  /// block.I.{norm1,attention.qkv,attention.out,norm2,mlp.fc1,mlp.fc2}.{weight,bias}, block.I.layer_scale{1,2}, head_norm, head, and position's generators /
  /// position_embedding: the goldens' names without `weight.`. Each is initialised by its own stream named_seed(seed, name): Linear
  /// U(+-1/sqrt(fan_in)), LayerNorm 1 and 0, cls_token and position_embedding N(0, 1), layer_scale its constant, generators U[0, init_scale). The parameters (float32, on
  /// `device`; kMeta for shapes alone) hold nothing until initialize() or a checkpoint fills them. `encoding` takes the place of config.position's: an
  /// encoding that no configuration names yet.
  VitImpl(const VitConfig& config, int64_t classes, torch::Device device = torch::kCPU, const EncodingFactory& encoding = {});
  void initialize(uint64_t seed);

  /// The grid of an input whose spatial size is `input_size`; throws ConfigError when the patch does not divide it.
  TokenGrid grid(const std::vector<int64_t>& input_size) const;

  /// input [B, C, spatial...] -> logits [B, classes]. `rotations` are position().rotations(grid(input)).
  torch::Tensor forward(const torch::Tensor& input, const Rotations& rotations, const ForwardOptions& options = {});

  PositionEncoding& position() { return *position_; }
  const PositionEncoding& position() const { return *position_; }
  const VitConfig& config() const { return config_; }
  /// false: blocks are always composed of single operations, also where fused_block.h serves. For comparisons; the default is true.
  void set_fused(bool fused);

  /// Every parameter with its checkpoint name, in a fixed order.
  std::vector<std::pair<std::string, torch::Tensor>> named_weights() const;
  int64_t parameter_count() const;
  /// Multiply-adds of one image's forward pass as the paper counts them: linear layers, the two products of attention, 5 per entry of a layer norm,
  /// and for learned rotations (rope_mixed, liere) 2 T W b a layer for turning q and k, CLS included. Making R, softmax, GELU and the unlearned
  /// rotations are not counted. This gives every figure of the paper's table to 0.02 % but tiny with b = 64 (the paper's 0.970G would be 1.002G).
  double flops_per_sample(const TokenGrid& grid) const;

 private:
  VitConfig config_;
  int64_t classes_;
  Linear patch_embed_{nullptr};
  torch::Tensor cls_token_W_;
  std::shared_ptr<PositionEncoding> position_;
  torch::nn::ModuleList blocks_{nullptr};
  LayerNorm head_norm_{nullptr};
  Linear head_{nullptr};
};
TORCH_MODULE(Vit);

}  // namespace liere
