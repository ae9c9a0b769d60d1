#include "models/position/rope_mixed.h"

namespace liere {

Rotations RopeMixed::make_rotations(const torch::Tensor& generators_nLHKE, const torch::Tensor& positions_Nn) const {
  const auto theta_nLHP = generators_nLHKE.squeeze(-1);
  at::Tensor f_LNHP;
  for (int64_t axis = 0; axis < theta_nLHP.size(0); ++axis) {  // written out: a matrix product could run in TF32
    const auto part = theta_nLHP[axis].unsqueeze(1) * positions_Nn.select(1, axis).view({1, -1, 1, 1});
    f_LNHP = f_LNHP.defined() ? f_LNHP.add_(part) : part;
  }
  return {.kind = Rotations::Kind::kPairs, .value = at::stack({f_LNHP.cos(), f_LNHP.sin().neg_()}, -1)};
}

torch::Tensor RopeMixed::gradient_of(const Rotations& set, const torch::Tensor& positions_Nn) const {
  std::vector<at::Tensor> per_axis;
  for (int64_t axis = 0; axis < positions_Nn.size(1); ++axis)
    per_axis.push_back((set.gradient * positions_Nn.select(1, axis).view({1, -1, 1, 1})).sum(1).neg_());
  return at::stack(per_axis).unsqueeze(-1);
}

}  // namespace liere
