// RoPE over the raster index (RoFormer): pair k of patch token t turns by t * base^(-2k/d); CLS is not turned. Nothing is learned; all layers and
// heads alike.
#pragma once

#include "models/position/fixed_angles.h"

namespace liere {

class Rope : public FixedAngles {
 public:
  Rope(const RopeConfig& config, const BackboneShape& shape);

 private:
  torch::Tensor angles(const TokenGrid& grid) const override;

  double base_;
  int64_t head_dim_;
};

}  // namespace liere
