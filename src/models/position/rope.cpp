#include "models/position/rope.h"

namespace liere {

Rope::Rope(const RopeConfig& config, const BackboneShape& shape) : FixedAngles(shape), base_(config.base), head_dim_(shape.head_dim) {
  if (config.absolute) add_absolute_table(shape);
}

torch::Tensor Rope::angles(const TokenGrid& grid) const {
  const auto frequency_P = at::pow(base_, at::arange(0, head_dim_, 2, at::kDouble).div_(-static_cast<double>(head_dim_)));
  return at::outer(at::arange(grid.tokens(), at::kDouble), frequency_P);
}

}  // namespace liere
