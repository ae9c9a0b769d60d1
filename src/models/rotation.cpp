#include "models/rotation.h"

namespace liere {

torch::Tensor orthogonality_error_on_device(const Rotations& rotations) {
  const at::NoGradGuard no_grad;
  if (rotations.kind == Rotations::Kind::kNone) return {};
  if (rotations.kind == Rotations::Kind::kPairs) return (rotations.value.square().sum(-1) - 1).abs().max();
  const auto matrices = rotations.value.flatten(0, -3);
  return (at::bmm(matrices.transpose(1, 2), matrices) - at::eye(matrices.size(-1), matrices.options())).abs().max();
}

double orthogonality_error(const Rotations& rotations) {
  const auto error = orthogonality_error_on_device(rotations);
  return error.defined() ? error.item<double>() : 0;
}

}  // namespace liere
