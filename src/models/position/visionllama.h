// Axial RoPE (VisionLLaMA): per axis K = floor(floor(d / n) / 2) frequencies f_k = exp(-4 k / (K - 1)); pair a K + k turns by p_a f_k.
// The remaining channels (none in 2D, the last 4 of 64 in 3D) are not turned. Nothing is learned; all layers and heads alike.
#pragma once

#include "models/position_encoding.h"

namespace liere {

class VisionLlama : public PositionEncoding {
 public:
  VisionLlama(const VisionLlamaConfig& config, const BackboneShape& shape);
  Rotations rotations(const TokenGrid& grid, bool with_gradient) const override;
  void set_position_rule(PositionRule rule) override { rule_ = rule; }

 private:
  PositionRule rule_;
  int64_t head_dim_;
  torch::Tensor like_;  // empty buffer: follows the module's device and dtype
};

}  // namespace liere
