// An encoding whose angles follow from the grid alone: nothing is learned, all layers and heads alike, and the table is made once per grid.
#pragma once

#include "models/position_encoding.h"

namespace liere {

class FixedAngles : public PositionEncoding {
 public:
  Rotations rotations(const TokenGrid& grid, bool with_gradient) const final;

 protected:
  explicit FixedAngles(const BackboneShape& shape) : like_(register_buffer("like", at::empty({0}, shape.device))) {}
  /// [N, d/2] in float64, whatever the model's dtype: an angle reaches the number of tokens.
  virtual torch::Tensor angles(const TokenGrid& grid) const = 0;
  /// The next table is made anew.
  void forget() { made_ = torch::Tensor(); }

 private:
  torch::Tensor like_;  // empty buffer: follows the module's device and dtype
  mutable torch::Tensor made_;
  mutable TokenGrid made_for_;
};

}  // namespace liere
