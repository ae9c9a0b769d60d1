#include "models/position/liere.h"

#include "models/kernels/rotation_exp.h"

namespace liere {

Rotations Liere::rotations(const TokenGrid& grid, bool with_gradient) const {
  Rotations set{Rotations::Kind::kBlocks, rotation_exp(generators(), positions(grid), block_size_), {}};
  if (with_gradient) set.gradient = at::zeros_like(set.value);
  return set;
}

torch::Tensor Liere::gradient_of(const Rotations& set, const torch::Tensor& positions_Nn) const {
  return rotation_exp_gradient(generators(), positions_Nn, set.gradient);
}

}  // namespace liere
