#include "models/position/liere.h"

#include "models/kernels/rotation_exp.h"

namespace liere {

Rotations Liere::make_rotations(const torch::Tensor& generators_nLHKE, const torch::Tensor& positions_Nn) const {
  return {.kind = Rotations::Kind::kBlocks, .value = rotation_exp(generators_nLHKE, positions_Nn, learned_block(), path(), {ray_table(), {}})};
}

torch::Tensor Liere::gradient_of(const Rotations& set, const torch::Tensor& positions_Nn) const {
  return rotation_exp_gradient(generators(), positions_Nn, set.gradient, path(), {ray_table(), set.value});
}

}  // namespace liere
