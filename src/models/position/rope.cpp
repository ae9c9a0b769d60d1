#include "models/position/rope.h"

namespace liere {

Rope::Rope(const RopeConfig& config, const BackboneShape& shape) : base_(config.base), head_dim_(shape.head_dim) {
  if (config.absolute) add_absolute_table(shape);
  like_ = register_buffer("like", at::empty({0}, shape.device));
}

Rotations Rope::rotations(const TokenGrid& grid, bool) const {
  // In float64 whatever the model's dtype: the angle reaches the number of tokens.
  const auto frequency_P = at::pow(base_, at::arange(0, head_dim_, 2, at::kDouble).div_(-static_cast<double>(head_dim_)));
  const auto angle_NP = at::outer(at::arange(grid.tokens(), at::kDouble), frequency_P);
  const auto value = at::stack({angle_NP.cos(), angle_NP.sin()}, -1).to(like_.options());
  return {.kind = Rotations::Kind::kPairs, .value = value.view({1, grid.tokens(), 1, head_dim_ / 2, 2}), .path = path()};
}

}  // namespace liere
