// Axial RoPE (VisionLLaMA): per axis K = floor(floor(d / n) / 2) frequencies f_k = exp(-4 k / (K - 1)); pair a K + k turns by p_a f_k.
// The remaining channels (none in 2D, the last 4 of 64 in 3D) are not turned. Nothing is learned; all layers and heads alike.
#pragma once

#include "models/position/fixed_angles.h"

namespace liere {

class VisionLlama : public FixedAngles {
 public:
  VisionLlama(const VisionLlamaConfig& config, const BackboneShape& shape);
  void set_position_rule(PositionRule rule) override {
    rule_ = rule;
    forget();
  }

 private:
  torch::Tensor angles(const TokenGrid& grid) const override;

  PositionRule rule_;
  int64_t head_dim_;
};

}  // namespace liere
