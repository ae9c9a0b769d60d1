// RoPE over the raster index (RoFormer): pair k of patch token t turns by t * base^(-2k/d); CLS is not turned. Nothing is learned; all layers and
// heads alike.
#pragma once

#include "models/position_encoding.h"

namespace liere {

class Rope : public PositionEncoding {
 public:
  Rope(const RopeConfig& config, const BackboneShape& shape);
  Rotations rotations(const TokenGrid& grid, bool with_gradient) const override;

 private:
  double base_;
  int64_t head_dim_;
  torch::Tensor like_;  // empty buffer: follows the module's device and dtype
};

}  // namespace liere
